"""What pre-training sees: images with captions, statements and patch labels, from scenes that nothing else uses.

Patch labels are what each patch of an image shows. Published CLIP learns from 400 million pairs to tell objects apart.
A few ten thousand pairs are not enough for that, so the mini encoders also learn, patch by patch, what the world drew
there (region supervision in the manner of GLIP, Li et al. 2022).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from vlit.common.files import read_json, whole, write_json
from vlit.mini.world.draw import render
from vlit.mini.world.questions import told_facts
from vlit.mini.world.sample import pretraining_scenes
from vlit.mini.world.scene import CANVAS, CanvasBox, Scene
from vlit.mini.world.statements import Statement, stated
from vlit.mini.world.texts import description, scene_captions
from vlit.mini.world.vocabulary import COLOURS, SETTINGS, SIZES, TEXTURES, THING_KINDS, WORDS
from vlit.models.forward import CLIP_MEAN, CLIP_STD

PATCH = 8  # pixels a side, as in `weights/mini/open_clip`
PATCHES_PER_SIDE = CANVAS // PATCH
PATCHES = PATCHES_PER_SIDE**2
NO_LABEL = -1  # nothing is learned
_LEAST_COVER = 0.2  # share of a patch that a thing must cover to be what the patch shows

# label -> its values; "kind" has one more, for patches that show only the background
PATCH_ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "kind": (*THING_KINDS, "nothing"),
    "colour": tuple(COLOURS),
    "texture": TEXTURES,
    "size": tuple(SIZES),
    "word": WORDS,
    "setting": SETTINGS,
}


@dataclass
class CaptionedImages:
    """Scenes in pictures and words.

    Attributes:
        images: (n, 64, 64, 3) bytes.
        captions: five of each image.
        descriptions: the paragraph of each image that names everything.
        patches: (n, patches, attributes) labels of `patch_labels`.
    """

    images: torch.Tensor
    captions: list[list[str]]
    descriptions: list[str]
    patches: torch.Tensor

    def pixels(self, indices: list[int]) -> torch.Tensor:
        """Return normalised pixel values (batch, 3, 64, 64), as `CropTransform` makes them."""
        chosen = self.images[indices].permute(0, 3, 1, 2).float() / 255
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (CLIP_MEAN, CLIP_STD))
        return (chosen - mean) / std


_MOST_STATEMENTS = 6  # per image and step: more images and steps teach more than longer texts


@dataclass(frozen=True)
class Statements:
    """True sentences about the first images. No question is among them: to answer is what tuning teaches.

    Attributes:
        known: all statements about each image.
        weights: dimension -> how often its statements are drawn, relative to the others that an image has.
    """

    known: list[list[Statement]]
    weights: Mapping[str, float]

    def draw(self, index: int, rng: random.Random) -> list[Statement]:
        """Return some statements about an image, each of another dimension."""
        by_dimension: dict[str, list[Statement]] = {}
        for statement in self.known[index]:
            by_dimension.setdefault(statement.dimension, []).append(statement)
        drawn: list[Statement] = []
        while by_dimension and len(drawn) < _MOST_STATEMENTS:
            names = list(by_dimension)
            name = rng.choices(names, [self.weights[dimension] for dimension in names])[0]
            drawn.append(rng.choice(by_dimension.pop(name)))
        return drawn


def captioned_images(scenes: int, seed: int, cache: Path) -> CaptionedImages:
    """Return the first pre-training scenes; they are drawn once and kept in the cache."""
    pixels, texts = cache / f"pictures-{scenes}-{seed}.npz", cache / f"captions-{scenes}-{seed}.json"
    if not (pixels.exists() and texts.exists()):
        images = np.empty((scenes, CANVAS, CANVAS, 3), dtype=np.uint8)
        patches, written = [], []
        for index, scene in enumerate(tqdm(pretraining_scenes(scenes, seed), total=scenes, desc="scenes")):
            images[index] = np.asarray(render(scene))
            patches.append(patch_labels(scene))
            rng = random.Random(scene.id)
            written.append([scene_captions(scene, rng), description(scene, rng)])
        with whole(pixels) as temporary, temporary.open("wb") as file:
            np.savez(file, images=images, patches=np.stack(patches))
        write_json(texts, written, indent=None)
    arrays, rows = np.load(pixels), read_json(texts)
    return CaptionedImages(
        torch.from_numpy(arrays["images"]), [row[0] for row in rows], [row[1] for row in rows],
        torch.from_numpy(arrays["patches"]),
    )  # fmt: skip


def patch_labels(scene: Scene) -> NDArray[np.int8]:
    """Return labels (patches, attributes) by `PATCH_ATTRIBUTES`, `NO_LABEL` where an attribute does not apply."""
    shown = np.full((CANVAS, CANVAS), NO_LABEL, dtype=np.int64)  # index of the thing in front, the sign after the last
    sign = len(scene.things)
    for index, thing in enumerate(scene.things):
        _cover(shown, thing.box, index)
    if scene.sign is not None:
        _cover(shown, scene.sign.box, sign)
    side = PATCHES_PER_SIDE
    blocks = shown.reshape(side, PATCH, side, PATCH).swapaxes(1, 2).reshape(PATCHES, PATCH * PATCH)
    shares = (blocks[:, :, None] == np.arange(sign + 1)).mean(axis=1)
    labels = np.full((PATCHES, len(PATCH_ATTRIBUTES)), NO_LABEL, dtype=np.int8)
    labels[:, 0] = len(THING_KINDS)
    labels[:, 5] = SETTINGS.index(scene.setting)
    for patch, share in enumerate(shares):
        index = int(share.argmax())
        if share[index] < _LEAST_COVER:
            continue
        if index == sign:
            assert scene.sign is not None
            labels[patch, 4] = WORDS.index(scene.sign.word)
            continue
        thing = scene.things[index]
        labels[patch, :4] = [values.index(getattr(thing, name)) for name, values in list(PATCH_ATTRIBUTES.items())[:4]]
    return labels


def _cover(shown: NDArray[np.int64], box: CanvasBox, index: int) -> None:
    x, y, width, height = box
    shown[y : y + height, x : x + width] = index


def image_statements(scenes: int, seed: int, cache: Path) -> list[list[Statement]]:
    """Return all statements about each of the scenes of `captioned_images`."""
    written = cached("statements", _statements, scenes, seed, cache, seed)
    return [[Statement(*row) for row in rows] for rows in written]


def _statements(scene: Scene, rng: random.Random) -> list[Statement]:
    return [stated(fact) for fact in told_facts(scene, rng)]


def cached(
    name: str, write: Callable[[Scene, random.Random], Any], scenes: int, seed: int, cache: Path, scene_seed: int
) -> Any:
    """Return what `write` makes of each pre-training scene of `scene_seed`; it is kept in the cache as `name`."""
    file = cache / f"{name}-{scenes}-{seed}.json"
    if not file.exists():
        drawn = tqdm(pretraining_scenes(scenes, scene_seed), total=scenes, desc=name)
        write_json(file, [write(scene, random.Random(scene.id)) for scene in drawn], indent=None)
    return read_json(file)
