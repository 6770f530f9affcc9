"""Random scenes: the same seed and id give the same scene, and no two ids share a stream of random numbers.

A scene is a draft first, on which things are placed one by one where the canvas is free.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Iterator

from vlit.mini.world.scene import (
    CANVAS,
    CanvasBox,
    Interaction,
    Scene,
    Sign,
    Thing,
    gap,
    place_centre,
    sign_extent,
    thing_extent,
)
from vlit.mini.world.vocabulary import (
    COLOURS,
    CONTAINER,
    INTERACTIONS,
    ORDINARY_KINDS,
    PLACES,
    SETTINGS,
    TEXTURES,
    WORDS,
)

FIRST_TRAINING_ID = 1
FIRST_BENCHMARK_ID = 500_001
FIRST_PRETRAINING_ID = 900_001

GAP = 3  # pixels between things that do not interact, so that contact is seen as such
APART = 8  # pixels between things that are described as not touching
JITTER = 3  # pixels by which a thing in a named place may be off its centre
ATTEMPTS = 40  # random spots for a thing before its scene is given up

MOST_THINGS = 6
TOTALS = (1, 1, 2, 2, 3, 3, 4, 5, 6)  # things of a scene, before repeated kinds and interactions ask for more
INTERACTION_CHANCE = 0.35
SIGN_CHANCE = 0.5
REPEAT_CHANCE = 0.4
REPEATS = (2, 3, 3, 4, 5, 5)  # the larger counts fit less often
MOST_WITH_LARGE = 4  # with more things than this, all are small


class NoFreeSpotError(Exception):
    """There is no free spot for a thing: start the scene again."""


class Draft:
    """An unfinished scene.

    Every `add_*` chooses at random what it is not given, and raises `NoFreeSpotError` if it finds no free spot.
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
    ) -> None:
        """Add a thing in a free spot, near `place` if given."""
        self._append(kind, colour, texture, size, self._free_spot(thing_extent(kind, size), place))

    def add_sign(self, word: str) -> None:
        """Add a sign in a free spot."""
        self.sign = Sign(word, self._free_spot(sign_extent(word), None))

    def add_interaction(
        self,
        name: str,
        subject: tuple[str, str],
        object: tuple[str, str],
        colours: tuple[str | None, str | None] = (None, None),
        place: str | None = None,
    ) -> None:
        """Add a pair that interacts.

        Args:
            name: a key of `INTERACTIONS`.
            subject: kind and size.
            object: kind and size.
            colours: colour of the subject and of the object; None draws one.
            place: where the object is; None is anywhere.
        """
        for anchor in self._spots(*thing_extent(*object), place):
            box = self._subject_box(name, anchor, *thing_extent(*subject))
            if self._on_canvas(box) and self._is_free(box) and self._is_free(anchor):
                second = self._append(object[0], colours[1], None, object[1], anchor)
                first = self._append(subject[0], colours[0], None, subject[1], box)
                self.interaction = Interaction(first, name, second)
                return
        raise NoFreeSpotError

    def add_pair(self, subject: tuple[str, str], object: tuple[str, str], relation: str) -> None:
        """Add two things, each a kind and a size, so that the first is `relation` (of `RELATIONS`) to the second."""
        width, height = thing_extent(*subject)
        for anchor in self._spots(*thing_extent(*object), None):
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
                self._append(object[0], None, None, object[1], anchor)
                self._append(subject[0], None, None, subject[1], box)
                return
        raise NoFreeSpotError

    def _subject_box(self, name: str, anchor: CanvasBox, width: int, height: int) -> CanvasBox:
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
        raise NoFreeSpotError

    def _append(self, kind: str, colour: str | None, texture: str | None, size: str, box: CanvasBox) -> int:
        """Add a thing at a box and return its index."""
        colour = colour or self.rng.choice(list(COLOURS))
        texture = texture or self.rng.choice(TEXTURES)
        # What stands in a box hides most of it, so a box never has a pattern.
        self.things.append(Thing(kind, colour, "plain" if kind == CONTAINER else texture, size, box))
        return len(self.things) - 1

    def _free_spot(self, extent: tuple[int, int], place: str | None) -> CanvasBox:
        for box in self._spots(*extent, place):
            if self._is_free(box):
                return box
        raise NoFreeSpotError

    def _spots(self, width: int, height: int, place: str | None) -> Iterable[CanvasBox]:
        for _ in range(ATTEMPTS):
            if place is None:
                x, y = self.rng.randint(1, CANVAS - 1 - width), self.rng.randint(1, CANVAS - 1 - height)
            else:
                centre = place_centre(place)
                x = round(centre[0] - width / 2) + self.rng.randint(-JITTER, JITTER)
                y = round(centre[1] - height / 2) + self.rng.randint(-JITTER, JITTER)
            yield x, y, width, height

    def _is_free(self, box: CanvasBox) -> bool:
        taken = [thing.box for thing in self.things] + ([self.sign.box] if self.sign else [])
        return all(gap(box, other) >= GAP for other in taken)

    @staticmethod
    def _on_canvas(box: CanvasBox) -> bool:
        x, y, width, height = box
        return x >= 0 and y >= 0 and x + width <= CANVAS and y + height <= CANVAS


