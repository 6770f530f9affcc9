"""Every part of a scene is in the pixels of its picture."""

from __future__ import annotations

import io
import time
from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest
from numpy.typing import NDArray

from vlit.mini.world.backgrounds import VARIANTS, background
from vlit.mini.world.draw import GLYPHS, render, sign_board, sprite
from vlit.mini.world.sample import training_scenes
from vlit.mini.world.scene import Scene, Sign, Thing, sign_extent, thing_extent
from vlit.mini.world.vocabulary import COLOURS, SETTINGS, SIZES, TEXTURES, THING_KINDS, WORDS

CUP = Thing("cup", "red", "plain", "small", (10, 10, 13, 12))
SCENE = Scene(5, "snow", (CUP,), None, Sign("CAFE", (30, 40, 29, 13)))


def pixels(scene: Scene) -> NDArray[np.int16]:
    return np.asarray(render(scene), dtype=np.int16)


def test_size_mode_and_determinism() -> None:
    image = render(SCENE)
    assert (image.size, image.mode) == ((64, 64), "RGB")
    assert image.tobytes() == render(SCENE).tobytes()


@pytest.mark.parametrize(
    "other",
    [
        replace(SCENE, things=(replace(CUP, colour="blue"),)),
        replace(SCENE, things=(replace(CUP, kind="bottle", box=(10, 10, 8, 13)),)),
        replace(SCENE, things=(replace(CUP, texture="striped"),)),
        replace(SCENE, things=(replace(CUP, size="large", box=(10, 10, 21, 19)),)),
        replace(SCENE, things=(replace(CUP, box=(40, 10, 13, 12)),)),
        replace(SCENE, things=(CUP, replace(CUP, box=(40, 10, 13, 12)))),
        replace(SCENE, sign=Sign("MILK", (30, 40, 29, 13))),
        replace(SCENE, sign=None),
        replace(SCENE, setting="beach"),
    ],
    ids=["colour", "kind", "texture", "size", "place", "count", "word", "sign", "setting"],
)
def test_a_change_of_one_fact_changes_many_pixels(other: Scene) -> None:
    assert (np.abs(pixels(SCENE) - pixels(other)).sum(axis=2) > 60).sum() >= 12


def test_words_are_black_on_white_in_the_pixels_of_the_font() -> None:
    for word in WORDS:
        width, height = sign_extent(word)
        scene = Scene(1, "night", (), None, Sign(word, (20, 30, width, height)))
        inner = pixels(scene)[33 : 30 + height - 3, 23 : 20 + width - 3]
        columns = [np.pad(GLYPHS[letter], ((0, 0), (0, 1))) for letter in word]
        expected = np.concatenate(columns, axis=1)[:, :-1]
        assert np.array_equal(inner.sum(axis=2) < 100, expected)


def test_no_two_words_or_letters_look_alike() -> None:
    for first, second in combinations(GLYPHS, 2):
        assert (GLYPHS[first] != GLYPHS[second]).sum() >= 2, (first, second)
    assert all(sign_board(word).shape == (*reversed(sign_extent(word)), 3) for word in WORDS)


@pytest.mark.parametrize("size", SIZES)
def test_kinds_have_different_silhouettes(size: str) -> None:
    covers = {}
    for kind in THING_KINDS:
        cover = np.zeros((21, 21), dtype=bool)
        width, height = thing_extent(kind, size)
        cover[:height, :width] = sprite(kind, "red", "plain", size)[1][..., 0] > 0.5
        covers[kind] = cover
    looks = {kind: sprite(kind, "red", "plain", size)[0] for kind in THING_KINDS}
    for first, second in combinations(THING_KINDS, 2):
        overlap = (covers[first] & covers[second]).sum() / (covers[first] | covers[second]).sum()
        different = looks[first].shape != looks[second].shape or np.abs(looks[first] - looks[second]).mean() > 15
        assert overlap < 0.8 or different, (first, second)


def test_silhouettes_reach_the_sides_of_their_boxes() -> None:
    for kind, size in product(THING_KINDS, SIZES):
        cover = sprite(kind, "red", "plain", size)[1][..., 0]
        for edge in (cover[0], cover[-1], cover[:, 0], cover[:, -1]):
            assert edge.max() > 0.2, (kind, size)


def test_things_stand_out_from_every_background() -> None:
    for setting, colour, kind in product(SETTINGS, COLOURS, THING_KINDS):
        width, height = thing_extent(kind, "small")
        box = (26, 40, width, height)
        with_thing = pixels(Scene(2, setting, (Thing(kind, colour, "plain", "small", box),)))
        without = pixels(Scene(2, setting, ()))
        changed = np.abs(with_thing - without).max(axis=2)[40 : 40 + height, 26 : 26 + width] > 40
        assert changed.mean() > 0.2, (setting, colour, kind)


def test_textures_are_visible_on_every_kind_that_has_them() -> None:
    for kind, colour, size in product(THING_KINDS, COLOURS, SIZES):
        if kind == "box":
            continue
        looks = [sprite(kind, colour, texture, size)[0] for texture in TEXTURES]
        for first, second in combinations(looks, 2):
            assert (np.abs(first - second).max(axis=2) > 40).sum() >= 8, (kind, colour, size)


def test_backgrounds_differ_more_between_settings_than_within_one() -> None:
    means = {
        setting: np.mean([background(setting, variant) for variant in range(VARIANTS)], axis=0) for setting in SETTINGS
    }
    for setting, mean in means.items():
        for variant in range(VARIANTS):
            picture = background(setting, variant)
            nearest = min(SETTINGS, key=lambda other: float(np.abs(picture - means[other]).mean()))
            assert nearest == setting, (setting, variant)
        assert len({background(setting, variant).tobytes() for variant in range(VARIANTS)}) == VARIANTS, mean.shape


def test_five_thousand_scenes_take_a_minute() -> None:
    scenes = list(training_scenes(200, seed=1))
    for scene in scenes:
        render(scene)  # fills the caches of sprites and backgrounds
    start = time.process_time()
    for scene in scenes:
        render(scene).save(io.BytesIO(), "JPEG", quality=95, subsampling=0)
    assert (time.process_time() - start) / len(scenes) < 0.012
