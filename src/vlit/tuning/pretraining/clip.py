"""The mini CLIP, trained with open_clip on world captions.

Two towers, as in the paper's models: `clip-mini` in the manner of OpenAI's ViT-L/14 (quick GELU, layer norm before the
blocks) for LLaVA, OpenFlamingo and matching degree, `eva-mini` in the manner of EVA-CLIP (GELU, no such norm) for BLIP-2.
"""

from __future__ import annotations

import random
from pathlib import Path

import open_clip
import torch
from transformers import PreTrainedTokenizerBase

from vlit.models import loading
from vlit.models.clip import tokenize
from vlit.tuning.pretraining.corpus import Pairs
from vlit.tuning.pretraining.loop import batches, fit


def train(
    name: str, configs: Path, data: Pairs, words: PreTrainedTokenizerBase, output: Path, saved: Path, steps: int,
    batch_size: int, rate: float, seed: int,
) -> None:  # fmt: skip
    """Train one CLIP and write its weights in half precision.

    Args:
        name: model name, defined by a file in `configs`.
        configs: folder of open_clip model configurations.
        data: images and captions.
        words: the tokenizer.
        output: safetensors file to write.
        saved: state of an interrupted run.
        steps: optimiser steps.
        batch_size: pairs a step.
        rate: peak learning rate.
        seed: of weights and order.
    """
    open_clip.add_model_config(configs)
    torch.manual_seed(seed)
    model = open_clip.create_model(name)
    criterion = open_clip.ClipLoss()
    batch = batches([0] * len(data.captions), batch_size, seed)

    def loss(step: int) -> torch.Tensor:
        indices = batch(step)
        chosen = random.Random(step)
        texts = tokenize(words, [_text(data.captions[index], chosen) for index in indices], model.context_length)
        texts = texts[:, : int((texts != words.pad_token_id).sum(dim=1).max())]  # no use in reading padding
        images, text, scale = model(data.pixels(indices), texts)
        return criterion(images, text, scale)

    fit(name, model, loss, steps, rate, saved, weight_decay=0.1)
    loading.save_half(model.state_dict(), output)


def _text(captions: list[str], chosen: random.Random) -> str:
    """One to three of an image's captions: contrastive learning needs texts that tell images apart."""
    return " ".join(chosen.sample(captions, chosen.choice((1, 1, 2, 3))))
