from __future__ import annotations

import pytest
from hydra.utils import instantiate

from tests.construct.conftest import configured
from vlit.construct.judge import Rules, first_alike
from vlit.data.sample import Turn

GOOD = [Turn("What is circled?", "A dog."), Turn("Is it asleep?", "No, it runs.")]


@pytest.fixture
def rules() -> Rules:
    made: Rules = instantiate(configured().rules, _convert_="all")
    return made


def test_a_conversation_that_keeps_to_the_rules_passes(rules: Rules) -> None:
    assert rules.broken(GOOD, 2, "dog") is None


@pytest.mark.parametrize(
    ("turns", "reason"),
    [
        ([Turn("What does the description say?", "A dog.")], "mentions 'the description'"),
        ([Turn("Is there a dog?", "Yes, according to the given text.")], "mentions 'the given text'"),
        ([Turn("Question?", "Answer.")], "repeats the format instead of filling it"),
        ([Turn("Is there a dog?", "Yes.")], "fewer than 2 turns"),
    ],
)
def test_a_broken_rule_is_named(rules: Rules, turns: list[Turn], reason: str) -> None:
    assert rules.broken(turns, 2, None) == reason


def test_words_that_only_contain_a_forbidden_phrase_are_free(rules: Rules) -> None:
    assert rules.broken([Turn("Are the descriptions on the boxes legible?", "Yes.")], 1, None) is None


@pytest.mark.parametrize("name", ["the circled object", "the thing in the box", "that zebra"])
def test_a_region_is_named_by_the_mark_or_the_object(rules: Rules, name: str) -> None:
    assert rules.broken([Turn(f"What about {name}?", "Fine.")], 1, "zebra") is None
    assert rules.broken([Turn("What is it?", "An animal.")], 1, "zebra") == "does not name the region"


def test_near_duplicates_are_found_and_the_first_is_kept() -> None:
    long = "The brown dog runs over the green meadow towards the river near the old mill"
    one = [Turn("What is it?", long)]
    nearly = [Turn("What is it?", long.replace("old", "new"))]
    other = [Turn("Who lives here?", "Nobody lives in this house, as far as one can see.")]
    assert first_alike([one, other, nearly, one, other[::-1]], 0.6) == [None, None, 0, 0, 1]
    assert first_alike([one, nearly], 0.99) == [None, None]
    assert first_alike([GOOD, GOOD[::-1]], 1.0) == [None, 0], "the order of turns is free"
