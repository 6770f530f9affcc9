"""A 5 x 7 bitmap font with the letters the signs need, one pixel a stroke so that it stays legible at 64 x 64."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vlit.world.draft import FRAME, GLYPH, sign_extent

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
