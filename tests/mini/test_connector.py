"""A connector's tokens learn what their share of the patches shows."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from vlit.mini.pretraining.connector import RegionLabels, train
from vlit.mini.pretraining.corpus import Pairs
from vlit.mini.pretraining.dense import ATTRIBUTES, GRID, LABELS, patch_labels
from vlit.mini.world.sample import pretraining_scenes
from vlit.mini.world.scene import Scene


def test_each_token_answers_for_its_own_patches() -> None:
    labels = torch.from_numpy(patch_labels(Scene(1, "snow", ())))[None].clone()
    kinds = torch.arange(GRID * GRID) % (len(ATTRIBUTES["kind"]))
    labels[0, :, 0] = kinds
    regions = RegionLabels(16, 16)
    regions.norm = nn.Identity()  # type: ignore[assignment]
    # Token k is the k-th unit vector; the reading's weights say, for each of its four patches, the planted kind.
    tokens = torch.eye(16)[None]
    with torch.no_grad():
        regions.read.weight.zero_()
        regions.read.bias.zero_()
        for patch in range(GRID * GRID):
            token, place = divmod(patch, 4)
            regions.read.weight[place * sum(LABELS) + int(kinds[patch]), token] = 50.0
        loss = regions(tokens, labels)
    assert float(loss) == pytest.approx(math.log(8), abs=1e-4)  # all kinds right, settings at chance


def test_tokens_must_share_the_patches_evenly() -> None:
    with pytest.raises(ValueError, match="evenly"):
        RegionLabels(15, 8)


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    class Tower(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches = nn.Conv2d(3, 32, 8, 8)

        def encode_images(self, pixels: torch.Tensor) -> torch.Tensor:
            return self.patches(pixels).flatten(2).transpose(1, 2)

    scenes = list(pretraining_scenes(8, seed=0))
    patches = torch.stack([torch.from_numpy(patch_labels(scene)) for scene in scenes])
    images = torch.randint(0, 255, (8, 64, 64, 3), dtype=torch.uint8)
    data = Pairs(images, [[]] * 8, [""] * 8, patches)
    tower = Tower()
    before = {name: tensor.clone() for name, tensor in tower.state_dict().items()}
    train("test", tower, data, tmp_path / "saved.pt", seed=0, steps=20, batch_size=4, rate=1e-2)
    assert all(not torch.equal(before[name], tensor) for name, tensor in tower.state_dict().items())
    assert not (tmp_path / "saved.pt").exists()
