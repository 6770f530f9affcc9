"""Patch labels name what a patch shows and nothing else; heads on an image's tokens learn them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from vlit.mini.pretraining.corpus import (
    NO_LABEL,
    PATCH_ATTRIBUTES,
    PATCHES,
    PATCHES_PER_SIDE,
    CaptionedImages,
    patch_labels,
)
from vlit.mini.pretraining.vision import CLASSES, PatchHead, RegionHead, train_connector
from vlit.mini.world.sample import pretraining_scenes
from vlit.mini.world.scene import Scene, Sign, Thing
from vlit.mini.world.vocabulary import SETTINGS, THING_KINDS, WORDS

NOTHING = len(THING_KINDS)


def label_grid(scene: Scene) -> NDArray[np.int8]:
    """Return patch labels (rows, columns, attributes)."""
    return patch_labels(scene).reshape(PATCHES_PER_SIDE, PATCHES_PER_SIDE, -1)


def test_a_thing_labels_the_patches_it_covers() -> None:
    grid = label_grid(Scene(1, "snow", (Thing("car", "red", "dotted", "small", (8, 16, 16, 8)),)))
    car = [list(PATCH_ATTRIBUTES["kind"]).index("car"), 0, PATCH_ATTRIBUTES["texture"].index("dotted"), 0]
    assert grid[2, 1, :4].tolist() == car
    assert grid[2, 2, :4].tolist() == car
    assert (grid[..., 0] == NOTHING).sum() == PATCHES - 2
    assert (grid[..., 1] == NO_LABEL).sum() == PATCHES - 2
    assert set(grid[..., 5].flatten().tolist()) == {SETTINGS.index("snow")}


def test_a_patch_hardly_touched_shows_nothing() -> None:
    grid = label_grid(Scene(1, "snow", (Thing("car", "red", "plain", "small", (7, 16, 17, 8)),)))
    assert grid[2, 0, 0] == NOTHING  # one column of eight is less than a fifth


def test_what_is_in_front_is_what_is_shown() -> None:
    box = Thing("box", "white", "plain", "large", (16, 16, 24, 24))
    cat = Thing("cat", "black", "plain", "small", (24, 24, 8, 8))
    grid = label_grid(Scene(1, "street", (box, cat)))
    assert PATCH_ATTRIBUTES["kind"][grid[3, 3, 0]] == "cat"
    assert PATCH_ATTRIBUTES["kind"][grid[2, 2, 0]] == "box"


def test_a_sign_has_its_word_and_no_kind() -> None:
    thing = Thing("cat", "black", "plain", "small", (0, 48, 12, 12))
    grid = patch_labels(Scene(1, "street", (thing,), sign=Sign("STOP", (16, 8, 32, 16)))).reshape(
        PATCHES_PER_SIDE, PATCHES_PER_SIDE, -1
    )
    assert WORDS[grid[1, 2, 4]] == "STOP"
    assert (grid[..., 4] != NO_LABEL).sum() == 8
    assert grid[1, 2, 0] == NOTHING


def test_the_loss_of_an_untrained_head_is_that_of_chance_on_the_labels() -> None:
    labels = torch.from_numpy(patch_labels(Scene(1, "snow", ())))[None]
    learner = PatchHead(16)
    torch.nn.init.zeros_(learner.head.weight)
    torch.nn.init.zeros_(learner.head.bias)
    tokens = torch.randn(1, PATCHES, 16)
    # No thing and no sign: only "nothing" of 14 kinds and one of 8 settings are labels.
    assert math.isclose(learner([tokens, tokens], labels).item(), math.log(14) + math.log(8), rel_tol=1e-5)


def test_each_token_is_read_for_its_own_patches() -> None:
    labels = torch.from_numpy(patch_labels(Scene(1, "snow", ())))[None].clone()
    kinds = torch.arange(PATCHES) % len(PATCH_ATTRIBUTES["kind"])
    labels[0, :, 0] = kinds
    regions = RegionHead(16, 16)
    regions.norm = nn.Identity()  # type: ignore[assignment]
    # Token k is the k-th unit vector; the head's weights name, for each of its four patches, the planted kind.
    tokens = torch.eye(16)[None]
    with torch.no_grad():
        regions.head.weight.zero_()
        regions.head.bias.zero_()
        for patch in range(PATCHES):
            token, position = divmod(patch, 4)
            regions.head.weight[position * sum(CLASSES) + int(kinds[patch]), token] = 50.0
        loss = regions(tokens, labels)
    assert float(loss) == pytest.approx(math.log(8), abs=1e-4)  # all kinds right, settings at chance


def test_tokens_must_share_the_patches_evenly() -> None:
    with pytest.raises(ValueError, match="evenly"):
        RegionHead(15, 8)


def test_training_changes_every_parameter_and_leaves_no_state_behind(tmp_path: Path) -> None:
    class Tower(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches = nn.Conv2d(3, 32, 8, 8)

        def encode_images(self, pixels: torch.Tensor) -> torch.Tensor:
            return self.patches(pixels).flatten(2).transpose(1, 2)

    scenes = list(pretraining_scenes(8, seed=0))
    patches = torch.stack([torch.from_numpy(patch_labels(scene)) for scene in scenes])
    images = torch.randint(0, 255, (8, 64, 64, 3), dtype=torch.uint8)
    data = CaptionedImages(images, [[]] * 8, [""] * 8, patches)
    tower = Tower()
    before = {name: tensor.clone() for name, tensor in tower.state_dict().items()}
    train_connector("test", tower, data, tmp_path / "saved.pt", seed=0, steps=20, batch_size=4, rate=1e-2)
    assert all(not torch.equal(before[name], tensor) for name, tensor in tower.state_dict().items())
    assert not (tmp_path / "saved.pt").exists()
