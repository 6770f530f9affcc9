"""Tags, balance, instruction and response diversity: cases computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vlit.common.errors import InputError
from vlit.data.sample import Sample, Turn
from vlit.quality.indicators.balance import balance, balanced_ids
from vlit.quality.indicators.instruction_complexity import I_CX_RULE, RuleComplexity, rule_score
from vlit.quality.indicators.instruction_diversity import InstructionDiversity, content_words
from vlit.quality.indicators.registry import BY_KEY
from vlit.quality.indicators.response_diversity import ResponseDiversity
from vlit.quality.indicators.task_diversity import NearestTask, tasks_in_use
from vlit.quality.tags import TagSettings, tag_system


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


def test_a_samples_task_is_its_most_frequent_and_the_first_on_a_tie() -> None:
    encode = Angles(count=0, color=90, one=10, two=80, three=85)
    system = tag_system([["count"], ["color"]], encode, TagSettings(0.1, 0.9))
    samples = [
        Sample("a", (), (Turn("two", "x"), Turn("one", "x"), Turn("three", "x"))),
        Sample("b", (), (Turn("one", "x"), Turn("two", "x"), Turn("two", "x", supervised=False))),
    ]
    rows = NearestTask(encode, system).rows(samples)
    assert rows[0] == {"task": "color", "tasks": ["color", "count", "color"]}
    assert rows[1] == {"task": "count", "tasks": ["count", "color"]}
    assert tasks_in_use(["a"] * 98 + ["b"] * 2, 0.05) == {"a": 98}


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


def test_response_diversity_is_the_natural_log_of_clusters_without_noise() -> None:
    points = np.repeat(np.eye(4), [6, 6, 6, 1], axis=0)
    value, labels = ResponseDiversity(eps=0.1, min_samples=5).of(points)
    assert value == pytest.approx(math.log(3))
    assert labels[-1] == -1
    assert ResponseDiversity(eps=0.1, min_samples=50).of(points)[0] == 0


def test_the_stand_in_of_complexity_has_its_own_name_and_ranks_reasoning_above_naming() -> None:
    assert BY_KEY["I_cx_rule"] is I_CX_RULE and I_CX_RULE.stand_in_for == "I_cx"
    assert RuleComplexity.name == I_CX_RULE.key
    naming = rule_score(Turn("What is it?", "A cup."))
    reasoning = rule_score(Turn("Why might the man, who holds an umbrella, look up at the sky?", "It may rain."))
    assert 1 <= naming < 2 < reasoning <= 10
