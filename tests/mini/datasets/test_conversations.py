"""Errors are planted at the wanted rate, every one is recorded, and everything else stays."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from vlit.mini.datasets.conversations import Conversation, plant_errors
from vlit.mini.datasets.phrases import Exchange

CLEAN = Exchange("setting", "What is the setting of this image?", "Beach")
RED = Exchange("attribute", "What color is the cup?", "Red", "attribute", ("Blue", "Green"))
TWO = Exchange("counting", "How many cars are there?", "Two", "count", ("One", "Three"))


def conversations(count: int) -> list[Conversation]:
    return [Conversation(number, f"{number}.jpg", "global", (CLEAN, RED, TWO)) for number in range(count)]


@settings(max_examples=30, deadline=None)
@given(rate=st.sampled_from([0.0, 0.05, 0.25, 1.0]), seed=st.integers(0, 2**32))
def test_the_rate_is_met_and_every_error_is_recorded(rate: float, seed: int) -> None:
    right = conversations(800)
    ids = [f"s/{number}" for number in range(800)]
    spoiled, planted = plant_errors(right, ids, rate, Random(seed))
    spread = 5 * (800 * rate * (1 - rate)) ** 0.5
    assert abs(len({error.id for error in planted}) - 800 * rate) <= spread
    changed = {
        (ids[number], turn): (before.response, after.response)
        for number, (was, now) in enumerate(zip(right, spoiled, strict=True))
        for turn, (before, after) in enumerate(zip(was.exchanges, now.exchanges, strict=True))
        if before.response != after.response
    }
    assert changed == {(error.id, error.turn): (error.right, error.wrong) for error in planted}
    assert all(wrong in (RED if turn == 1 else TWO).alternatives for (_, turn), (_, wrong) in changed.items())
    assert {error.kind for error in planted} <= {"attribute", "count"}


def test_questions_and_other_turns_stay() -> None:
    right = conversations(50)
    spoiled, _ = plant_errors(right, [str(number) for number in range(50)], 1.0, Random(0))
    for was, now in zip(right, spoiled, strict=True):
        assert [exchange.instruction for exchange in was.exchanges] == [
            exchange.instruction for exchange in now.exchanges
        ]
        assert now.exchanges[0] == CLEAN


def test_samples_that_can_be_wrong_make_up_for_those_that_can_not() -> None:
    right = [*conversations(500), *(Conversation(number, "n.jpg", "global", (CLEAN,)) for number in range(500))]
    _, planted = plant_errors(right, [str(number) for number in range(1000)], 0.2, Random(0))
    assert abs(len({error.id for error in planted}) - 200) <= 5 * (500 * 0.4 * 0.6) ** 0.5


def test_a_sample_that_can_not_be_wrong_stays_right() -> None:
    right = [Conversation(1, "1.jpg", "global", (CLEAN,))]
    assert plant_errors(right, ["a"], 1.0, Random(0)) == (right, [])
