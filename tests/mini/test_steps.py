"""The steps that questions of the generated world take: known cases, and every wording of every question."""

from __future__ import annotations

import pytest

from vlit.data.sample import Sample, Turn
from vlit.mini.steps import Steps, steps
from vlit.mini.world.wordings import TAUGHT

SLOTS = {"at": ("upper left",), "coloured": ("red",), "left": ("red",), "count": ("cups",)}


@pytest.mark.parametrize(
    ("question", "response", "number"),
    [
        ("Can you read the sign?", "STOP", 2),
        ("In what color is the red cup shown?", "Red", 2),
        ("On which side of the car is the cup?", "Left of the car", 3),
        ("Look closely. How many cups do you find?", "Two", 3),
        ("In what color is the cup shown? How many cups do you find?", "Red. Two.", 5),
        ("The cup is red, isn't it?", "Yes, the cup is red", 2),
        ("Is there a dog in the image?", "No.", 2),
        ("Describe the image in detail.", "A cup. A car! It is dark.", 3),
    ],
)
def test_known_questions(question: str, response: str, number: int) -> None:
    assert steps(Turn(question, response)) == number


def test_every_wording_of_a_question_takes_the_same_steps() -> None:
    for kind, forms in TAUGHT.items():
        asked = [form.format(*SLOTS.get(kind, ("the cup", "the car"))) for form in forms]
        assert len({steps(Turn(text[0].upper() + text[1:], "A. B. C. D. E. F. G.")) for text in asked}) == 1, asked


def test_a_sample_has_the_mean_of_its_turns() -> None:
    turns = (Turn("Can you read the sign?", "STOP"), Turn("How many cups do you find?", "Two"))
    assert Steps().rows([Sample("a", (), turns)]) == [{"steps": 2.5, "responses": [2.0, 3.0]}]
