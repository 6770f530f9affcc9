"""The eight settings as pictures: pale, busy enough to tell apart, each with a few variants."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from vlit.mini.world.scene import CANVAS

VARIANTS = 16  # pictures of each setting
_SCALE = 2  # drawn this much larger, then averaged down
SIDE = CANVAS * _SCALE
Colour = tuple[int, int, int]


@cache
def background(setting: str, variant: int) -> NDArray[np.uint8]:
    """Return the picture of a setting as (64, 64, 3) RGB pixels, read-only because it is cached."""
    rng = random.Random(f"vlit.world:background:{setting}:{variant}")
    image = Image.new("RGB", (SIDE, SIDE))
    _PAINTERS[setting](ImageDraw.Draw(image), rng)
    pixels = np.asarray(image.resize((CANVAS, CANVAS), Image.Resampling.BOX), dtype=np.int16) + rng.randint(-6, 6)
    small = np.clip(pixels, 0, 255).astype(np.uint8)
    small.flags.writeable = False
    return small


def _band(draw: ImageDraw.ImageDraw, top: float, bottom: float, colour: Colour) -> None:
    draw.rectangle((0, round(top), SIDE, round(bottom)), fill=colour)


def _hill(draw: ImageDraw.ImageDraw, x: float, top: float, width: float, colour: Colour) -> None:
    draw.ellipse((x - width / 2, top, x + width / 2, top + 2 * SIDE), fill=colour)


def _fir(draw: ImageDraw.ImageDraw, x: float, foot: float, height: float, colour: Colour) -> None:
    draw.rectangle((x - 2, foot - 4, x + 2, foot + 6), fill=(120, 90, 66))
    for step in range(3):
        base, half = foot - step * height * 0.26, height * (0.34 - 0.07 * step)
        draw.polygon((x - half, base, x + half, base, x, base - height * 0.48), fill=colour)


def _beach(draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    horizon = SIDE * 0.26 + rng.randint(-6, 6)
    shore = SIDE * 0.5 + rng.randint(-6, 6)
    _band(draw, 0, horizon, (190, 226, 248))
    sun = rng.randint(16, SIDE - 16)
    draw.ellipse((sun - 9, 5, sun + 9, 23), fill=(255, 240, 170))
    _band(draw, horizon, SIDE, (96, 180, 206))
    draw.polygon(
        [(0, SIDE), (0, shore), *((x, shore + 4 * np.sin(x / 9 + sun)) for x in range(0, SIDE + 4, 4)), (SIDE, SIDE)],
        fill=(240, 222, 176),
        outline=(255, 255, 255),
        width=3,
    )
    for _ in range(40):
        x, y = rng.randint(0, SIDE), rng.randint(int(shore) + 10, SIDE)
        draw.rectangle((x, y, x + 1, y + 1), fill=(214, 190, 138))


def _forest(draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    _band(draw, 0, SIDE, (206, 228, 196))
    _band(draw, SIDE * 0.62, SIDE, (150, 184, 120))
    for x in range(-4, SIDE + 10, 18):
        _fir(draw, x + rng.randint(-4, 4), SIDE * 0.64 + rng.randint(-4, 4), 58 + rng.randint(-8, 8), (128, 172, 122))
    for x in range(6, SIDE + 10, 30):
        _fir(draw, x + rng.randint(-6, 6), SIDE * 0.92 + rng.randint(-8, 8), 66 + rng.randint(-8, 8), (96, 148, 96))


def _street(draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    _band(draw, 0, SIDE, (214, 222, 230))
    curb = SIDE * 0.6 + rng.randint(-4, 4)
    x = -rng.randint(0, 16)
    while x < SIDE:
        width, top, tone = rng.randint(24, 36), rng.randint(4, 34), rng.randint(156, 188)
        draw.rectangle((x, top, x + width - 3, curb), fill=(tone, tone - 10, tone - 14))
        for window_y in range(top + 5, int(curb) - 8, 12):
            for window_x in range(x + 4, x + width - 9, 9):
                draw.rectangle((window_x, window_y, window_x + 4, window_y + 6), fill=(232, 228, 196))
        x += width
    _band(draw, curb, curb + 7, (204, 200, 194))
    _band(draw, curb + 7, SIDE, (126, 126, 132))
    for dash in range(rng.randint(-16, 0), SIDE, 26):
        draw.rectangle((dash, SIDE * 0.82, dash + 14, SIDE * 0.82 + 4), fill=(240, 240, 236))


def _kitchen(draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    _band(draw, 0, SIDE, (240, 232, 214))
    shift = rng.randint(0, 13)
    for line in range(shift, SIDE, 14):
        draw.line((line, 0, line, SIDE), fill=(206, 196, 176), width=2)
        draw.line((0, line, SIDE, line), fill=(206, 196, 176), width=2)
    counter = SIDE * 0.66 + rng.randint(-6, 6)
    _band(draw, counter, counter + 8, (222, 214, 206))
    _band(draw, counter + 8, SIDE, (190, 146, 104))
    for x in range(-rng.randint(0, 30), SIDE, 42):
        draw.rectangle((x + 3, counter + 12, x + 38, SIDE - 3), outline=(150, 108, 70), width=2)
        draw.ellipse((x + 30, counter + 20, x + 35, counter + 25), fill=(240, 230, 210))


def _desert(draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    _band(draw, 0, SIDE, (252, 232, 186))
    sun = rng.randint(20, SIDE - 20)
    draw.ellipse((sun - 12, 8, sun + 12, 32), fill=(255, 250, 220))
    _hill(draw, rng.randint(0, 40), SIDE * 0.5, 190, (228, 178, 122))
    _hill(draw, rng.randint(90, SIDE), SIDE * 0.58, 200, (214, 160, 102))
    _hill(draw, rng.randint(20, 90), SIDE * 0.74, 260, (200, 144, 88))
    for _ in range(3):
        x, foot = rng.randint(6, SIDE - 6), rng.randint(int(SIDE * 0.6), SIDE - 4)
        draw.line((x, foot, x, foot - 26), fill=(112, 140, 92), width=5)
        draw.line((x, foot - 10, x - 8, foot - 10, x - 8, foot - 19), fill=(112, 140, 92), width=4)
        draw.line((x, foot - 13, x + 8, foot - 13, x + 8, foot - 21), fill=(112, 140, 92), width=4)


def _snow(draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    _band(draw, 0, SIDE, (196, 208, 224))
    for x in range(0, SIDE + 20, 34):
        _fir(draw, x + rng.randint(-8, 8), SIDE * 0.5 + rng.randint(-2, 6), 44 + rng.randint(-6, 6), (150, 172, 180))
    _hill(draw, rng.randint(0, 60), SIDE * 0.46, 260, (234, 239, 246))
    _hill(draw, rng.randint(70, SIDE), SIDE * 0.64, 260, (246, 249, 252))
    for _ in range(46):
        x, y = rng.randint(0, SIDE), rng.randint(0, int(SIDE * 0.62))
        draw.ellipse((x, y, x + 3, y + 3), fill=(255, 255, 255))
    for _ in range(14):
        x, y = rng.randint(0, SIDE), rng.randint(int(SIDE * 0.66), SIDE)
        draw.ellipse((x, y, x + 3, y + 3), fill=(208, 220, 236))


def _ocean(draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    horizon = SIDE * 0.16 + rng.randint(-6, 6)
    _band(draw, 0, horizon, (206, 230, 246))
    for row, y in enumerate(range(int(horizon), SIDE, 10)):
        tone = row * 5
        _band(draw, y, SIDE, (104 - tone // 2, 168 - tone, 214 - tone // 2))
        offset = rng.randint(0, 24)
        for x in range(-offset, SIDE, 26):
            draw.arc((x, y, x + 16, y + 9), 190, 350, fill=(214, 234, 244), width=2)


def _night(draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    _band(draw, 0, SIDE, (38, 42, 84))
    for _ in range(46):
        x, y, size = rng.randint(0, SIDE), rng.randint(0, SIDE), rng.choice((1, 2, 3))
        draw.rectangle((x, y, x + size, y + size), fill=(236, 232, 200))
    moon = rng.randint(16, SIDE - 16)
    draw.ellipse((moon - 10, 6, moon + 10, 26), fill=(244, 238, 204))
    draw.ellipse((moon - 5, 4, moon + 13, 22), fill=(38, 42, 84))
    _hill(draw, rng.randint(0, 60), SIDE * 0.78, 220, (56, 64, 88))
    _hill(draw, rng.randint(60, SIDE), SIDE * 0.84, 220, (66, 74, 96))


_PAINTERS: dict[str, Callable[[ImageDraw.ImageDraw, random.Random], None]] = {
    "beach": _beach,
    "forest": _forest,
    "street": _street,
    "kitchen": _kitchen,
    "desert": _desert,
    "snow": _snow,
    "ocean": _ocean,
    "night": _night,
}
