"""The mini language models: OPT (for BLIP-2 and OpenFlamingo) and LLaMA (for LLaVA), trained on text alone.

Published language models come to instruction tuning able to read a description and answer questions about it. So do
these: their documents describe scenes that are never drawn and ask about them.
"""

from __future__ import annotations

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
from vlit.mini.pretraining.corpus import dialogue
from vlit.mini.pretraining.loop import batches, fit
from vlit.mini.weights import load, stored_state
from vlit.models import loading
from vlit.models.forward import token_loss

READING = 0.3  # weight of the loss on all tokens beside that on answers, which alone teaches to look things up


def train(
    name: str, configuration: PretrainedConfig, texts: list[str], templates: Sequence[Template],
    words: PreTrainedTokenizerBase, output: Path, saved: Path, steps: int, batch_size: int, rate: float, seed: int,
    length: int, start: Path | None = None,
) -> None:  # fmt: skip
    """Train a causal language model and write its weights in half precision.

    Args:
        name: what the bar says.
        configuration: the architecture.
        texts: documents.
        templates: forms of dialogue, given to the documents in turn.
        words: the tokenizer.
        output: safetensors file to write.
        saved: state of an interrupted run.
        steps: optimiser steps.
        batch_size: documents a step.
        rate: peak learning rate.
        seed: of weights and order.
        length: most tokens of a document.
        start: weights to go on from; None starts anew.
    """
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(configuration)
    if start is None:
        _wave_positions(model)
    else:
        load(model, loading.load_float(start), name)
    loss = reading(texts, templates, words, batch_size, seed, length)
    fit(name, model, lambda step: loss(model, step), steps, rate, saved)
    loading.save_half(stored_state(model), output)


def _wave_positions(model: nn.Module) -> None:
    """Start learned positions, where a model has them, as sines: what holds at one place then holds at the next."""
    table = getattr(getattr(getattr(model, "model", None), "decoder", None), "embed_positions", None)
    if table is None:
        return
    places, width = table.weight.shape
    angle = torch.arange(places)[:, None] * torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    with torch.no_grad():
        waves = torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(1)
        table.weight.copy_(waves * (table.weight.std() / waves.std()))


def reading(
    texts: list[str], templates: Sequence[Template], words: PreTrainedTokenizerBase, batch_size: int, seed: int,
    length: int,
) -> Callable[[nn.Module, int], torch.Tensor]:  # fmt: skip
    """The loss of a causal language model on a step's documents, as a function of model and step."""
    image_token = words.convert_tokens_to_ids("<image>")
    encoder = Encoder(words, image_token, tokens_per_image=0, max_length=length, add_bos=True)
    encoded = [
        encoder.training(dialogue(text, templates[place % len(templates)]), str(place))
        for place, text in enumerate(texts)
    ]
    batch = batches([len(row.input_ids) for row in encoded], batch_size, seed)

    def loss(model: nn.Module, step: int) -> torch.Tensor:
        rows = [encoded[index] for index in batch(step)]
        ids = _padded([row.input_ids for row in rows], int(words.pad_token_id))
        labels = _padded([row.labels for row in rows], IGNORED)
        mask = _padded([[1] * len(row.input_ids) for row in rows], 0)
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
        answers, everything = token_loss(logits, labels), token_loss(logits, ids.masked_fill(mask == 0, IGNORED))
        return answers.total / answers.tokens + READING * everything.total / everything.tokens

    return loss


def _padded(rows: list[list[int]], value: int) -> torch.Tensor:
    return pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=value)


SPECIAL = ("<pad>", "<s>", "</s>", "<image>", "<|endofchunk|>")


def train_tokenizer(texts: Iterable[str], size: int, folder: Path) -> PreTrainedTokenizerFast:
    """Train the tokenizer and save it as a transformers folder."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIAL),
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
