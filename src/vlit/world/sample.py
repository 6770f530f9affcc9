"""Drawing scenes by chance: seeded, non-overlapping, with interactions, crowds of one kind and signs."""

from __future__ import annotations

import random
from collections.abc import Iterator

from vlit.world.font import text_size
from vlit.world.scene import CANVAS, Interaction, Scene, Sign, Thing
from vlit.world.vocabulary import (
    COLOURS,
    CONTAINER,
    INTERACTIONS,
    ORDINARY_KINDS,
    PLACES,
    SETTINGS,
    SIZES,
    TEXTURES,
    WORDS,
)

Box = tuple[int, int, int, int]
TRIES = 60  # positions tried before a thing is left out
PRETRAINING_IDS = 900_001


class Composition:
    """A scene in the making: things are added one by one and keep clear of what is there.

    Every `add_*` returns the index of what it added, or raises `NoRoom`.
    """

    def __init__(self, rng: random.Random, setting: str | None = None) -> None:
        self.rng = rng
        self.setting = setting or rng.choice(SETTINGS)
        self.things: list[Thing] = []
        self.interaction: Interaction | None = None
        self.sign: Sign | None = None

    def add(
        self,
        kind: str | None = None,
        colour: str | None = None,
        texture: str | None = None,
        size: str | None = None,
        place: str | None = None,
        box: Box | None = None,
    ) -> int:
        """Add a thing; what is not given is drawn by chance."""
        size = size or self.rng.choice(tuple(SIZES))
        side = SIZES[size]
        where = box or (self._near(PLACES[place], side) if place else self._anywhere(side, side))
        self.things.append(
            Thing(
                kind or self.rng.choice(ORDINARY_KINDS),
                colour or self.rng.choice(tuple(COLOURS)),
                texture or self.rng.choice(TEXTURES),
                size,
                where,
            )
        )
        return len(self.things) - 1

    def add_sign(self, word: str | None = None) -> None:
        """Add a sign with a word."""
        word = word or self.rng.choice(WORDS)
        width, height = text_size(word)
        self.sign = Sign(word, self._anywhere(width + 6, height + 6))

    def add_interaction(self, name: str, subject: str | None = None, other: str | None = None, **look: str) -> None:
        """Add two things that stand in an interaction. `look` (colour, texture) is the subject's."""
        rng = self.rng
        kinds = [kind for kind in ORDINARY_KINDS if kind != other]
        subject = subject or rng.choice(kinds)
        if name == "inside":
            frame = self.add(kind=CONTAINER, size="large", texture="plain")
            x, y, width, height = self.things[frame].box
            side = SIZES["small"]
            inner = (x + (width - side) // 2, y + (height - side) // 2, side, side)
            first = self.add(kind=subject, size="small", box=inner, **look)
            self.interaction = Interaction(first, name, frame)
            return
        if other is None:  # a box as often as not, so that a box alone does not tell "inside"
            other = rng.choice([CONTAINER, rng.choice([kind for kind in ORDINARY_KINDS if kind != subject])])
        size = "large" if other == CONTAINER else "small"
        texture = "plain" if other == CONTAINER else None
        one, two = SIZES["small"], SIZES[size]
        if name == "touching":
            x, y, _, _ = self._anywhere(one + two, max(one, two))
            first = self.add(kind=subject, size="small", box=(x, y, one, one), **look)
            second = self.add(kind=other, texture=texture, size=size, box=(x + one, y, two, two))
        elif name == "holding":
            x, y, _, _ = self._anywhere(max(one, two), one + two)
            second = self.add(kind=other, texture=texture, size=size, box=(x, y, two, two))
            first = self.add(kind=subject, size="small", box=(x + (two - one) // 2, y + two, one, one), **look)
        else:
            first = self.add(kind=subject, size="small", **look)
            second = self.add(kind=other, texture=texture, size=size, box=self._apart(self.things[first].box, two))
        self.interaction = Interaction(first, name, second)

    def scene(self, id: int) -> Scene:
        """The finished scene."""
        return Scene(id, self.setting, tuple(self.things), self.interaction, self.sign)

    def _near(self, centre: tuple[float, float], side: int) -> Box:
        for spread in range(TRIES):
            reach = 2 + spread // 20
            x = round(centre[0] * CANVAS - side / 2) + self.rng.randint(-reach, reach)
            y = round(centre[1] * CANVAS - side / 2) + self.rng.randint(-reach, reach)
            box = (min(max(x, 1), CANVAS - side - 1), min(max(y, 1), CANVAS - side - 1), side, side)
            if self._free(box):
                return box
        raise NoRoom

    def _anywhere(self, width: int, height: int) -> Box:
        for _ in range(TRIES):
            box = (
                self.rng.randint(1, CANVAS - width - 1),
                self.rng.randint(1, CANVAS - height - 1),
                width,
                height,
            )
            if self._free(box):
                return box
        raise NoRoom

    def _apart(self, box: Box, side: int) -> Box:
        for _ in range(TRIES):
            found = self._anywhere(side, side)
            if not overlap(found, box, margin=7):
                return found
        raise NoRoom

    def _free(self, box: Box, margin: int = 2) -> bool:
        taken = [thing.box for thing in self.things] + ([self.sign.box] if self.sign else [])
        return not any(overlap(box, other, margin) for other in taken)


class NoRoom(Exception):
    """The canvas is full."""


def overlap(one: Box, two: Box, margin: int = 0) -> bool:
    """Whether two boxes overlap, or come closer than `margin` pixels."""
    return (
        one[0] < two[0] + two[2] + margin
        and two[0] < one[0] + one[2] + margin
        and one[1] < two[1] + two[3] + margin
        and two[1] < one[1] + one[3] + margin
    )


def sample_scene(rng: random.Random, id: int) -> Scene:
    """Draw a scene: in a third two things interact, in two fifths one kind is a crowd, in half there is a sign."""
    composition = Composition(rng)
    try:
        if rng.random() < 0.35:
            composition.add_interaction(rng.choice(tuple(INTERACTIONS)))
        if rng.random() < 0.5:
            composition.add_sign()
        if rng.random() < 0.4:
            _add_crowd(composition, rng.randint(2, 5))
        for _ in range(rng.choice((1, 1, 2, 2, 3)) if len(composition.things) < 3 else rng.choice((0, 0, 1))):
            _add_other(composition)
    except NoRoom:
        pass  # a full scene is a scene
    if not composition.things:
        composition.sign = None
        composition.add()
    return composition.scene(id)


def _add_crowd(composition: Composition, count: int) -> None:
    rng = composition.rng
    present = {thing.kind for thing in composition.things}
    kind = rng.choice([kind for kind in ORDINARY_KINDS if kind not in present])
    colour = rng.choice((None, rng.choice(tuple(COLOURS))))
    for _ in range(count):
        composition.add(kind=kind, colour=colour, size="small")


def _add_other(composition: Composition) -> None:
    rng = composition.rng
    present = {thing.kind for thing in composition.things}
    kind = rng.choice([kind for kind in ORDINARY_KINDS if kind not in present])
    composition.add(kind=kind, place=rng.choice(tuple(PLACES)) if rng.random() < 0.5 else None)


def scenes(count: int, first_id: int, seed: int) -> Iterator[Scene]:
    """Draw scenes with consecutive ids, each from a generator of its own: scene `id` never depends on the others."""
    for id in range(first_id, first_id + count):
        yield sample_scene(random.Random(f"scene {seed} {id}"), id)


def pretraining_scenes(count: int, seed: int) -> Iterator[Scene]:
    """Scenes for pre-training, disjoint from those of instruction data and benchmark."""
    return scenes(count, PRETRAINING_IDS, seed)