def stream(seed: int, id: int, purpose: str = "scene") -> random.Random:
    """Return the random numbers of one purpose for one scene, independent of all other purposes and ids."""
    return random.Random(f"vlit.world:{seed}:{id}:{purpose}")


def training_scenes(count: int, seed: int) -> Iterator[Scene]:
    """Yield the scenes of the training images, ids from 1."""
    return _scenes(FIRST_TRAINING_ID, count, seed)


def pretraining_scenes(count: int, seed: int) -> Iterator[Scene]:
    """Yield the scenes from which the language model and the image encoder are pre-trained, ids from 900,001."""
    return _scenes(FIRST_PRETRAINING_ID, count, seed)


def _scenes(first: int, count: int, seed: int) -> Iterator[Scene]:
    for id in range(first, first + count):
        yield sample_scene(stream(seed, id), id)


def sample_scene(rng: random.Random, id: int) -> Scene:
    """Return a random scene of 1 to 6 things; about a third with an interaction and half with a sign."""
    setting = rng.choice(SETTINGS)
    sign, interaction = rng.random() < SIGN_CHANCE, rng.random() < INTERACTION_CHANCE
    repeats = rng.choice(REPEATS) if rng.random() < REPEAT_CHANCE else 1
    total = min(MOST_THINGS, max(rng.choice(TOTALS), repeats + 2 * interaction))
    return drafted_scene(
        rng, setting, id, lambda draft: fill(draft, total, sign=sign, interaction=interaction, repeats=repeats)
    )


def drafted_scene(rng: random.Random, setting: str, id: int, build: Callable[[Draft], None]) -> Scene:
    """Return the scene of the first draft that `build` completes."""
    while True:
        draft = Draft(rng, setting)
        try:
            build(draft)
        except NoFreeSpotError:
            continue
        return draft.scene(id)


def fill(
    draft: Draft,
    total: int,
    *,
    sign: bool = False,
    interaction: bool = False,
    repeats: int = 1,
    kinds: Collection[str] = ORDINARY_KINDS,
    colours: Collection[str] = tuple(COLOURS),
) -> None:
    """Add a random sign, an interaction, and things of new kinds to a draft until it has `total` things.

    The first of these kinds comes `repeats` times. What is added is of the given `kinds` and `colours`.

    Raises:
        NoFreeSpotError: if the canvas is too crowded.
    """
    rng = draft.rng
    free = [kind for kind in kinds if all(kind != thing.kind for thing in draft.things)]
    rng.shuffle(free)
    if sign:
        draft.add_sign(rng.choice(WORDS))
    if interaction:
        _add_random_interaction(draft, free.pop(), free.pop(), colours)
    sizes = ("small", "large") if total <= MOST_WITH_LARGE else ("small",)
    while len(draft.things) < total and free:
        _add_alike(draft, free.pop(), min(repeats, total - len(draft.things)), list(colours), sizes)
        repeats = rng.choice((1, 1, 1, 2))


def _add_random_interaction(draft: Draft, first: str, second: str, colours: Collection[str]) -> None:
    """Add an interacting pair; in half of the pairs, and wherever one is inside the other, the object is a box."""
    rng = draft.rng
    name = rng.choice(list(INTERACTIONS))
    pair = (first, "small"), (second, rng.choice(("small", "small", "large")))
    if name == "inside" or rng.random() < 0.5:
        pair = (first, "small"), (CONTAINER, "large")
        if name == "holding" and rng.random() < 0.3:
            pair = pair[1], pair[0]
    names = rng.choice(list(colours)), rng.choice(list(colours))
    draft.add_interaction(name, *pair, colours=names, place=random_place(rng, 0.3))


def _add_alike(draft: Draft, kind: str, count: int, colours: list[str], sizes: tuple[str, ...]) -> None:
    """Add `count` things of a kind, which half of the time look the same."""
    rng = draft.rng
    sizes = ("small",) if count > 1 else sizes
    same = (rng.choice(colours), rng.choice(TEXTURES)) if rng.random() < 0.5 else None
    for _ in range(count):
        colour, texture = same or (rng.choice(colours), rng.choice(TEXTURES))
        draft.add_thing(kind, colour, texture, rng.choice(sizes), random_place(rng))


def random_place(rng: random.Random, chance: float = 0.5) -> str | None:
    """Return a random place, or with the remaining chance None (anywhere)."""
    return rng.choice(list(PLACES)) if rng.random() < chance else None
