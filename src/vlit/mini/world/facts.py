"""What is true of a scene beyond what it lists: places, relations, unique names; `None` where it is unclear."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection
from itertools import combinations

from vlit.mini.world.scene import CANVAS, Scene, Thing
from vlit.mini.world.vocabulary import PLACES

PLACE_RADIUS = 9.0  # pixels; less than half the distance between two places, so a thing has one place at most
PLACE_GUARD = 15.0  # pixels; another centre this near to a place makes "the thing in the place" unclear
RELATION_DISTANCE = 8.0  # pixels between two centres, at least, along the relation's axis
RELATION_MARGIN = 1.6  # how much longer that axis must be than the other one
ATTRIBUTES = ("size", "texture", "colour")  # in the order in which English puts them before a noun


def place_centre(place: str) -> tuple[float, float]:
    """Return the centre of a named place in pixels."""
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
    if scene.sign is not None and box_distance(scene.sign.box, centre) < PLACE_RADIUS:
        return None
    return near[0]


def box_distance(box: tuple[int, int, int, int], point: tuple[float, float]) -> float:
    """Return the distance in pixels from a point to a box, 0 inside it."""
    x, y, width, height = box
    across = max(x - point[0], 0, point[0] - (x + width))
    down = max(y - point[1], 0, point[1] - (y + height))
    return math.hypot(across, down)


def gap(first: tuple[int, int, int, int], second: tuple[int, int, int, int]) -> int:
    """Return the empty pixels between two boxes along the axis that separates them best; negative if they overlap."""
    across = max(first[0] - second[0] - second[2], second[0] - first[0] - first[2])
    down = max(first[1] - second[1] - second[3], second[1] - first[1] - first[3])
    return max(across, down)


def relation(subject: Thing, reference: Thing) -> str | None:
    """Return the key of `RELATIONS` that says where `subject` is relative to `reference`, or None if unclear.

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


def described(thing: Thing, attributes: Collection[str]) -> str:
    """Return the kind of a thing after some of its attributes: "small striped red cup"."""
    words = [str(getattr(thing, name)) for name in ATTRIBUTES if name in attributes]
    return " ".join([*words, thing.kind])


def reference(scene: Scene, index: int, without: Collection[str] = ()) -> str | None:
    """Return the shortest phrase that names one thing alone ("the cup", "the red cup"), or None if none does.

    `without` lists attributes the phrase must not use, such as the one that is asked for.
    """
    names = [name for name in ("colour", "size", "texture") if name not in without]
    thing = scene.things[index]
    alike = [other for other in scene.things if other.kind == thing.kind and other is not thing]
    for length in range(len(names) + 1):
        for chosen in combinations(names, length):
            if not any(all(getattr(other, name) == getattr(thing, name) for name in chosen) for other in alike):
                return f"the {described(thing, chosen)}"
    return None


def only_of_colour(scene: Scene, colour: str) -> int | None:
    """Return the index of the one object of a colour, or None; a sign is white and so competes with white things."""
    found = [i for i, thing in enumerate(scene.things) if thing.colour == colour]
    if len(found) != 1 or (colour == "white" and scene.sign is not None):
        return None
    return found[0]
