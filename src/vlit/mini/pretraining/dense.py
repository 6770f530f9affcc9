"""What each patch of a picture shows, as labels for the image encoders.

Published CLIP learns from 400 million pairs to tell objects apart. A few ten thousand pairs are not enough for that,
so the mini encoders are also told, patch by patch, what the world put there (region supervision in the manner of
GLIP, Li et al. 2022), besides the contrastive loss of `clip`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from vlit.mini.world.scene import CANVAS, Scene
from vlit.mini.world.vocabulary import COLOURS, KINDS, SETTINGS, SIZES, TEXTURES, WORDS

PATCH = 8  # pixels a side, as in `weights/mini/open_clip`
GRID = CANVAS // PATCH
COVERED = 0.2  # least share of a patch that a thing must cover to be what the patch shows
NONE = -1  # no label: nothing is learned
NOTHING = 0.15  # weight of patches that show only the background: they are most, and soon known

# label -> its values; "kind" has one more, for patches that show only the background
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "kind": (*KINDS, "nothing"),
    "colour": tuple(COLOURS),
    "texture": TEXTURES,
    "size": tuple(SIZES),
    "word": WORDS,
    "setting": SETTINGS,
}
LABELS = [len(values) for values in ATTRIBUTES.values()]


def patch_labels(scene: Scene) -> NDArray[np.int8]:
    """Labels (patches, attributes) in the order of `ATTRIBUTES`, `NONE` where an attribute does not apply."""
    shown = np.full((CANVAS, CANVAS), NONE, dtype=np.int64)  # index of the thing in front, the sign after the last
    sign = len(scene.things)
    for index, thing in enumerate(scene.things):
        _cover(shown, thing.box, index)
    if scene.sign is not None:
        _cover(shown, scene.sign.box, sign)
    blocks = shown.reshape(GRID, PATCH, GRID, PATCH).swapaxes(1, 2).reshape(GRID * GRID, PATCH * PATCH)
    shares = (blocks[:, :, None] == np.arange(sign + 1)).mean(axis=1)
    labels = np.full((GRID * GRID, len(ATTRIBUTES)), NONE, dtype=np.int8)
    labels[:, 0] = len(KINDS)
    labels[:, 5] = SETTINGS.index(scene.setting)
    for patch, share in enumerate(shares):
        index = int(share.argmax())
        if share[index] < COVERED:
            continue
        if index == sign:
            assert scene.sign is not None
            labels[patch, 4] = WORDS.index(scene.sign.word)
            continue
        thing = scene.things[index]
        labels[patch, :4] = [
            values.index(getattr(thing, name)) for name, values in list(ATTRIBUTES.items())[:4]
        ]  # fmt: skip
    return labels


def _cover(shown: NDArray[np.int64], box: tuple[int, int, int, int], index: int) -> None:
    x, y, width, height = box
    shown[y : y + height, x : x + width] = index


def label_loss(logits: torch.Tensor, labels: torch.Tensor, importance: Mapping[str, float]) -> torch.Tensor:
    """Sum over attributes of the mean cross entropy of readings of patches.

    Args:
        logits: (..., sum of `LABELS`).
        labels: (..., attributes), `NONE` where there is none.
        importance: of an attribute, where it is not 1.
    """
    losses = []
    for place, (name, read) in enumerate(zip(ATTRIBUTES, logits.split(LABELS, dim=-1), strict=True)):
        wanted = labels[..., place].long()
        if bool((wanted != NONE).any()):
            weight = torch.tensor([1.0] * (LABELS[0] - 1) + [NOTHING]) if name == "kind" else None
            loss = functional.cross_entropy(read.flatten(0, -2), wanted.flatten(), weight=weight, ignore_index=NONE)
            losses.append(importance.get(name, 1.0) * loss)
    return torch.stack(losses).sum()


class DenseLabels(nn.Module):
    """Linear readings of the tokens of an image encoder's last two blocks: LLaVA reads the last but one."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.read = nn.Linear(width, sum(LABELS))

    def forward(self, blocks: list[torch.Tensor], labels: torch.Tensor) -> torch.Tensor:
        """The mean `label_loss` of both blocks.

        Args:
            blocks: tokens (batch, patches, width) of the last two blocks, without the class token.
            labels: (batch, patches, attributes).
        """
        read = [self.read(norm(tokens)) for norm, tokens in zip(self.norms, blocks, strict=True)]
        return torch.stack([label_loss(logits, labels, {}) for logits in read]).mean()
