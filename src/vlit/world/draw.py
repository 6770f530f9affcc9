"""From a scene to its 64 x 64 picture. Backgrounds and sprites are drawn once, large, scaled down and kept."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from vlit.world.font import text_mask
from vlit.world.scene import CANVAS, Scene, Sign
from vlit.world.silhouettes import BODY, DARK, FACE, ON_FACE, Shape
from vlit.world.vocabulary import COLOURS, SIZES

ZOOM = 8  # sprites are drawn this many times larger
VARIANTS = 6  # backgrounds of a setting
LIGHT = ("yellow", "orange", "white")  # colours whose pattern and outline are dark
Colour = tuple[int, int, int]


def render(scene: Scene) -> Image.Image:
    """Draw a scene: (64, 64) RGB. The same scene always gives the same pixels."""
    picture = background(scene.setting, scene.id % VARIANTS).copy()
    for thing in scene.things:
        sprite = _sprite(thing.kind, thing.colour, thing.texture, thing.size)
        picture.paste(sprite, thing.box[:2], sprite)
    if scene.sign is not None:
        _draw_sign(picture, scene.sign)
    return picture


@lru_cache(maxsize=None)
def _sprite(kind: str, colour: str, texture: str, size: str) -> Image.Image:
    side = SIZES[size] * ZOOM
    body = _mask(BODY[kind], side)
    border = body.filter(ImageFilter.MaxFilter(2 * (ZOOM // 2) + 1))
    outline = (20, 20, 20) if colour in LIGHT or colour not in ("black", "blue", "purple") else (235, 235, 235)
    sprite = Image.new("RGBA", (side, side), (*outline, 0))
    sprite.paste((*outline, 255), mask=border)
    # Shrink the fill a little so that the outline is never cut off by the sprite's edge.
    fill = ImageChops.darker(body, _inner(body))
    sprite.paste(_pattern(COLOURS[colour], colour in LIGHT, texture, side), mask=fill)
    sprite.paste((25, 25, 25, 255), mask=ImageChops.darker(_mask(DARK.get(kind, ()), side), body))
    sprite.paste((225, 222, 210, 255), mask=_mask(FACE.get(kind, ()), side))
    sprite.paste((25, 25, 25, 255), mask=_mask(ON_FACE.get(kind, ()), side))
    return sprite.resize((SIZES[size], SIZES[size]), Image.Resampling.BOX)


def _inner(mask: Image.Image) -> Image.Image:
    framed = Image.new("L", mask.size, 0)
    framed.paste(mask.crop((1, 1, mask.width - 1, mask.height - 1)), (1, 1))
    return framed.filter(ImageFilter.MinFilter(2 * (ZOOM // 2) + 1))


def _mask(shapes: tuple[Shape, ...], side: int) -> Image.Image:
    mask = Image.new("L", (side, side), 0)
    pen = ImageDraw.Draw(mask)
    for name, unit in shapes:
        points = [value * (side - 1) for value in unit]
        if name == "polygon":
            pen.polygon(points, fill=255)
        elif name == "ellipse":
            pen.ellipse(points, fill=255)
        elif name == "chord":
            pen.chord(points, 180, 360, fill=255)
        elif name == "ring":
            pen.ellipse(points, outline=255, width=side // 8)
        else:
            pen.line(points, fill=255, width=ZOOM)
    return mask


def _pattern(colour: Colour, light: bool, texture: str, side: int) -> Image.Image:
    plane = Image.new("RGBA", (side, side), (*colour, 255))
    if texture == "plain":
        return plane
    other = tuple(round(value * 0.25) if light else round(value + (255 - value) * 0.72) for value in colour)
    pen = ImageDraw.Draw(plane)
    if texture == "striped":
        for x in range(0, side, 5 * ZOOM):
            pen.rectangle((x, 0, x + 2 * ZOOM - 1, side), fill=(*other, 255))
    elif texture == "dotted":
        for row, y in enumerate(range(ZOOM, side, 4 * ZOOM)):
            for x in range(ZOOM + (row % 2) * 2 * ZOOM, side, 4 * ZOOM):
                pen.ellipse((x, y, x + 2 * ZOOM, y + 2 * ZOOM), fill=(*other, 255))
    else:
        for y in range(0, side, 3 * ZOOM):
            for x in range(0, side, 3 * ZOOM):
                if (x + y) // (3 * ZOOM) % 2 == 0:
                    pen.rectangle((x, y, x + 3 * ZOOM - 1, y + 3 * ZOOM - 1), fill=(*other, 255))
    return plane


def _draw_sign(picture: Image.Image, sign: Sign) -> None:
    x, y, width, height = sign.box
    pen = ImageDraw.Draw(picture)
    pen.rectangle((x, y, x + width - 1, y + height - 1), fill=(250, 250, 250), outline=(60, 30, 10))
    ink = Image.fromarray(text_mask(sign.word).astype(np.uint8) * 255)
    picture.paste((10, 10, 10), (x + 3, y + 3), ink)


@lru_cache(maxsize=None)
def background(setting: str, variant: int) -> Image.Image:
    """The picture of a setting without things. Six variants differ in horizon, hue and where details stand."""
    rng = np.random.default_rng([variant, *setting.encode()])
    horizon = int(rng.integers(24, 36))
    upper, lower = _GROUNDS[setting]
    shade = rng.normal(0, 5, 3)
    pixels = np.empty((CANVAS, CANVAS, 3))
    pixels[:horizon] = np.array(upper) + shade
    pixels[horizon:] = np.array(lower) + shade
    pixels += rng.normal(0, 3, (CANVAS, CANVAS, 1))
    picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    _DETAILS[setting](pen, rng, horizon)
    return picture


_GROUNDS: dict[str, tuple[Colour, Colour]] = {
    "beach": ((150, 205, 235), (233, 213, 160)),
    "forest": ((95, 130, 85), (70, 95, 55)),
    "street": ((165, 165, 175), (95, 95, 100)),
    "kitchen": ((235, 225, 205), (190, 160, 125)),
    "desert": ((245, 215, 165), (214, 165, 95)),
    "snow": ((190, 205, 222), (240, 244, 250)),
    "ocean": ((170, 210, 240), (45, 110, 160)),
    "night": ((18, 20, 52), (32, 36, 40)),
}


def _beach(pen: ImageDraw.ImageDraw, rng: np.random.Generator, horizon: int) -> None:
    pen.rectangle((0, horizon - 7, CANVAS, horizon - 1), fill=(70, 150, 200))
    pen.ellipse((48, 3, 58, 13), fill=(255, 240, 150))


def _forest(pen: ImageDraw.ImageDraw, rng: np.random.Generator, horizon: int) -> None:
    for x in rng.integers(0, CANVAS, 7):
        pen.rectangle((x, 0, x + 2, horizon + 2), fill=(85, 60, 40))
        pen.ellipse((x - 6, -4, x + 8, 10), fill=(45, 90, 45))


def _street(pen: ImageDraw.ImageDraw, rng: np.random.Generator, horizon: int) -> None:
    for x in range(int(rng.integers(-8, 0)), CANVAS, 14):
        pen.rectangle((x, int(rng.integers(2, 12)), x + 11, horizon - 1), fill=(135, 115, 105))
    for x in range(2, CANVAS, 12):
        pen.rectangle((x, 48, x + 6, 49), fill=(225, 225, 200))


def _kitchen(pen: ImageDraw.ImageDraw, rng: np.random.Generator, horizon: int) -> None:
    for x in range(0, CANVAS, 8):
        pen.line((x, 0, x, horizon), fill=(205, 190, 170))
    for y in range(0, horizon, 8):
        pen.line((0, y, CANVAS, y), fill=(205, 190, 170))
    pen.rectangle((0, horizon - 2, CANVAS, horizon), fill=(120, 85, 60))


def _desert(pen: ImageDraw.ImageDraw, rng: np.random.Generator, horizon: int) -> None:
    for x in rng.integers(0, CANVAS, 3):
        pen.ellipse((x - 22, horizon - 5, x + 22, horizon + 14), fill=(205, 150, 80))
    x = int(rng.integers(4, 58))
    pen.rectangle((x, horizon - 12, x + 2, horizon + 2), fill=(60, 120, 60))
    pen.rectangle((x - 4, horizon - 8, x + 6, horizon - 7), fill=(60, 120, 60))


def _snow(pen: ImageDraw.ImageDraw, rng: np.random.Generator, horizon: int) -> None:
    for x in rng.integers(0, CANVAS, 3):
        pen.polygon((x - 14, horizon, x, horizon - 16, x + 14, horizon), fill=(140, 150, 170))
        pen.polygon((x - 5, horizon - 10, x, horizon - 16, x + 5, horizon - 10), fill=(250, 252, 255))
    for x, y in rng.integers(0, CANVAS, (40, 2)):
        pen.point((int(x), int(y)), fill=(255, 255, 255))


def _ocean(pen: ImageDraw.ImageDraw, rng: np.random.Generator, horizon: int) -> None:
    for y in range(horizon + 3, CANVAS, 6):
        for x in range(int(rng.integers(0, 8)), CANVAS, 12):
            pen.arc((x, y, x + 6, y + 4), 0, 180, fill=(150, 195, 225))


def _night(pen: ImageDraw.ImageDraw, rng: np.random.Generator, horizon: int) -> None:
    for x, y in rng.integers(0, CANVAS, (35, 2)):
        if y < horizon:
            pen.point((int(x), int(y)), fill=(240, 240, 210))
    pen.ellipse((6, 4, 15, 13), fill=(235, 235, 205))


_DETAILS = {
    "beach": _beach,
    "forest": _forest,
    "street": _street,
    "kitchen": _kitchen,
    "desert": _desert,
    "snow": _snow,
    "ocean": _ocean,
    "night": _night,
}
