"""A scene in the making: things are put on the canvas one by one where there is room."""

from __future__ import annotations

import random
from collections.abc import Iterable

from vlit.mini.world.facts import gap, place_centre
from vlit.mini.world.scene import CANVAS, Interaction, Scene, Sign, Thing
from vlit.mini.world.vocabulary import COLOURS, CONTAINER, EXTENT, PLACES, SIZES, TEXTURES

Box = tuple[int, int, int, int]

GAP = 3  # pixels between things that do not interact, so that contact is seen as such
APART = 8  # pixels between things of which it is said that they do not touch
JITTER = 3  # pixels by which a thing in a named place may be off its centre
TRIES = 40
FRAME = 3  # pixels around the letters of a sign: two of frame, one of board
GLYPH = (5, 7)  # pixels of a letter


class NoRoomError(Exception):
    """There is no free spot for a thing: begin the scene again."""


def extent(kind: str, size: str) -> tuple[int, int]:
    """Return width and height in pixels of a thing."""
    width, height = EXTENT.get(kind, (1.0, 1.0))
    return round(SIZES[size] * width), round(SIZES[size] * height)


def sign_extent(word: str) -> tuple[int, int]:
    """Return width and height in pixels of the sign that holds a word."""
    return len(word) * (GLYPH[0] + 1) - 1 + 2 * FRAME, GLYPH[1] + 2 * FRAME


class Draft:
    """An unfinished scene.

    Every `add_*` chooses at random what it is not told, and raises `NoRoomError` if it finds no free spot.
    """

    def __init__(self, rng: random.Random, setting: str) -> None:
        self.rng = rng
        self.setting = setting
        self.things: list[Thing] = []
        self.interaction: Interaction | None = None
        self.sign: Sign | None = None

    def scene(self, id: int) -> Scene:
        """Return the finished scene."""
        return Scene(id, self.setting, tuple(self.things), self.interaction, self.sign)

    def add_thing(
        self,
        kind: str,
        colour: str | None = None,
        texture: str | None = None,
        size: str = "small",
        place: str | None = None,
    ) -> int:
        """Put a thing in a free spot, near `place` if given, and return its index."""
        for box in self._spots(*extent(kind, size), place):
            if self._is_free(box):
                return self._put(kind, colour, texture, size, box)
        raise NoRoomError

    def add_sign(self, word: str) -> None:
        """Put a sign in a free spot."""
        for box in self._spots(*sign_extent(word), None):
            if self._is_free(box):
                self.sign = Sign(word, box)
                return
        raise NoRoomError

    def add_interaction(
        self,
        name: str,
        subject: tuple[str, str],
        object: tuple[str, str],
        colours: tuple[str | None, str | None] = (None, None),
        place: str | None = None,
    ) -> None:
        """Put a pair that interacts; `subject` and `object` are (kind, size)."""
        room = extent(*subject), extent(*object)
        for anchor in self._spots(*room[1], place):
            box = self._beside(name, anchor, *room[0])
            if self._on_canvas(box) and self._is_free(box) and self._is_free(anchor):
                second = self._put(object[0], colours[1], None, object[1], anchor)
                first = self._put(subject[0], colours[0], None, subject[1], box)
                self.interaction = Interaction(first, name, second)
                return
        raise NoRoomError

    def add_pair(self, subject: tuple[str, str], object: tuple[str, str], relation: str) -> None:
        """Put two things so that the first is in a spatial relation (a key of `RELATIONS`) to the second."""
        (width, height), room = extent(*subject), extent(*object)
        for anchor in self._spots(*room, None):
            far, off = self.rng.randint(GAP + 1, 20), self.rng.randint(-5, 5)
            x, y, w, h = anchor
            middle_x, middle_y = x + (w - width) // 2 + off, y + (h - height) // 2 + off
            box = {
                "left": (x - far - width, middle_y, width, height),
                "right": (x + w + far, middle_y, width, height),
                "above": (middle_x, y - far - height, width, height),
                "below": (middle_x, y + h + far, width, height),
            }[relation]
            if self._on_canvas(box) and self._is_free(box) and self._is_free(anchor):
                self._put(object[0], None, None, object[1], anchor)
                self._put(subject[0], None, None, subject[1], box)
                return
        raise NoRoomError

    def _beside(self, name: str, anchor: Box, width: int, height: int) -> Box:
        """Return the box of a subject of the given extent that does `name` to the thing at `anchor`."""
        x, y, w, h = anchor
        middle_x, middle_y = x + (w - width) // 2, y + (h - height) // 2
        if name == "inside":
            return middle_x, middle_y, width, height
        if name == "holding":
            return middle_x, y + h, width, height
        if name == "touching":
            return self.rng.choice((x - width, x + w)), middle_y, width, height
        for box in self._spots(width, height, None):
            if gap(box, anchor) >= APART:
                return box
        raise NoRoomError

    def _put(self, kind: str, colour: str | None, texture: str | None, size: str, box: Box) -> int:
        colour = colour or self.rng.choice(list(COLOURS))
        texture = texture or self.rng.choice(TEXTURES)
        # What stands in a box hides most of it, so a box never has a pattern.
        self.things.append(Thing(kind, colour, "plain" if kind == CONTAINER else texture, size, box))
        return len(self.things) - 1

    def _spots(self, width: int, height: int, place: str | None) -> Iterable[Box]:
        for _ in range(TRIES):
            if place is None:
                x, y = self.rng.randint(1, CANVAS - 1 - width), self.rng.randint(1, CANVAS - 1 - height)
            else:
                centre = place_centre(place)
                x = round(centre[0] - width / 2) + self.rng.randint(-JITTER, JITTER)
                y = round(centre[1] - height / 2) + self.rng.randint(-JITTER, JITTER)
            yield x, y, width, height

    def _is_free(self, box: Box) -> bool:
        taken = [thing.box for thing in self.things] + ([self.sign.box] if self.sign else [])
        return all(gap(box, other) >= GAP for other in taken)

    @staticmethod
    def _on_canvas(box: Box) -> bool:
        x, y, width, height = box
        return x >= 0 and y >= 0 and x + width <= CANVAS and y + height <= CANVAS


def some_place(rng: random.Random, chance: float = 0.5) -> str | None:
    """Return a random place, or with the remaining chance None (anywhere)."""
    return rng.choice(list(PLACES)) if rng.random() < chance else None
