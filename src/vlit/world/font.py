"""A 5 x 7 bitmap font of capitals, drawn for this project: at 64 pixels an outline font would blur."""

from __future__ import annotations

import numpy as np

_ROWS = {
    "A": "01110 10001 10001 11111 10001 10001 10001",
    "B": "11110 10001 10001 11110 10001 10001 11110",
    "C": "01111 10000 10000 10000 10000 10000 01111",
    "D": "11110 10001 10001 10001 10001 10001 11110",
    "E": "11111 10000 10000 11110 10000 10000 11111",
    "F": "11111 10000 10000 11110 10000 10000 10000",
    "G": "01111 10000 10000 10111 10001 10001 01111",
    "H": "10001 10001 10001 11111 10001 10001 10001",
    "I": "11111 00100 00100 00100 00100 00100 11111",
    "K": "10001 10010 10100 11000 10100 10010 10001",
    "L": "10000 10000 10000 10000 10000 10000 11111",
    "M": "10001 11011 10101 10101 10001 10001 10001",
    "N": "10001 11001 10101 10101 10011 10001 10001",
    "O": "01110 10001 10001 10001 10001 10001 01110",
    "P": "11110 10001 10001 11110 10000 10000 10000",
    "R": "11110 10001 10001 11110 10100 10010 10001",
    "S": "01111 10000 10000 01110 00001 00001 11110",
    "T": "11111 00100 00100 00100 00100 00100 00100",
    "U": "10001 10001 10001 10001 10001 10001 01110",
    "X": "10001 01010 00100 00100 00100 01010 10001",
    "Y": "10001 01010 00100 00100 00100 00100 00100",
    "Z": "11111 00001 00010 00100 01000 10000 11111",
}
GLYPHS = {
    letter: np.array([[bit == "1" for bit in row] for row in rows.split()], dtype=bool)
    for letter, rows in _ROWS.items()
}
HEIGHT, ADVANCE = 7, 6


def text_size(word: str) -> tuple[int, int]:
    """Width and height of a word in pixels."""
    return ADVANCE * len(word) - 1, HEIGHT


def text_mask(word: str) -> np.ndarray:
    """The word's pixels: (height, width), True where there is ink.

    Raises:
        KeyError: for a letter the font lacks.
    """
    width, height = text_size(word)
    mask = np.zeros((height, width), dtype=bool)
    for place, letter in enumerate(word):
        mask[:, place * ADVANCE : place * ADVANCE + 5] = GLYPHS[letter]
    return mask
