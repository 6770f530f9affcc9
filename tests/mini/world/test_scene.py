"""What follows from a scene: known answers, and None wherever a person could doubt."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vlit.mini.world.scene import (
    Scene,
    Sign,
    Thing,
    gap,
    most_frequent_kind,
    only_of_colour,
    place_of,
    referring_expression,
    relation_between,
    thing_at,
)


def thing(x: float, y: float, kind: str = "cup", colour: str = "red", size: str = "small") -> Thing:
    return Thing(kind, colour, "plain", size, (int(x), int(y), 13, 13))


def scene(*things: Thing, sign: Sign | None = None) -> Scene:
    return Scene(1, "beach", things, None, sign)


def test_place_of_the_corners_and_the_middle() -> None:
    assert place_of(thing(8, 9)) == "upper left"
    assert place_of(thing(43, 9)) == "upper right"
    assert place_of(thing(26, 26)) == "center"
    assert place_of(thing(8, 42)) == "lower left"
    assert place_of(thing(43, 42)) == "lower right"
    assert place_of(thing(26, 2)) is None, "top middle has no name"


def test_a_spatial_relation_needs_a_clear_axis() -> None:
    here = thing(26, 26)
    assert relation_between(thing(2, 26), here) == "left"
    assert relation_between(thing(50, 28), here) == "right"
    assert relation_between(thing(26, 2), here) == "above"
    assert relation_between(thing(24, 50), here) == "below"
    assert relation_between(thing(8, 8), here) is None, "diagonal"
    assert relation_between(thing(27, 28), here) is None, "too near"


@given(*[st.integers(0, 51)] * 4)
def test_a_spatial_relation_has_an_opposite(x: int, y: int, u: int, v: int) -> None:
    opposite = {"left": "right", "right": "left", "above": "below", "below": "above", None: None}
    assert relation_between(thing(x, y), thing(u, v)) == opposite[relation_between(thing(u, v), thing(x, y))]


def test_thing_at_a_place_is_alone_there() -> None:
    alone = scene(thing(8, 9), thing(43, 42))
    assert thing_at(alone, "upper left") == 0
    assert thing_at(alone, "center") is None
    assert thing_at(scene(thing(8, 9), thing(8, 18)), "upper left") is None, "another thing is near"
    assert thing_at(scene(thing(14, 14), sign=Sign("CAFE", (1, 1, 29, 13))), "upper left") is None, "a sign is near"


def test_most_frequent_kind_is_none_on_a_tie_and_without_a_repeat() -> None:
    cups, cars = [thing(0, 0, "cup"), thing(20, 0, "cup")], [thing(0, 20, "car"), thing(20, 20, "car")]
    assert most_frequent_kind(scene(*cups, cars[0])) == "cup"
    assert most_frequent_kind(scene(*cups, *cars)) is None
    assert most_frequent_kind(scene(cups[0], cars[0])) is None


def test_a_referring_expression_is_the_shortest_that_fits_one_thing() -> None:
    assert referring_expression(scene(thing(0, 0), thing(20, 0, "car")), 0) == "the cup"
    two = scene(thing(0, 0), thing(20, 0, colour="blue"))
    assert referring_expression(two, 0) == "the red cup"
    assert referring_expression(two, 0, without=("colour",)) is None
    assert referring_expression(scene(thing(0, 0), thing(20, 0, size="large")), 1) == "the large cup"
    assert referring_expression(scene(thing(0, 0), thing(20, 0)), 0) is None


def test_a_white_sign_makes_the_white_object_unclear() -> None:
    white = thing(0, 0, colour="white")
    assert only_of_colour(scene(white), "white") == 0
    assert only_of_colour(scene(white, sign=Sign("BUS", (20, 20, 23, 13))), "white") is None
    assert only_of_colour(scene(white, white), "white") is None


def test_gap() -> None:
    assert gap((0, 0, 10, 10), (10, 0, 10, 10)) == 0
    assert gap((0, 0, 10, 10), (13, 4, 10, 10)) == 3
    assert gap((0, 0, 10, 10), (8, 8, 10, 10)) == -2
