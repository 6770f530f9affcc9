"""What is true of a scene: places, relations, counts, references. Pure functions; None where it is not clear-cut."""

from __future__ import annotations

from collections import Counter

from vlit.world.scene import CANVAS, Scene, Thing
from vlit.world.vocabulary import PLACES

PLACE_REACH = 0.15  # of the canvas: a thing further from a place's centre is not "in" it
CLEAR_DISTANCE = 8  # pixels between centres, along an axis, for a relation to be clear
DOMINANCE = 1.6  # and that many times the distance along the other axis


def place(thing: Thing) -> str | None:
    """The place a thing is in, if its centre is near that place's."""
    x, y = (value / CANVAS for value in thing.centre)
    for name, (px, py) in PLACES.items():
        if max(abs(x - px), abs(y - py)) <= PLACE_REACH:
            return name
    return None


def relation(subject: Thing, reference: Thing) -> str | None:
    """Where `subject` is, seen from `reference`: left, right, above or below; None when two would do."""
    dx = subject.centre[0] - reference.centre[0]
    dy = subject.centre[1] - reference.centre[1]
    if abs(dx) >= max(CLEAR_DISTANCE, DOMINANCE * abs(dy)):
        return "left" if dx < 0 else "right"
    if abs(dy) >= max(CLEAR_DISTANCE, DOMINANCE * abs(dx)):
        return "above" if dy < 0 else "below"
    return None


def counts(scene: Scene) -> Counter[str]:
    """Number of things of each kind."""
    return Counter(thing.kind for thing in scene.things)


def most_frequent(scene: Scene) -> str | None:
    """The kind that appears most often, if there is one, at least twice."""
    ranked = counts(scene).most_common(2)
    if not ranked or ranked[0][1] < 2 or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
        return None
    return ranked[0][0]


def singles(scene: Scene) -> list[Thing]:
    """Things that are the only one of their kind: "the cup" is one of them and no other."""
    number = counts(scene)
    return [thing for thing in scene.things if number[thing.kind] == 1]


def unique_by_colour(scene: Scene) -> list[Thing]:
    """Things that are the only one of their colour."""
    number = Counter(thing.colour for thing in scene.things)
    return [thing for thing in scene.things if number[thing.colour] == 1]


def left_without(scene: Scene, colour: str) -> int:
    """How many things would be left if all of a colour were taken away."""
    return sum(thing.colour != colour for thing in scene.things)
