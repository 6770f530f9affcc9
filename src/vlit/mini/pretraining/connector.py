"""The connectors alone: Q-Former and perceiver learn to pass on what the image encoder sees, before any language model.

Published BLIP-2 teaches its Q-Former to extract what text tells, in a stage without a language model, from 129 million
pairs. Here each token is told what its share of the patches shows (the labels of `dense`), which takes minutes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from vlit.mini.pretraining.corpus import Pairs
from vlit.mini.pretraining.dense import GRID, LABELS, label_loss
from vlit.mini.pretraining.loop import batches, fit

# What makes image tokens out of patches; the encoder stays, whose features a new Q-Former would spoil at first.
LEARNS = {"blip2": ("q_former", "query_tokens", "projection"), "openflamingo": ("perceiver",)}
IMPORTANCE = {"word": 3.0}  # few patches show a sign, and one token is to say which word it holds


class RegionLabels(nn.Module):
    """Linear readings of an image's tokens: token k of n tells of the k-th n-th of the patches, row by row."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        if GRID * GRID % tokens:
            raise ValueError(f"{tokens} tokens can't share {GRID * GRID} patches evenly")
        self.share = GRID * GRID // tokens
        self.norm = nn.LayerNorm(width)
        self.read = nn.Linear(width, self.share * sum(LABELS))

    def forward(self, tokens: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """`label_loss` of what the tokens tell, written words weighed more.

        Args:
            tokens: (batch, tokens, width).
            labels: (batch, patches, attributes).
        """
        read = self.read(self.norm(tokens)).unflatten(-1, (self.share, sum(LABELS))).flatten(1, 2)
        return label_loss(read, labels, IMPORTANCE)


def region_labels(model: Any, data: Pairs) -> RegionLabels:
    """Readings that fit a model's image tokens."""
    with torch.no_grad():
        tokens = model.encode_images(data.pixels([0]))
    return RegionLabels(tokens.shape[1], tokens.shape[2])


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
    learner = nn.ModuleDict({"model": model, "labels": region_labels(model, data)})
    batch = batches([0] * len(data.patches), batch_size, seed)

    def loss(step: int) -> torch.Tensor:
        indices = batch(step)
        told: torch.Tensor = learner["labels"](model.encode_images(data.pixels(indices)), data.patches[indices])
        return told

    fit(name, learner, loss, steps, rate, saved)
