"""What a scene is, and what is true of it beyond what it lists: places, relations, names; no drawing, no chance.

A question that a person could doubt has no answer here: the functions return None where a scene is unclear.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from vlit.common.errors import InputError
from vlit.common.files import read_jsonl, write_jsonl
from vlit.mini.world.vocabulary import EXTENT, PLACES, SIZES

CANVAS = 64  # pixels a side
CanvasBox = tuple[int, int, int, int]  # x, y, width, height in pixels of the canvas, as in COCO

SIGN_FRAME = 3  # pixels around the letters of a sign: two of frame, one of board
GLYPH = (5, 7)  # width and height in pixels of a letter

PLACE_RADIUS = 9.0  # pixels; less than half the distance between two places, so a thing has one place at most
PLACE_GUARD = 15.0  # pixels; another centre this near to a place makes "the thing in the place" unclear
RELATION_DISTANCE = 8.0  # pixels between two centres, at least, along the relation's axis
RELATION_MARGIN = 1.6  # how much longer that axis must be than the other one
THING_ATTRIBUTES = ("size", "texture", "colour")  # in the order in which English puts them before a noun
TRUTH_FILE = "truth/scenes.jsonl"


@dataclass(frozen=True)
class Thing:
    """One object of a scene."""

    kind: str
    colour: str
    texture: str
    size: str
    box: CanvasBox

    @property
    def centre(self) -> tuple[float, float]:
        """Centre of the box, (x, y) in pixels."""
        x, y, width, height = self.box
        return x + width / 2, y + height / 2


@dataclass(frozen=True)
class Interaction:
    """`things[subject]` does `name` (a key of `vocabulary.INTERACTIONS`) to `things[object]`."""

    subject: int
    name: str
    object: int


@dataclass(frozen=True)
class Sign:
    """A written word on a white board."""

    word: str
    box: CanvasBox


@dataclass(frozen=True)
class Scene:
    """The whole truth of a scene. Things are drawn in order, later ones in front."""

    id: int
    setting: str
    things: tuple[Thing, ...]
    interaction: Interaction | None = None
    sign: Sign | None = None

    def count(self, kind: str) -> int:
        """Return the number of things of a kind."""
        return sum(thing.kind == kind for thing in self.things)


def thing_extent(kind: str, size: str) -> tuple[int, int]:
    """Return width and height in pixels of a thing."""
    width, height = EXTENT.get(kind, (1.0, 1.0))
    return round(SIZES[size] * width), round(SIZES[size] * height)


def sign_extent(word: str) -> tuple[int, int]:
    """Return width and height in pixels of the sign with a word."""
    return len(word) * (GLYPH[0] + 1) - 1 + 2 * SIGN_FRAME, GLYPH[1] + 2 * SIGN_FRAME


def place_centre(place: str) -> tuple[float, float]:
    """Return the centre of a named place, (x, y) in pixels."""
    x, y = PLACES[place]
    return x * CANVAS, y * CANVAS


def place_of(thing: Thing) -> str | None:
    """Return the place a thing is in, or None if it is near none of them."""
    nearest = min(PLACES, key=lambda place: math.dist(thing.centre, place_centre(place)))
    return nearest if math.dist(thing.centre, place_centre(nearest)) <= PLACE_RADIUS else None


def thing_at(scene: Scene, place: str) -> int | None:
    """Return the index of the one thing in a place, or None if there is none, or anything else is near."""
    centre = place_centre(place)
    near = [i for i, thing in enumerate(scene.things) if math.dist(thing.centre, centre) <= PLACE_GUARD]
    if len(near) != 1 or place_of(scene.things[near[0]]) != place:
        return None
    if scene.sign is not None and _distance(scene.sign.box, centre) < PLACE_RADIUS:
        return None
    return near[0]


def _distance(box: CanvasBox, point: tuple[float, float]) -> float:
    """Return the distance in pixels from a point to a box, 0 inside it."""
    x, y, width, height = box
    across = max(x - point[0], 0, point[0] - (x + width))
    down = max(y - point[1], 0, point[1] - (y + height))
    return math.hypot(across, down)


def gap(first: CanvasBox, second: CanvasBox) -> int:
    """Return the empty pixels between two boxes along the axis that separates them best; negative if they overlap."""
    across = max(first[0] - second[0] - second[2], second[0] - first[0] - first[2])
    down = max(first[1] - second[1] - second[3], second[1] - first[1] - first[3])
    return max(across, down)


def relation_between(subject: Thing, reference: Thing) -> str | None:
    """Return the key of `RELATIONS` that names where `subject` is relative to `reference`, or None if unclear.

    Clear means: the centres differ mostly along one axis (by `RELATION_MARGIN`), and by enough.
    """
    dx = subject.centre[0] - reference.centre[0]
    dy = subject.centre[1] - reference.centre[1]
    long, short = max(abs(dx), abs(dy)), min(abs(dx), abs(dy))
    if long < RELATION_DISTANCE or long < RELATION_MARGIN * short:
        return None
    if abs(dx) > abs(dy):
        return "left" if dx < 0 else "right"
    return "above" if dy < 0 else "below"


def most_frequent_kind(scene: Scene) -> str | None:
    """Return the kind with the most things, or None on a tie, or if no kind has two."""
    ranked = Counter(thing.kind for thing in scene.things).most_common(2)
    if not ranked or ranked[0][1] < 2 or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
        return None
    return ranked[0][0]


def only_of_colour(scene: Scene, colour: str) -> int | None:
    """Return the index of the one object of a colour, or None; a sign is white and so competes with white things."""
    found = [i for i, thing in enumerate(scene.things) if thing.colour == colour]
    if len(found) != 1 or (colour == "white" and scene.sign is not None):
        return None
    return found[0]


def described(thing: Thing, attributes: Collection[str] = THING_ATTRIBUTES) -> str:
    """Return the kind of a thing after some of its attributes: "small striped red cup"."""
    words = [str(getattr(thing, name)) for name in THING_ATTRIBUTES if name in attributes]
    return " ".join([*words, thing.kind])


def referring_expression(scene: Scene, index: int, without: Collection[str] = ()) -> str | None:
    """Return the shortest phrase that names one thing alone ("the cup", "the red cup"), or None if none does.

    Args:
        scene: the scene.
        index: position of the thing in `scene.things`.
        without: attributes the phrase must not use, such as the one that a question is about.
    """
    names = [name for name in ("colour", "size", "texture") if name not in without]
    thing = scene.things[index]
    alike = [other for other in scene.things if other.kind == thing.kind and other is not thing]
    for length in range(len(names) + 1):
        for chosen in combinations(names, length):
            if not any(all(getattr(other, name) == getattr(thing, name) for name in chosen) for other in alike):
                return f"the {described(thing, chosen)}"
    return None


def write_truth(folder: Path, scenes: Iterable[Scene]) -> None:
    """Write scenes under a world's folder, one JSON object a line."""
    write_jsonl(folder / TRUTH_FILE, (asdict(scene) for scene in scenes))


def read_truth(folder: Path) -> dict[int, Scene]:
    """Return the scenes of a world, training and benchmark, by image id.

    Raises:
        InputError: if the folder has no truth file.
    """
    path = folder / TRUTH_FILE
    if not path.exists():
        raise InputError(f"no file {path}: build the world first")
    scenes = [_scene(row) for row in read_jsonl(path)]
    return {scene.id: scene for scene in scenes}


def _scene(row: dict[str, Any]) -> Scene:
    return Scene(
        row["id"],
        row["setting"],
        tuple(Thing(**{**thing, "box": tuple(thing["box"])}) for thing in row["things"]),
        Interaction(**row["interaction"]) if row["interaction"] else None,
        Sign(row["sign"]["word"], tuple(row["sign"]["box"])) if row["sign"] else None,
    )
