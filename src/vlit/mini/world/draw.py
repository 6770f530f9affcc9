"""From a scene to pixels: the setting's picture, the things' sprites on it, and the sign's letters last.

What a kind looks like is a list of simple shapes in fractions of the thing's box, later ones in front. A shape is
(layer, form, numbers). Layers: "body" takes the thing's colour and texture, "shade" a darker tone of the colour; "ink",
"wood", "paper" and "leaf" are details in fixed colours. Forms: "ellipse" and "box" (x0, y0, x1, y1), "polygon"
(x, y, ...), "line" (width, x, y, ...), "arc" (width, x0, y0, x1, y1, start, end in degrees clockwise from the right).
Every silhouette reaches the four sides of its box somewhere, so that boxes that touch are things that touch.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from vlit.mini.world.backgrounds import VARIANTS, background
from vlit.mini.world.scene import GLYPH, SIGN_FRAME, Scene, sign_extent, thing_extent
from vlit.mini.world.vocabulary import COLOURS

Pixels = NDArray[np.float32]
Shape = tuple[str, str, tuple[float, ...]]

_SCALE = 4  # sprites are drawn this much larger, then averaged down
_DARK, _LIGHT, _GREY = (24, 22, 26), (236, 236, 238), (128, 128, 134)
_WOOD, _PAPER, _LEAF = (134, 92, 54), (250, 250, 244), (70, 150, 60)
_LAYERS = ("nothing", "body", "shade", "ink", "wood", "paper", "leaf")
_RIMMED = ("body", "shade", "paper")  # layers that get the outline where they meet the background

# kind -> its shapes
_SILHOUETTES: dict[str, tuple[Shape, ...]] = {
    "car": (
        ("body", "polygon", (0.14, 0.5, 0.28, 0.0, 0.74, 0.0, 0.88, 0.5)),
        ("body", "box", (0.0, 0.36, 1.0, 0.84)),
        ("paper", "polygon", (0.27, 0.36, 0.34, 0.12, 0.46, 0.12, 0.46, 0.36)),
        ("paper", "polygon", (0.56, 0.36, 0.56, 0.12, 0.68, 0.12, 0.76, 0.36)),
        ("ink", "ellipse", (0.12, 0.66, 0.4, 1.0)),
        ("ink", "ellipse", (0.6, 0.66, 0.88, 1.0)),
    ),
    "boat": (
        ("wood", "line", (0.08, 0.4, 0.0, 0.4, 0.7)),
        ("body", "polygon", (0.4, 0.0, 1.0, 0.58, 0.4, 0.58)),
        ("paper", "polygon", (0.32, 0.16, 0.32, 0.58, 0.04, 0.58)),
        ("body", "polygon", (0.0, 0.64, 1.0, 0.64, 0.82, 1.0, 0.18, 1.0)),
    ),
    "bird": (
        ("body", "polygon", (0.0, 0.24, 0.4, 0.44, 0.3, 0.8)),
        ("body", "ellipse", (0.1, 0.32, 0.8, 0.88)),
        ("body", "ellipse", (0.48, 0.0, 0.88, 0.48)),
        ("wood", "polygon", (0.84, 0.14, 1.0, 0.26, 0.84, 0.36)),
        ("ink", "ellipse", (0.68, 0.14, 0.76, 0.24)),
        ("wood", "line", (0.07, 0.4, 0.86, 0.4, 1.0)),
        ("wood", "line", (0.07, 0.56, 0.86, 0.56, 1.0)),
    ),
    "cat": (
        ("body", "arc", (0.13, 0.62, 0.45, 1.0, 0.98, 280, 100)),
        ("body", "ellipse", (0.12, 0.42, 0.8, 1.12)),
        ("body", "polygon", (0.04, 0.32, 0.08, 0.0, 0.4, 0.2)),
        ("body", "polygon", (0.88, 0.32, 0.84, 0.0, 0.52, 0.2)),
        ("body", "ellipse", (0.0, 0.12, 0.92, 0.6)),
        ("ink", "ellipse", (0.2, 0.26, 0.34, 0.42)),
        ("ink", "ellipse", (0.58, 0.26, 0.72, 0.42)),
        ("ink", "polygon", (0.38, 0.44, 0.54, 0.44, 0.46, 0.53)),
    ),
    "umbrella": (
        ("wood", "line", (0.09, 0.5, 0.3, 0.5, 0.9)),
        ("wood", "arc", (0.09, 0.455, 0.74, 0.78, 1.0, 0, 180)),
        ("body", "polygon", (0.0, 0.54, 0.05, 0.3, 0.22, 0.1, 0.5, 0.0, 0.78, 0.1, 0.95, 0.3, 1.0, 0.54)),
        ("nothing", "ellipse", (0.05, 0.45, 0.33, 0.64)),
        ("nothing", "ellipse", (0.67, 0.45, 0.95, 0.64)),
    ),
    "kite": (
        ("wood", "line", (0.07, 0.5, 0.7, 0.4, 0.82, 0.6, 0.9, 0.5, 1.0)),
        ("body", "polygon", (0.5, 0.0, 1.0, 0.36, 0.5, 0.82, 0.0, 0.36)),
        ("wood", "polygon", (0.14, 0.82, 0.5, 0.9, 0.14, 1.0)),
        ("wood", "polygon", (0.86, 0.82, 0.5, 0.9, 0.86, 1.0)),
    ),
    "bottle": (
        ("body", "box", (0.0, 0.42, 1.0, 1.0)),
        ("body", "polygon", (0.0, 0.46, 0.3, 0.26, 0.7, 0.26, 1.0, 0.46)),
        ("body", "box", (0.3, 0.1, 0.7, 0.4)),
        ("wood", "box", (0.22, 0.0, 0.78, 0.13)),
    ),
    "cup": (
        ("body", "arc", (0.12, 0.56, 0.24, 1.0, 0.76, 0, 360)),
        ("body", "polygon", (0.0, 0.08, 0.76, 0.08, 0.68, 1.0, 0.08, 1.0)),
        ("paper", "ellipse", (0.0, 0.0, 0.76, 0.24)),
        ("wood", "ellipse", (0.1, 0.06, 0.66, 0.2)),
    ),
    "apple": (
        ("body", "ellipse", (0.0, 0.22, 0.62, 0.94)),
        ("body", "ellipse", (0.38, 0.22, 1.0, 0.94)),
        ("body", "ellipse", (0.14, 0.4, 0.86, 1.0)),
        ("wood", "line", (0.1, 0.5, 0.34, 0.46, 0.0)),
        ("leaf", "polygon", (0.52, 0.2, 0.68, 0.02, 0.96, 0.04, 0.8, 0.2)),
    ),
    "chair": (
        ("body", "box", (0.0, 0.6, 0.22, 1.0)),
        ("body", "box", (0.78, 0.6, 1.0, 1.0)),
        ("body", "box", (0.0, 0.0, 0.36, 0.7)),
        ("body", "box", (0.0, 0.42, 1.0, 0.76)),
    ),
    "book": (
        ("body", "box", (0.0, 0.0, 1.0, 0.86)),
        ("ink", "box", (0.0, 0.0, 0.13, 1.0)),
        ("paper", "box", (0.13, 0.84, 1.0, 1.0)),
        ("paper", "box", (0.36, 0.13, 0.8, 0.3)),
    ),
    "clock": (
        ("body", "ellipse", (0.0, 0.0, 1.0, 1.0)),
        ("paper", "ellipse", (0.25, 0.25, 0.75, 0.75)),
        ("ink", "line", (0.08, 0.5, 0.3, 0.5, 0.53, 0.68, 0.53)),
    ),
    "box": (
        ("shade", "box", (0.06, 0.0, 0.94, 0.9)),
        ("body", "box", (0.0, 0.0, 0.19, 1.0)),
        ("body", "box", (0.81, 0.0, 1.0, 1.0)),
        ("body", "box", (0.0, 0.81, 1.0, 1.0)),
    ),
}

# A 5 x 7 bitmap font with the letters of the signs, one pixel a stroke so that it stays legible at 64 x 64.
_ROWS = {  # seven rows of five pixels, top to bottom; a letter's rows are separated by a blank
    "A": ".###. #...# #...# ##### #...# #...# #...#",
    "B": "####. #...# #...# ####. #...# #...# ####.",
    "C": ".#### #.... #.... #.... #.... #.... .####",
    "E": "##### #.... #.... ####. #.... #.... #####",
    "F": "##### #.... #.... ####. #.... #.... #....",
    "G": ".#### #.... #.... #.### #...# #...# .####",
    "H": "#...# #...# #...# ##### #...# #...# #...#",
    "I": "##### ..#.. ..#.. ..#.. ..#.. ..#.. #####",
    "K": "#...# #..#. #.#.. ##... #.#.. #..#. #...#",
    "L": "#.... #.... #.... #.... #.... #.... #####",
    "M": "#...# ##.## #.#.# #.#.# #...# #...# #...#",
    "N": "#...# ##..# #.#.# #.#.# #..## #...# #...#",
    "O": ".###. #...# #...# #...# #...# #...# .###.",
    "P": "####. #...# #...# ####. #.... #.... #....",
    "R": "####. #...# #...# ####. #.#.. #..#. #...#",
    "S": ".#### #.... #.... .###. ....# ....# ####.",
    "T": "##### ..#.. ..#.. ..#.. ..#.. ..#.. ..#..",
    "U": "#...# #...# #...# #...# #...# #...# .###.",
    "X": "#...# #...# .#.#. ..#.. .#.#. #...# #...#",
    "Y": "#...# #...# .#.#. ..#.. ..#.. ..#.. ..#..",
    "Z": "##### ....# ...#. ..#.. .#... #.... #####",
}
GLYPHS = {letter: np.array([[pixel == "#" for pixel in row] for row in rows.split()]) for letter, rows in _ROWS.items()}
_BOARD, _LETTERS, _EDGE = (250, 250, 246), (10, 10, 12), (120, 72, 36)
_EDGE_WIDTH = 2


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
    width, height = thing_extent(kind, size)
    layers = _layers(_SILHOUETTES[kind], width, height)
    outline = _LIGHT if colour == "black" else _DARK  # so that black things show at night, and white ones in the snow
    base = np.array(COLOURS[colour], dtype=np.float32)
    pixels = np.zeros((*layers.shape, 3), dtype=np.float32)
    pattern = np.kron(_pattern(texture, width, height), np.ones((_SCALE, _SCALE), dtype=bool))
    pixels[:] = np.where(pattern[..., None], _contrast(colour), base)
    for layer, fill in (
        ("shade", base * 0.45 + np.array(outline) * 0.1),
        ("ink", np.array(_GREY if colour == "black" else _DARK)),
        ("wood", np.array(_WOOD)),
        ("paper", np.array(_PAPER)),
        ("leaf", np.array(_LEAF)),
    ):
        pixels[layers == _LAYERS.index(layer)] = fill
    pixels[_rim(layers)] = outline
    cover = (layers > 0)[..., None].astype(np.float32)
    return _averaged(pixels * cover), _averaged(cover)


def _layers(shapes: tuple[Shape, ...], width: int, height: int) -> NDArray[np.uint8]:
    """Return which layer is seen at each enlarged pixel, as indices into `_LAYERS`."""
    image = Image.new("L", (width * _SCALE, height * _SCALE))
    for layer, form, numbers in shapes:
        _paint(ImageDraw.Draw(image), form, numbers, image.size, _LAYERS.index(layer))
    return np.asarray(image)


def _paint(draw: ImageDraw.ImageDraw, form: str, numbers: tuple[float, ...], size: tuple[int, int], fill: int) -> None:
    """Paint the form of a shape on a canvas of `size` pixels; strokes are at least one final pixel wide."""
    stroke = max(_SCALE, round(numbers[0] * max(size)))
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
    """Convert x, y, x, y, ... from fractions into pixels; 1 is the last pixel of a side."""
    return [value * size[i % 2] - (0.5 if value >= 1 else 0) for i, value in enumerate(fractions)]


def _rim(layers: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the enlarged pixels of the outline: within one final pixel of the background, inside the silhouette."""
    padded = Image.fromarray(np.pad((layers > 0).astype(np.uint8), _SCALE))
    inner = np.asarray(padded.filter(ImageFilter.MinFilter(2 * _SCALE - 1)))[_SCALE:-_SCALE, _SCALE:-_SCALE]
    return (inner == 0) & np.isin(layers, [_LAYERS.index(layer) for layer in _RIMMED])


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
    blocks = pixels.reshape(height // _SCALE, _SCALE, width // _SCALE, _SCALE, channels)
    return blocks.mean(axis=(1, 3), dtype=np.float32)


def sign_board(word: str) -> NDArray[np.uint8]:
    """Return the sign of a word as (height, width, 3) RGB pixels.

    Raises:
        KeyError: if a letter has no glyph; every word of the vocabulary has.
    """
    width, height = sign_extent(word)
    pixels = np.empty((height, width, 3), dtype=np.uint8)
    pixels[:] = _EDGE
    pixels[_EDGE_WIDTH:-_EDGE_WIDTH, _EDGE_WIDTH:-_EDGE_WIDTH] = _BOARD
    for position, letter in enumerate(word):
        left = SIGN_FRAME + position * (GLYPH[0] + 1)
        pixels[SIGN_FRAME : SIGN_FRAME + GLYPH[1], left : left + GLYPH[0]][GLYPHS[letter]] = _LETTERS
    return pixels
