"""Tags, balance, instruction and response diversity: cases computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vlit.common.errors import InputError
from vlit.data.sample import Sample, Turn
from vlit.quality.focus import FocusLabeller
from vlit.quality.indicators.balance import balance, balanced_ids
from vlit.quality.indicators.forms import Forms, effective_number
from vlit.quality.indicators.instruction_complexity import I_CX_RULE, RuleComplexity, rule_score
from vlit.quality.indicators.instruction_diversity import InstructionDiversity, content_words
from vlit.quality.indicators.registry import BY_KEY
from vlit.quality.indicators.response_diversity import ResponseDiversity
from vlit.quality.indicators.task_diversity import FocusTask, tasks_in_use
from vlit.quality.instruments import TagSystem
from vlit.quality.tags import FocusTags, TagSettings, focus_system, tag_system
from vlit.quality.wording import form, questions


class Angles:
    """Embeds a text by an angle in degrees."""

    key = "angles"

    def __init__(self, **angles: float) -> None:
        self.angles = angles

    def __call__(self, texts):
        found = [math.radians(self.angles[text.split(".")[0].split()[-1]]) for text in texts]
        return np.array([[math.cos(angle), math.sin(angle)] for angle in found], np.float32)


def test_a_tag_system_by_hand() -> None:
    # Of 10 samples: count 5, number 4 (20 degrees from count: cosine 0.94), color 3, hue 2 (25 from color: 0.91),
    # rare 1. Coverage 0.15 leaves rare out; redundancy 0.92 merges number into count and keeps hue.
    proposed = [["Count", "number."]] * 4 + [["count", "count"]] + [["color", "hue"]] * 2 + [["color"], ["rare"], []]
    encode = Angles(count=0, number=20, color=90, hue=115, rare=200)
    system = tag_system(proposed, encode, TagSettings(coverage=0.15, redundancy=0.92))
    assert system.tags == ("count", "color", "hue")
    assert system.merged == {"number": "count"}
    assert system.coverage == {"count": 0.5, "color": 0.3, "hue": 0.2}
    assert tag_system(proposed, encode, TagSettings(0.15, 0.90)).tags == ("count", "color")
    assert tag_system(proposed, encode, TagSettings(0.15, 0.92, most=1)).tags == ("count",)
    with pytest.raises(InputError, match="no tag covers"):
        tag_system(proposed, encode, TagSettings(coverage=0.9))


class Words:
    """Labels a text by the word in it that is one of these."""

    key = "words"

    def __init__(self, *words: str) -> None:
        self.words = words

    def __call__(self, texts):
        return [next((word for word in self.words if word in text.lower()), "?") for text in texts]


def test_a_samples_task_is_its_most_frequent_and_the_first_on_a_tie() -> None:
    system = TagSystem(("count", "color"), {"count": 0.5, "color": 0.5}, {"hue": "color"})
    samples = [
        Sample("a", (), (Turn("What hue?", "x"), Turn("Count them.", "x"), Turn("Color?", "x"))),
        Sample("b", (), (Turn("Count?", "x"), Turn("Hue? Count?", "x"), Turn("Color?", "x", supervised=False))),
    ]
    measure = FocusTask(Words("hue", "count", "color"), system)
    assert measure.rows(samples) == [
        {"task": "color", "tasks": ["color", "count", "color"]},
        {"task": "count", "tasks": ["count", "color"]},
    ]
    assert measure.of_questions(samples)[1] == [["count"], ["color", "count"]]
    assert tasks_in_use(["a"] * 98 + ["b"] * 2, 0.05) == {"a": 98}


def test_foci_that_are_asked_and_answered_alike_are_one_tag() -> None:
    def turns(question: str, answer: str, number: int) -> list[Sample]:
        return [Sample(f"{question}{one}", (), (Turn(question, answer),)) for one in range(number)]

    samples = [
        *turns("hue?", "red", 6),
        *turns("color?", "blue", 8),
        *turns("count?", "two", 9),
        *turns("odd?", "x", 4),
    ]
    foci = FocusTags(Words("hue", "color", "count", "odd")).rows(samples)
    encode = Angles(red=0, blue=25, two=90, x=0)  # cosine 0.91 and less
    system = focus_system([row["tags"] for row in foci], samples, encode, TagSettings(likeness=0.9))
    assert system.tags == ("color", "count") and system.merged == {"hue": "color"}
    assert system.coverage == {"color": 14 / 27, "count": 9 / 27}  # "odd" has fewer than five
    assert focus_system([row["tags"] for row in foci], samples, encode, TagSettings(likeness=0.92)).merged == {}
    with pytest.raises(InputError, match="no tag covers"):
        focus_system([row["tags"] for row in foci], samples, encode, TagSettings(coverage=0.6))
    with pytest.raises(InputError, match="too few"):
        focus_system([["odd"]] * 4, samples[-4:], encode, TagSettings())


def test_balance_is_the_variance_of_shares_in_percent() -> None:
    assert balance(["a", "b"] * 5) == 0
    assert balance(["a"] * 6 + ["b"] * 4) == pytest.approx(100)  # 60 and 40: each 10 from 50
    assert balance((["a"] * 6 + ["b"] * 4) * 7) == pytest.approx(100)  # whatever the size


def test_balanced_sampling_is_even_as_far_as_tasks_reach() -> None:
    tasks = {f"{task}{number}": task for task, size in (("a", 50), ("b", 3), ("c", 20)) for number in range(size)}
    drawn = balanced_ids(tasks, 23, seed=0)
    counts = {task: sum(tasks[one] == task for one in drawn) for task in "abc"}
    assert counts == {"a": 10, "b": 3, "c": 10}
    assert drawn == balanced_ids(dict(tasks), 23, seed=0) != balanced_ids(tasks, 23, seed=1)
    assert len(balanced_ids(tasks, 73, seed=0)) == 73
    with pytest.raises(InputError):
        balanced_ids(tasks, 74, seed=0)


def test_instruction_diversity_by_hand() -> None:
    assert content_words("What is the color of the fire-hydrant's cap?") == ["color", "fire", "hydrant's", "cap"]
    assert content_words("What’s a DOG that isn't, can't or won't be 2 x 40 cm?") == ["dog", "won't", "40", "cm"]
    instructions = [("a", "Is the cup red?"), ("a", "Is the dog brown?"), ("a", "Is the red cup big?"), ("b", "Is it?")]
    value, clusters = InstructionDiversity().of(instructions)
    assert clusters == {"a": 2, "b": 0}  # cup-red-big, dog-brown
    assert value == 1.0
    assert InstructionDiversity(support=2).of(instructions)[1] == {"a": 1, "b": 0}  # only cup-red twice


def test_response_diversity_is_the_log_of_the_mean_number_of_clusters_of_a_task_without_noise() -> None:
    points = np.repeat(np.eye(4), [6, 6, 6, 1], axis=0)
    settings = ResponseDiversity(eps=0.1, min_samples=5)
    assert settings.clusters(points)[-1] == -1
    assert settings.of({"a": points}) == (pytest.approx(math.log(3)), {"a": 3})
    assert settings.of({"a": points, "b": points[:6]}) == (pytest.approx(math.log(2)), {"a": 3, "b": 1})
    assert ResponseDiversity(eps=0.1, min_samples=50).of({"a": points})[0] == 0
    assert ResponseDiversity(eps=0.1, per_task=4).of({"a": points}) == (0.0, {"a": 1})


def test_a_form_is_a_text_without_its_content_words() -> None:
    assert form("What color is the cup?") == form("What size is the small dog?") == "what _ is the _ ?"
    assert form("How many cups are there?") == "how many _ are there ?"
    assert form("Two red cups.") == form("Red") == "_"
    assert questions("Look closely. What color is it? How many are there?") == [
        "Look closely. What color is it?",
        "How many are there?",
    ]
    assert questions("Describe the image. Be brief.") == ["Describe the image. Be brief."]


def test_forms_are_counted_by_task_as_an_effective_number() -> None:
    assert effective_number(["a"] * 5) == 1
    assert effective_number(["a", "b", "c"] * 4) == pytest.approx(3)
    assert 1 < effective_number(["a"] * 9 + ["b"]) < 2
    system = TagSystem(("color", "many"), {"color": 0.5, "many": 0.5}, {})
    turns = (
        Turn("What color is it?", "Red."),
        Turn("How many are there? Which color is it?", "Two. It is red."),
        Turn("How many?", "There are two. They are small."),
    )
    (row,) = Forms(FocusTask(Words("color", "many"), system)).rows([Sample("a", (), turns)])
    assert list(zip(row["tasks"], row["forms"], strict=True)) == [
        ("color", "what _ is it ?"),
        ("many", "how many are there ?"),
        ("color", "which _ is it ?"),
        ("many", "how many ?"),
    ]
    assert list(zip(row["answer_tasks"], row["answer_forms"], strict=True)) == [
        ("color", "_"),
        ("many", "_"),
        ("color", "it is _"),
        ("many", "there are _"),
        ("many", "they are _"),
    ]


@pytest.mark.parametrize(
    ("text", "focus"),
    [
        ("What color is the cup?", "color"),
        ("What is the color of the cup?", "color"),
        ("What kind of place is this?", "place"),
        ("How many cups are there?", "number"),
        ("What is the number of cups?", "number"),
        ("Where is the cup?", "where"),
        ("Why is the man smiling?", "why"),
        ("How big is the cup?", "big"),
        ("Is there a dog?", "whether"),
        ("The cup is red, isn't it?", "whether"),
        ("I think there is a cup. Do you agree?", "whether"),
        ("Look closely. Where is the cup?", "where"),
        ("Describe the image in detail.", "describe"),
        ("What would be most useful here?", "useful"),
        ("?", "whether"),
    ],
)
def test_the_focus_of_a_question(text: str, focus: str) -> None:
    assert FocusLabeller()([text]) == [focus]


def test_the_stand_in_of_complexity_has_its_own_name_and_ranks_reasoning_above_naming() -> None:
    assert BY_KEY["I_cx_rule"] is I_CX_RULE and I_CX_RULE.stand_in_for == "I_cx"
    assert RuleComplexity.name == I_CX_RULE.key
    naming = rule_score(Turn("What is it?", "A cup."))
    reasoning = rule_score(Turn("Why might the man, who holds an umbrella, look up at the sky?", "It may rain."))
    assert 1 <= naming < 2 < reasoning <= 10
