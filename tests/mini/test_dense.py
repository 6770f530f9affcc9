"""Patch labels tell what a patch shows, and leave the rest untold."""

from __future__ import annotations

import math

import torch

from vlit.mini.pretraining.dense import ATTRIBUTES, GRID, NONE, DenseLabels, patch_labels
from vlit.mini.world.scene import Scene, Sign, Thing
from vlit.mini.world.vocabulary import KINDS, SETTINGS, WORDS

NOTHING = len(KINDS)


def test_a_thing_labels_the_patches_it_covers() -> None:
    labels = patch_labels(Scene(1, "snow", (Thing("car", "red", "dotted", "small", (8, 16, 16, 8)),)))
    grid = labels.reshape(GRID, GRID, -1)
    told = [list(ATTRIBUTES["kind"]).index("car"), 0, ATTRIBUTES["texture"].index("dotted"), 0]
    assert grid[2, 1, :4].tolist() == told
    assert grid[2, 2, :4].tolist() == told
    assert (grid[..., 0] == NOTHING).sum() == GRID * GRID - 2
    assert (grid[..., 1] == NONE).sum() == GRID * GRID - 2
    assert set(grid[..., 5].flatten().tolist()) == {SETTINGS.index("snow")}


def test_a_patch_hardly_touched_shows_nothing() -> None:
    labels = patch_labels(Scene(1, "snow", (Thing("car", "red", "plain", "small", (7, 16, 17, 8)),)))
    assert labels.reshape(GRID, GRID, -1)[2, 0, 0] == NOTHING  # one column of eight is less than a fifth


def test_what_is_in_front_is_what_is_shown() -> None:
    box = Thing("box", "white", "plain", "large", (16, 16, 24, 24))
    cat = Thing("cat", "black", "plain", "small", (24, 24, 8, 8))
    grid = patch_labels(Scene(1, "street", (box, cat))).reshape(GRID, GRID, -1)
    assert ATTRIBUTES["kind"][grid[3, 3, 0]] == "cat"
    assert ATTRIBUTES["kind"][grid[2, 2, 0]] == "box"


def test_a_sign_tells_its_word_and_no_kind() -> None:
    thing = Thing("cat", "black", "plain", "small", (0, 48, 12, 12))
    grid = patch_labels(Scene(1, "street", (thing,), sign=Sign("STOP", (16, 8, 32, 16)))).reshape(GRID, GRID, -1)
    assert WORDS[grid[1, 2, 4]] == "STOP"
    assert (grid[..., 4] != NONE).sum() == 8
    assert grid[1, 2, 0] == NOTHING


def test_an_untrained_reading_costs_chance_on_what_is_told() -> None:
    labels = torch.from_numpy(patch_labels(Scene(1, "snow", ())))[None]
    learner = DenseLabels(16)
    torch.nn.init.zeros_(learner.read.weight)
    torch.nn.init.zeros_(learner.read.bias)
    tokens = torch.randn(1, GRID * GRID, 16)
    # No thing and no sign: only "nothing" of 14 kinds and one of 8 settings are told.
    assert math.isclose(float(learner([tokens, tokens], labels)), math.log(14) + math.log(8), rel_tol=1e-5)
