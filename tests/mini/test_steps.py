"""The steps that questions of the generated world take: known cases, and every wording of every question."""

from __future__ import annotations

import pytest

from vlit.data.sample import Sample, Turn
from vlit.mini.steps import Steps, steps
from vlit.mini.world.questions import WORDINGS

SLOTS = {"at": ("upper left",), "coloured": ("red",), "left": ("red",), "count": ("cups",)}


@pytest.mark.parametrize(
    ("question", "response", "number"),
    [
        ("What does the sign say?", "STOP", 2),
        ("What color is the red cup?", "Red", 2),
        ("Where is the cup relative to the car?", "Left of the car", 3),
        ("Look closely. How many cups are there?", "Two", 3),
        ("What color is the cup? How many cups are there?", "Red. Two.", 5),
        ("The cup is red, isn't it?", "Yes, the cup is red", 2),
        ("Is there a dog in the image?", "No.", 2),
        ("Describe the image in detail.", "A cup. A car! It is dark.", 3),
    ],
)
def test_known_questions(question: str, response: str, number: int) -> None:
    assert steps(Turn(question, response)) == number


def test_every_wording_of_a_question_takes_the_same_steps() -> None:
    for kind, forms in WORDINGS.items():
        asked = [form.format(*SLOTS.get(kind, ("the cup", "the car"))) for form in forms]
        assert len({steps(Turn(text[0].upper() + text[1:], "A. B. C. D. E. F. G.")) for text in asked}) == 1, asked


def test_a_sample_has_the_mean_of_its_turns() -> None:
    turns = (Turn("What does the sign say?", "STOP"), Turn("How many cups are there?", "Two"))
    assert Steps().rows([Sample("a", (), turns)]) == [{"steps": 2.5, "responses": [2.0, 3.0]}]
