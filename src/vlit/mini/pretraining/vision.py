"""The mini image encoders and connectors: CLIP, and what makes a family's image tokens out of patches.

Two CLIP towers, as in the paper's models: `clip-mini` in the manner of OpenAI's ViT-L/14 (quick GELU, layer norm before
the blocks) for LLaVA, OpenFlamingo and matching degree, `eva-mini` in the manner of EVA-CLIP (GELU, no such norm) for
BLIP-2. They are trained with open_clip on world captions, and on patch labels.

Q-Former and perceiver are then trained on patch labels alone, before any language model. Published BLIP-2 trains its
Q-Former without a language model on 129 million image-text pairs; with patch labels it takes minutes.
"""

from __future__ import annotations

import vlit.common.torchvision_shim  # noqa: F401  (before open_clip looks for torchvision)

# isort: split

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import open_clip
import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedTokenizerBase

from vlit.mini.pretraining.corpus import NO_LABEL, PATCH_ATTRIBUTES, PATCHES, CaptionedImages
from vlit.mini.pretraining.loop import batches, fit
from vlit.models.clip import tokenize
from vlit.models.family import VisionLanguageModel
from vlit.models.loading import load_float, save_half

CLASSES = [len(values) for values in PATCH_ATTRIBUTES.values()]  # of each attribute
_BACKGROUND_WEIGHT = 0.15  # of patches that show only the background: they are most, and soon learned
_REGION_WEIGHTS = {"word": 3.0}  # few patches show a sign, and one token must name its word


def train_clip(
    name: str, configs: Path, data: CaptionedImages, words: PreTrainedTokenizerBase, output: Path, saved: Path,
    steps: int, batch_size: int, rate: float, seed: int, start: Path | None = None,
) -> None:  # fmt: skip
    """Train one CLIP and write its weights in half precision.

    Args:
        name: model name, defined by a file in `configs`.
        configs: folder of open_clip model configurations.
        data: images, captions and patch labels.
        words: the tokenizer.
        output: safetensors file to write.
        saved: state of an interrupted run.
        steps: optimiser steps.
        batch_size: image-text pairs per step.
        rate: peak learning rate.
        seed: seed of weights and order.
        start: weights of another tower to continue from, for all that this one has; None for new weights.
    """
    open_clip.add_model_config(configs)
    torch.manual_seed(seed)
    learner = ClipLearner(open_clip.create_model(name))
    if start is not None:
        # EVA-CLIP's tower learned from CLIP's features before it was trained with text; it has no norm before blocks.
        own = learner.clip.state_dict()
        known = {k: v for k, v in load_float(start).items() if k in own or not k.startswith("visual.ln_pre.")}
        learner.clip.load_state_dict(known, strict=True)
    context = learner.clip.context_length
    batch = batches([0] * len(data.captions), batch_size, seed)

    def loss(step: int) -> torch.Tensor:
        indices = batch(step)
        rng = random.Random(step)
        texts = tokenize(words, [_text(data.captions[index], rng) for index in indices], context)
        return learner(data.pixels(indices), texts, data.patches[indices])

    fit(name, learner, loss, steps, rate, saved, weight_decay=0.1)
    save_half(learner.clip.state_dict(), output)


def _text(captions: list[str], rng: random.Random) -> str:
    """Return one, two or all captions of an image: single ones are ambiguous, but are what quality control compares."""
    return " ".join(rng.sample(captions, rng.choice((1, 2, len(captions)))))


