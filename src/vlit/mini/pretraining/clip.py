"""The mini CLIP, trained with open_clip on world captions (and on patch labels, see `dense`).

Two towers, as in the paper's models: `clip-mini` in the manner of OpenAI's ViT-L/14 (quick GELU, layer norm before
the blocks) for LLaVA, OpenFlamingo and matching degree, `eva-mini` in the manner of EVA-CLIP (GELU, no such norm) for
BLIP-2.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import open_clip
import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedTokenizerBase

from vlit.mini.pretraining.corpus import Pairs
from vlit.mini.pretraining.dense import DenseLabels
from vlit.mini.pretraining.loop import batches, fit
from vlit.models import loading
from vlit.models.clip import tokenize


def train(
    name: str, configs: Path, data: Pairs, words: PreTrainedTokenizerBase, output: Path, saved: Path, steps: int,
    batch_size: int, rate: float, seed: int, start: Path | None = None,
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
        start: weights of another tower to go on from, for all that this one has; None starts anew.
    """
    open_clip.add_model_config(configs)
    torch.manual_seed(seed)
    learner = Learner(open_clip.create_model(name))
    if start is not None:
        # EVA-CLIP's tower learned from CLIP's features before it met text; the norm it lacks is left behind.
        own = learner.clip.state_dict()
        known = {k: v for k, v in loading.load_float(start).items() if k in own or not k.startswith("visual.ln_pre.")}
        learner.clip.load_state_dict(known, strict=True)
    context = learner.clip.context_length
    batch = batches([0] * len(data.captions), batch_size, seed)

    def loss(step: int) -> torch.Tensor:
        indices = batch(step)
        chosen = random.Random(step)
        texts = tokenize(words, [_text(data.captions[index], chosen) for index in indices], context)
        return learner(data.pixels(indices), texts, data.patches[indices])

    fit(name, learner, loss, steps, rate, saved, weight_decay=0.1)
    loading.save_half(learner.clip.state_dict(), output)


class Learner(nn.Module):
    """A CLIP in training: open_clip's contrastive loss, and the loss on patch labels."""

    def __init__(self, clip: Any) -> None:
        super().__init__()
        self.clip = clip
        self.dense = DenseLabels(clip.visual.conv1.out_channels)
        self.contrastive = open_clip.ClipLoss()

    def forward(self, pixels: torch.Tensor, texts: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
        """Both losses, summed.

        Args:
            pixels: (batch, 3, side, side).
            texts: (batch, context) token ids.
            patches: (batch, patches, attributes) labels.
        """
        seen = self.clip.visual.forward_intermediates(pixels, indices=2, output_fmt="NLC")
        image = functional.normalize(seen["image_features"], dim=-1)
        text = self.clip.encode_text(texts, normalize=True)
        matched = self.contrastive(image, text, self.clip.logit_scale.exp())
        told: torch.Tensor = self.dense(seen["image_intermediates"], patches)
        return matched + told


def _text(captions: list[str], chosen: random.Random) -> str:
    """One, two or all of an image's captions: single ones are ambiguous, but are what quality control compares."""
    return " ".join(chosen.sample(captions, chosen.choice((1, 2, len(captions)))))
