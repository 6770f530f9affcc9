"""Facts follow from annotations alone, and the questions about them have right and plausible wrong answers."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from vlit.construct.sources.image import AnnotatedObject, ImageAnnotations
from vlit.construct.sources.read import read_annotations
from vlit.mini.datasets import abilities
from vlit.mini.datasets.image_facts import ImageFacts


@pytest.fixture
def facts(world: Path) -> list[ImageFacts]:
    return [ImageFacts(image) for image in read_annotations(world / "coco")]


def test_facts_of_a_known_image(facts: list[ImageFacts]) -> None:
    cup, car = facts[0].annotations.objects
    assert facts[0].counts == {"cup": 1, "car": 1}
    assert facts[0].setting == "beach"
    assert facts[0].word == "CAFE"
    assert (facts[0].place(cup), facts[0].place(car)) == ("upper left", "upper right")
    assert (facts[0].relation(cup, car), facts[0].relation(car, cup)) == ("left", "right")
    assert [facts[0].value(cup, name) for name in ("colour", "texture", "size")] == ["red", "striped", "small"]
    assert facts[0].most_frequent is None


def test_settings_and_interactions_come_from_captions_and_answers(facts: list[ImageFacts]) -> None:
    assert [image.setting for image in facts] == ["beach", "forest", "night", "kitchen"]
    known = facts[1].interaction
    assert known is not None and (known.subject, known.name, known.object) == ("cup", "inside", "box")
    assert facts[2].interaction is None
    assert facts[1].most_frequent == "apple"


def test_what_is_not_annotated_is_unknown(facts: list[ImageFacts]) -> None:
    cat = facts[2].annotations.objects[0]
    assert facts[2].value(cat, "colour") is None
    assert facts[2].word is None
    for writer in (*abilities.ABILITY_WRITERS["attribute"], abilities.text, abilities.interaction, abilities.left):
        assert writer(facts[2], Random(0), True) is None


def test_a_thing_among_others_of_its_kind_is_named_by_an_attribute(facts: list[ImageFacts]) -> None:
    names = {thing.id: name for thing, name in facts[1].named()}
    assert names == {23: "the green apple", 24: "the box", 25: "the cup"}
    assert 23 not in {thing.id for thing, _ in facts[1].named({"colour"})}


def test_an_object_without_attributes_is_not_named_by_their_absence() -> None:
    objects = (
        AnnotatedObject(1, "cup", "kitchen", (0, 0, 9, 9), ("red",)),
        AnnotatedObject(2, "cup", "kitchen", (30, 30, 9, 9)),
    )
    facts = ImageFacts(ImageAnnotations(1, "a.jpg", 64, 64, objects=objects))
    assert [name for _, name in facts.named()] == ["the red cup"]


@pytest.mark.parametrize("scale", [1, 4, 10])
def test_places_do_not_depend_on_the_images_size(scale: int) -> None:
    thing = AnnotatedObject(1, "cup", "kitchen", (8 * scale, 42 * scale, 13 * scale, 13 * scale))
    facts = ImageFacts(ImageAnnotations(1, "a.jpg", 64 * scale, 64 * scale, objects=(thing,)))
    assert facts.place(thing) == "lower left"


# writer -> (image, an instruction it writes sometimes, its right short responses)
ANSWERS: dict[str, tuple[int, str | None, set[str]]] = {
    "setting": (0, "Which backdrop do you see?", {"A beach", "On a beach"}),
    "colour": (0, None, {"Red", "Blue"}),
    "counting": (1, "How many apples do you find?", {"One", "Three"}),
    "text": (0, "Can you read the sign?", {"CAFE"}),
    "left": (1, None, {"Two", "Four"}),  # five things, three red, one green, one blue
    "most_frequent": (1, "Of which kind of object are there the most?", {"Apples"}),
    "useful": (0, "What would you pack for this place?", {"A swimsuit"}),
    "interaction": (1, None, {"The cup is inside the box"}),
    "spatial_relation": (0, None, {"To the left of the car", "To the right of the cup"}),
    "location": (0, None, {"In the upper left", "In the upper right"}),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_short_responses_are_right(facts: list[ImageFacts], name: str) -> None:
    image, instruction, responses = ANSWERS[name]
    writer = abilities.attribute("colour") if name == "colour" else getattr(abilities, name)
    written = [writer(facts[image], Random(seed), True) for seed in range(60)]
    assert instruction is None or instruction in {exchange.instruction for exchange in written}
    assert {exchange.response for exchange in written} <= responses
    assert not any(exchange.response.endswith(".") for exchange in written)


def test_removing_a_colour_counts_what_remains(facts: list[ImageFacts]) -> None:
    remaining = {"red": "Two", "green": "Four", "blue": "Four"}
    for seed in range(40):
        exchange = abilities.left(facts[1], Random(seed), True)
        assert exchange is not None
        (colour,) = [colour for colour in remaining if colour in exchange.instruction]
        assert exchange.response == remaining[colour]


@pytest.mark.parametrize("short", [True, False])
def test_alternatives_differ_from_the_response_and_each_other(facts: list[ImageFacts], short: bool) -> None:
    for image in facts:
        for writer in (writer for writers in abilities.ABILITY_WRITERS.values() for writer in writers):
            for seed in range(10):
                exchange = writer(image, Random(seed), short)
                if exchange is not None:
                    responses = [exchange.response, *exchange.alternatives]
                    assert len(set(responses)) == len(responses)
                    assert bool(exchange.error) == bool(exchange.alternatives)
                    assert exchange.response.endswith(".") != short
                    assert "{" not in exchange.instruction + "".join(responses)
