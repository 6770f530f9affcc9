"""Shapes of things and letters as bitmaps, before any colour."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vlit.mini.world.draft import FRAME, GLYPH, sign_extent

Shape = tuple[str, str, tuple[float, ...]]

SILHOUETTES: dict[str, tuple[Shape, ...]] = {
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
BOARD, LETTERS, EDGE = (250, 250, 246), (10, 10, 12), (120, 72, 36)
EDGE_WIDTH = 2


def sign_board(word: str) -> NDArray[np.uint8]:
    """Return the sign of a word as (height, width, 3) RGB pixels.

    Raises:
        KeyError: if a letter has no glyph; every word of the vocabulary has.
    """
    width, height = sign_extent(word)
    pixels = np.empty((height, width, 3), dtype=np.uint8)
    pixels[:] = EDGE
    pixels[EDGE_WIDTH:-EDGE_WIDTH, EDGE_WIDTH:-EDGE_WIDTH] = BOARD
    for position, letter in enumerate(word):
        left = FRAME + position * (GLYPH[0] + 1)
        pixels[FRAME : FRAME + GLYPH[1], left : left + GLYPH[0]][GLYPHS[letter]] = LETTERS
    return pixels
