"""From a scene to pixels: the setting's picture, the things' sprites on it, and the sign's letters last."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from vlit.mini.world.backgrounds import VARIANTS, background
from vlit.mini.world.draft import extent
from vlit.mini.world.scene import Scene
from vlit.mini.world.shapes import SILHOUETTES, Shape, sign_board
from vlit.mini.world.vocabulary import COLOURS

SCALE = 4  # sprites are drawn this much larger, then averaged down
DARK, LIGHT, GREY = (24, 22, 26), (236, 236, 238), (128, 128, 134)
WOOD, PAPER, LEAF = (134, 92, 54), (250, 250, 244), (70, 150, 60)
LAYERS = ("nothing", "body", "shade", "ink", "wood", "paper", "leaf")
RIMMED = ("body", "shade", "paper")  # layers that get the outline where they meet the background

Pixels = NDArray[np.float32]


def render(scene: Scene) -> Image.Image:
    """Return the 64 x 64 RGB picture of a scene. The same scene gives the same pixels."""
    canvas = background(scene.setting, scene.id * 7 % VARIANTS).astype(np.float32)
    for thing in scene.things:
        x, y, width, height = thing.box
        part = canvas[y : y + height, x : x + width]
        colour, cover = sprite(thing.kind, thing.colour, thing.texture, thing.size)
        part *= 1 - cover
        part += colour
    if scene.sign is not None:
        x, y, width, height = scene.sign.box
        canvas[y : y + height, x : x + width] = sign_board(scene.sign.word)
    return Image.fromarray(np.rint(canvas).astype(np.uint8))


@cache
def sprite(kind: str, colour: str, texture: str, size: str) -> tuple[Pixels, Pixels]:
    """Return a thing's picture: (height, width, 3) RGB times cover, and (height, width, 1) cover from 0 to 1."""
    width, height = extent(kind, size)
    layers = _layers(SILHOUETTES[kind], width, height)
    outline = LIGHT if colour == "black" else DARK  # so that black things show at night, and white ones in the snow
    base = np.array(COLOURS[colour], dtype=np.float32)
    pixels = np.zeros((*layers.shape, 3), dtype=np.float32)
    pattern = np.kron(_pattern(texture, width, height), np.ones((SCALE, SCALE), dtype=bool))
    pixels[:] = np.where(pattern[..., None], _contrast(colour), base)
    for layer, fill in (
        ("shade", base * 0.45 + np.array(outline) * 0.1),
        ("ink", np.array(GREY if colour == "black" else DARK)),
        ("wood", np.array(WOOD)),
        ("paper", np.array(PAPER)),
        ("leaf", np.array(LEAF)),
    ):
        pixels[layers == LAYERS.index(layer)] = fill
    pixels[_rim(layers)] = outline
    cover = (layers > 0)[..., None].astype(np.float32)
    return _averaged(pixels * cover), _averaged(cover)


def _layers(shapes: tuple[Shape, ...], width: int, height: int) -> NDArray[np.uint8]:
    """Return which layer is seen at each enlarged pixel, as indices into `LAYERS`."""
    image = Image.new("L", (width * SCALE, height * SCALE))
    for layer, form, numbers in shapes:
        _paint(ImageDraw.Draw(image), form, numbers, image.size, LAYERS.index(layer))
    return np.asarray(image)


def _paint(draw: ImageDraw.ImageDraw, form: str, numbers: tuple[float, ...], size: tuple[int, int], fill: int) -> None:
    """Paint a shape (see `silhouettes`) on a canvas of `size` pixels; strokes are at least one final pixel wide."""
    stroke = max(SCALE, round(numbers[0] * max(size)))
    if form == "line":
        draw.line(_pixels(numbers[1:], size), fill=fill, width=stroke, joint="curve")
    elif form == "arc":
        draw.arc(_pixels(numbers[1:5], size), start=numbers[5], end=numbers[6], fill=fill, width=stroke)
    elif form == "ellipse":
        draw.ellipse(_pixels(numbers, size), fill=fill)
    elif form == "box":
        draw.rectangle(_pixels(numbers, size), fill=fill)
    else:
        draw.polygon(_pixels(numbers, size), fill=fill)


def _pixels(fractions: tuple[float, ...], size: tuple[int, int]) -> list[float]:
    """Turn x, y, x, y, ... from fractions into pixels; 1 is the last pixel of a side."""
    return [value * size[i % 2] - (0.5 if value >= 1 else 0) for i, value in enumerate(fractions)]


def _rim(layers: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the enlarged pixels of the outline: within one final pixel of the background, inside the silhouette."""
    padded = Image.fromarray(np.pad((layers > 0).astype(np.uint8), SCALE))
    inner = np.asarray(padded.filter(ImageFilter.MinFilter(2 * SCALE - 1)))[SCALE:-SCALE, SCALE:-SCALE]
    return (inner == 0) & np.isin(layers, [LAYERS.index(layer) for layer in RIMMED])


def _pattern(texture: str, width: int, height: int) -> NDArray[np.bool_]:
    """Return where a texture's second tone is, at final resolution."""
    y, x = np.mgrid[0:height, 0:width]
    if texture == "striped":
        return y % 4 < 2
    if texture == "dotted":
        return (y % 4 >= 2) & ((x + 2 * (y // 4 % 2)) % 4 < 2)
    if texture == "checkered":
        return (x // 3 + y // 3) % 2 == 0
    return np.zeros((height, width), dtype=bool)


def _contrast(colour: str) -> Pixels:
    """Return a texture's second tone: the same hue much lighter, or much darker where the colour is light already."""
    base = np.array(COLOURS[colour], dtype=np.float32)
    if colour in ("white", "yellow", "orange"):
        return base * 0.5
    return base * 0.4 + 255 * 0.6


def _averaged(pixels: Pixels) -> Pixels:
    height, width, channels = pixels.shape
    blocks = pixels.reshape(height // SCALE, SCALE, width // SCALE, SCALE, channels)
    return blocks.mean(axis=(1, 3), dtype=np.float32)