class ClipLearner(nn.Module):
    """A CLIP in training: open_clip's contrastive loss, and the loss on patch labels."""

    def __init__(self, clip: Any) -> None:
        super().__init__()
        self.clip = clip
        self.labels = PatchHead(clip.visual.conv1.out_channels)
        self.contrastive = open_clip.ClipLoss()

    def forward(self, pixels: torch.Tensor, texts: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
        """Return the sum of both losses.

        Args:
            pixels: (batch, 3, side, side).
            texts: (batch, context) token ids.
            patches: (batch, patches, attributes) labels.
        """
        seen = self.clip.visual.forward_intermediates(pixels, indices=2, output_fmt="NLC")
        image = functional.normalize(seen["image_features"], dim=-1)
        text = self.clip.encode_text(texts, normalize=True)
        matching = self.contrastive(image, text, self.clip.logit_scale.exp())
        labelling: torch.Tensor = self.labels(seen["image_intermediates"], patches)
        return matching + labelling


class PatchHead(nn.Module):
    """A linear head for patch labels on the tokens of an encoder's last two blocks: LLaVA reads the last but one."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.head = nn.Linear(width, sum(CLASSES))

    def forward(self, blocks: list[torch.Tensor], labels: torch.Tensor) -> torch.Tensor:
        """Return the mean `label_loss` of both blocks.

        Args:
            blocks: tokens (batch, patches, width) of the last two blocks, without the class token.
            labels: (batch, patches, attributes).
        """
        logits = [self.head(norm(tokens)) for norm, tokens in zip(self.norms, blocks, strict=True)]
        return torch.stack([label_loss(values, labels, {}) for values in logits]).mean()


class RegionHead(nn.Module):
    """A linear head for patch labels on an image's tokens: token k of n for the k-th n-th of the patches, by rows."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        if PATCHES % tokens:
            raise ValueError(f"{tokens} tokens can't share {PATCHES} patches evenly")
        self.share = PATCHES // tokens
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, self.share * sum(CLASSES))

    def forward(self, tokens: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the `label_loss` of tokens, written words weighted more.

        Args:
            tokens: (batch, tokens, width).
            labels: (batch, patches, attributes).
        """
        logits = self.head(self.norm(tokens)).unflatten(-1, (self.share, sum(CLASSES))).flatten(1, 2)
        return label_loss(logits, labels, _REGION_WEIGHTS)


def label_loss(logits: torch.Tensor, labels: torch.Tensor, weights: Mapping[str, float]) -> torch.Tensor:
    """Return the sum over attributes of the mean cross entropy of patch labels.

    Args:
        logits: (..., sum of `CLASSES`).
        labels: (..., attributes), `NO_LABEL` where there is none.
        weights: weight of an attribute, where it is not 1.
    """
    losses = []
    for position, (name, values) in enumerate(zip(PATCH_ATTRIBUTES, logits.split(CLASSES, dim=-1), strict=True)):
        wanted = labels[..., position].long()
        if bool((wanted != NO_LABEL).any()):
            weight = torch.tensor([1.0] * (CLASSES[0] - 1) + [_BACKGROUND_WEIGHT]) if name == "kind" else None
            loss = functional.cross_entropy(
                values.flatten(0, -2), wanted.flatten(), weight=weight, ignore_index=NO_LABEL
            )
            losses.append(weights.get(name, 1.0) * loss)
    return torch.stack(losses).sum()


def region_head(model: VisionLanguageModel, data: CaptionedImages) -> RegionHead:
    """Return a new head that fits a model's image tokens."""
    with torch.no_grad():
        tokens = model.encode_images(data.pixels([0]))
    return RegionHead(tokens.shape[1], tokens.shape[2])


def train_connector(
    name: str,
    model: VisionLanguageModel,
    data: CaptionedImages,
    saved: Path,
    seed: int,
    steps: int,
    batch_size: int,
    rate: float,
) -> None:
    """Train in place what makes a model's image tokens: each token learns what its share of the patches shows.

    Args:
        name: label of the progress bar.
        model: BLIP-2 or OpenFlamingo.
        data: images with patch labels.
        saved: state of an interrupted run.
        seed: seed of the order.
        steps: optimiser steps.
        batch_size: images per step.
        rate: peak learning rate.
    """
    learner = nn.ModuleDict({"model": model, "labels": region_head(model, data)})
    batch = batches([0] * len(data.patches), batch_size, seed)

    def loss(step: int) -> torch.Tensor:
        indices = batch(step)
        value: torch.Tensor = learner["labels"](model.encode_images(data.pixels(indices)), data.patches[indices])
        return value

    fit(name, learner, loss, steps, rate, saved)
