from __future__ import annotations

from typing import Any

import pytest
from hydra.utils import instantiate

from tests.construct.conftest import configured
from vlit.construct.describe import Templates
from vlit.construct.sources.image import AnnotatedObject, ImageAnnotations, Word

# The worked example of the paper, section A.2.2, from its annotations. Boxes are not printed there.
COUNTS = [
    (2, "kitchen", "bottle"),
    (1, "furniture", "dining table"),
    (2, "person", "person"),
    (5, "kitchen", "cup"),
    (3, "kitchen", "fork"),
    (4, "kitchen", "knife"),
    (2, "kitchen", "spoon"),
    (1, "food", "banana"),
    (2, "food", "orange"),
    (2, "food", "apple"),
    (2, "furniture", "chair"),
]
WORKED = ImageAnnotations(
    image_id=1,
    file_name="COCO_train2014_000000000001.jpg",
    width=640,
    height=480,
    captions=(
        "Two women preparing food in a kitchen, one at the sink and one at the table.",
        "A set table with silverware, glasses and a bottle of wine.",
        "A woman having a slice of bread with jelly.",
        "A woman sitting at a table with win and bread.",
        "A women who is tearing off a piece of bread",
    ),
    objects=tuple(
        AnnotatedObject(number, kind, supercategory, (0, 0, 9, 9))
        for number, (kind, supercategory) in enumerate((k, s) for count, s, k in COUNTS for _ in range(count))
    ),
    words=(Word(1, "BARDOLING", (0, 0, 9, 9)),),
    qa=(
        ("IS there flowers on the table?", "no"),
        ("How many bottles are on the table?", "2"),
        ("Is he woman making sandwiches?", "yes or no"),
        ("How many glasses on the table are ready to receive a liquid immediately?", "4"),
        ("What type of patterns are featured?", "stripes"),
    ),
)
PRINTED = (
    "This is a picture which can be described as Two women preparing food in a kitchen, one at the sink and one at the "
    "table. A set table with silverware, glasses and a bottle of wine. A woman having a slice of bread with jelly. A "
    "woman sitting at a table with win and bread. A women who is tearing off a piece of bread. The image contains 2 "
    "kitchen_bottle, 1 furniture_dining table, 2 person_person, 5 kitchen_cup, 3 kitchen_fork, 4 kitchen_knife, 2 "
    "kitchen_spoon, 1 food_banana, 2 food_orange, 2 food_apple, 2 furniture_chair. The image also contains a number of "
    "question and answer pairs: 'Q: IS there flowers on the table? A: no.', 'Q: How many bottles are on the table? A: "
    "2.', 'Q: Is he woman making sandwiches? A: yes or no.', 'Q: How many glasses on the table are ready to receive a "
    "liquid immediately? A: 4.', 'Q: What type of patterns are featured? A: stripes.' The following characters can be "
    "recognized in the image: BARDOLING."
)


@pytest.fixture
def templates() -> Templates:
    made: Templates = instantiate(configured().templates)
    return made


def test_the_worked_example_comes_out_as_printed(templates: Templates) -> None:
    assert templates.describe(WORKED) == PRINTED


def test_the_worked_example_is_in_the_pool(templates: Templates) -> None:
    assert next(iter(configured().examples.values())).description == PRINTED


@pytest.mark.parametrize(
    ("sources", "opening"),
    [
        (("caption",), "This is a picture which can be described as Two women"),
        (("object",), "The image contains 2 kitchen_bottle"),
        (("vqa",), "The image also contains a number of question and answer pairs: 'Q:"),
        (("ocr",), "The following characters can be recognized in the image: BARDOLING."),
        ((), ""),
    ],
)
def test_a_source_without_annotations_is_left_out(templates: Templates, sources: Any, opening: str) -> None:
    described = templates.describe(WORKED.restricted(sources))
    assert described.startswith(opening) and described in PRINTED


def test_attributes_and_the_marked_object_are_described(templates: Templates) -> None:
    dog = AnnotatedObject(1, "dog", "animal", (10, 20, 30, 40), ("brown", "furry"))
    image = ImageAnnotations(1, "a.jpg", 100, 200, objects=(dog, AnnotatedObject(2, "dog", "animal", (0, 0, 5, 5))))
    assert templates.describe(image, dog) == (
        "The image contains 2 animal_dog. The objects have the following attributes: the dog is brown and furry. The "
        "object circled by the square box is a animal_dog; the box spans [10, 20, 40, 60] (left, top, right, bottom) "
        "of 100 x 200 pixels."
    )
    assert "circles the written word EXIT" in templates.describe(image, Word(5, "EXIT", (1, 2, 3, 4)))
