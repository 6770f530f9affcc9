"""The mini tokenizer and language models: OPT (for BLIP-2 and OpenFlamingo) and LLaMA (for LLaVA), trained on text.

Published language models come to instruction tuning able to read a description and answer questions about it. So do
these: their documents describe scenes that are never drawn and ask about them. The tokenizer is byte-level BPE over the
text of the world: the world's words are single tokens, and any other text can still be written, byte by byte.
"""

from __future__ import annotations

import vlit.common.torchvision_shim  # noqa: F401  (before transformers looks for torchvision)

# isort: split

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModelForCausalLM, PretrainedConfig, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from vlit.data.encode import IGNORED, Encoder
from vlit.data.templates import Template
from vlit.mini.pretraining.documents import document_pieces
from vlit.mini.pretraining.loop import batches, fit
from vlit.mini.weights import load_exactly, stored_state
from vlit.models.forward import token_loss
from vlit.models.loading import load_float, save_half

_SPECIAL = ("<pad>", "<s>", "</s>", "<image>", "<|endofchunk|>")
_ALL_TOKENS_WEIGHT = 0.3  # of the loss on all tokens; that on answers alone teaches to look things up


def train_tokenizer(texts: Iterable[str], size: int, folder: Path) -> PreTrainedTokenizerFast:
    """Train the tokenizer with a vocabulary of `size` tokens and save it as a transformers folder."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(_SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        additional_special_tokens=["<image>", "<|endofchunk|>"],
        clean_up_tokenization_spaces=False,
    )
    fast.save_pretrained(str(folder))
    return fast


def train_language_model(
    name: str, configuration: PretrainedConfig, texts: list[str], templates: Sequence[Template],
    words: PreTrainedTokenizerBase, output: Path, saved: Path, steps: int, batch_size: int, rate: float, seed: int,
    length: int, start: Path | None = None,
) -> None:  # fmt: skip
    """Train a causal language model and write its weights in half precision.

    Args:
        name: label of the progress bar.
        configuration: the architecture.
        texts: documents.
        templates: templates of the questions, used for the documents in turn.
        words: the tokenizer.
        output: safetensors file to write.
        saved: state of an interrupted run.
        steps: optimiser steps.
        batch_size: documents per step.
        rate: peak learning rate.
        seed: seed of weights and order.
        length: most tokens of a document.
        start: weights to continue from; None for new weights.
    """
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(configuration)
    if start is None:
        _sinusoidal_positions(model)
    else:
        load_exactly(model, load_float(start), name)
    loss = reading_loss(texts, templates, words, batch_size, seed, length)
    fit(name, model, lambda step: loss(model, step), steps, rate, saved)
    save_half(stored_state(model), output)


def _sinusoidal_positions(model: nn.Module) -> None:
    """Start learned positions, where a model has them, as sines: what holds at one position then holds at the next."""
    table = getattr(getattr(getattr(model, "model", None), "decoder", None), "embed_positions", None)
    if table is None:
        return
    positions, width = table.weight.shape
    angle = torch.arange(positions)[:, None] * torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    with torch.no_grad():
        waves = torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(1)
        table.weight.copy_(waves * (table.weight.std() / waves.std()))


def reading_loss(
    texts: list[str], templates: Sequence[Template], words: PreTrainedTokenizerBase, batch_size: int, seed: int,
    length: int,
) -> Callable[[nn.Module, int], torch.Tensor]:  # fmt: skip
    """Return the loss of a causal language model on a step's documents, as a function of model and step."""
    image_token = words.convert_tokens_to_ids("<image>")
    encoder = Encoder(words, image_token, tokens_per_image=0, max_length=length, add_bos=True)
    encoded = [
        encoder.training(document_pieces(text, templates[index % len(templates)]), str(index))
        for index, text in enumerate(texts)
    ]
    batch = batches([len(row.input_ids) for row in encoded], batch_size, seed)

    def loss(model: nn.Module, step: int) -> torch.Tensor:
        rows = [encoded[index] for index in batch(step)]
        ids = _padded([row.input_ids for row in rows], int(words.pad_token_id))
        labels = _padded([row.labels for row in rows], IGNORED)
        mask = _padded([[1] * len(row.input_ids) for row in rows], 0)
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
        answers, everything = token_loss(logits, labels), token_loss(logits, ids.masked_fill(mask == 0, IGNORED))
        return answers.total / answers.tokens + _ALL_TOKENS_WEIGHT * everything.total / everything.tokens

    return loss


def _padded(rows: list[list[int]], value: int) -> torch.Tensor:
    return pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=value)
