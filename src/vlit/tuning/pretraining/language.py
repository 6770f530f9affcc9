"""The mini language models: OPT (for BLIP-2 and OpenFlamingo) and LLaMA (for LLaVA), trained on text alone.

Published language models come to instruction tuning able to read a description and answer questions about it. So do
these: their documents describe scenes that are never drawn and ask about them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModelForCausalLM, PretrainedConfig, PreTrainedTokenizerBase

from vlit.models import loading
from vlit.models.mini import stored_state
from vlit.models.scoring import IGNORE, token_loss
from vlit.tuning.pretraining.corpus import as_dialogue
from vlit.tuning.pretraining.loop import batches, fit


def train(
    name: str, configuration: PretrainedConfig, texts: list[str], styles: Sequence[str],
    words: PreTrainedTokenizerBase, output: Path, saved: Path, steps: int, batch_size: int, rate: float, seed: int, length: int,
) -> None:  # fmt: skip
    """Train a causal language model and write its weights in half precision.

    Args:
        name: what the bar says.
        configuration: the architecture.
        texts: documents.
        styles: chat styles, given to the documents in turn.
        words: the tokenizer.
        output: safetensors file to write.
        saved: state of an interrupted run.
        steps: optimiser steps.
        batch_size: documents a step.
        rate: peak learning rate.
        seed: of weights and order.
        length: most tokens of a document.
    """
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(configuration)
    encoded = [
        torch.tensor([words.bos_token_id, *words.encode(as_dialogue(text, styles[place % len(styles)]))[: length - 1]])
        for place, text in enumerate(texts)
    ]
    batch = batches([len(row) for row in encoded], batch_size, seed)

    def loss(step: int) -> torch.Tensor:
        rows = [encoded[index] for index in batch(step)]
        ids = pad_sequence(rows, batch_first=True, padding_value=words.pad_token_id)
        mask = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
        value = token_loss(logits, ids.masked_fill(mask == 0, IGNORE))
        return value.total / value.tokens

    fit(name, model, loss, steps, rate, saved)
    loading.save_half(stored_state(model), output)
