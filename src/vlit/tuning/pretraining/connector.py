"""The connectors alone: Q-Former and perceiver learn to pass on what the image encoder sees, before any language model.

Published BLIP-2 teaches its Q-Former to extract what text tells, in a stage without a language model, from 129 million
pairs. Here each token is told what its share of the patches shows (the labels of `dense`), which takes minutes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from vlit.tuning.pretraining.corpus import Pairs
from vlit.tuning.pretraining.dense import ATTRIBUTES, GRID, NONE
from vlit.tuning.pretraining.loop import batches, fit

SIZES = [len(values) for values in ATTRIBUTES.values()]


class RegionLabels(nn.Module):
    """Linear readings of an image's tokens: token k of n tells of the k-th n-th of the patches, row by row."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        if GRID * GRID % tokens:
            raise ValueError(f"{tokens} tokens can't share {GRID * GRID} patches evenly")
        self.share = GRID * GRID // tokens
        self.norm = nn.LayerNorm(width)
        self.read = nn.Linear(width, self.share * sum(SIZES))

    def forward(self, tokens: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Sum over attributes of the mean cross entropy.

        Args:
            tokens: (batch, tokens, width).
            labels: (batch, patches, attributes).
        """
        read = self.read(self.norm(tokens)).unflatten(-1, (self.share, sum(SIZES))).flatten(1, 2)
        losses = []
        for place, logits in enumerate(read.split(SIZES, dim=-1)):
            wanted = labels[..., place].long()
            if bool((wanted != NONE).any()):
                losses.append(functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=NONE))
        return torch.stack(losses).sum()


def train(
    name: str, model: Any, data: Pairs, saved: Path, seed: int, steps: int, batch_size: int, rate: float
) -> None:  # fmt: skip
    """Train in place what makes a model's image tokens.

    Args:
        name: what the bar says.
        model: BLIP-2 or OpenFlamingo.
        data: images with patch labels.
        saved: state of an interrupted run.
        seed: of the order.
        steps: optimiser steps.
        batch_size: images a step.
        rate: peak learning rate.
    """
    with torch.no_grad():
        tokens = model.encode_images(data.pixels([0]))
    learner = nn.ModuleDict({"model": model, "labels": RegionLabels(tokens.shape[1], tokens.shape[2])})
    batch = batches([0] * len(data.patches), batch_size, seed)

    def loss(step: int) -> torch.Tensor:
        indices = batch(step)
        told: torch.Tensor = learner["labels"](model.encode_images(data.pixels(indices)), data.patches[indices])
        return told

    fit(name, learner, loss, steps, rate, saved)
