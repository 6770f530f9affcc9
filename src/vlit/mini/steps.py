"""Instruction complexity in the generated world, where it is known: how many steps a question takes to answer.

A step finds a thing, reads a property or a word, compares two places, counts one thing, or recalls a fact. The paper
has LLaMA-2 score complexity (I_cx); where there is no language model, this stands in for it under its own name. What
is no question of the world, such as a description, takes a step for each sentence of its response.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import pyarrow as pa

from vlit.data.sample import Sample, Turn
from vlit.mini.datasets import phrases
from vlit.mini.datasets.phrases import Phrasing
from vlit.quality.indicators.registry import Indicator, mean_of, register
from vlit.quality.statistics import MeasureFault
from vlit.quality.wording import questions

# question -> steps: what has to be found, read, compared, counted and recalled
_STEPS: tuple[tuple[Phrasing, int], ...] = (
    (phrases.SETTING, 1),
    (phrases.TAKEN, 1),
    (phrases.OBJECT_AT, 2),  # find by place, read the kind
    (phrases.OF_COLOUR, 2),
    (phrases.LISTING, 4),  # the mean number of things of a scene
    (phrases.COLOUR, 2),
    (phrases.TEXTURE, 2),
    (phrases.SIZE, 2),
    (phrases.LOOK, 3),
    (phrases.LOCATION, 2),
    (phrases.COUNTING, 3),
    (phrases.INTERACTION, 3),  # two things, what is between them
    (phrases.RELATION, 3),
    (phrases.LEFT, 5),  # all things, those of the color, the difference
    (phrases.MOST_FREQUENT, 5),
    (phrases.USEFUL, 2),  # the setting, what is known of it
    (phrases.KNOWN_FOR, 2),
    (phrases.TEXT, 2),
)
_CLAIM = 2  # find, compare
_CLAIMED = re.compile(
    r"^(?:is|are|was|does|do you see|can you see|the sign says|i think|i count|this was taken)\b|\w+n't \w+\?$|right\?$"
)
_SENTENCES = re.compile(r"(?<=[.!?])\s+")


@cache
def _patterns() -> list[tuple[re.Pattern[str], int]]:
    forms = [(form, steps) for phrasing, steps in _STEPS for form in phrasing.instructions]
    # "Where is {0}?" fits "Where is the cup relative to the car?" too: the longest wording that fits is meant.
    forms.sort(key=lambda each: len(each[0]), reverse=True)
    return [
        (re.compile(".*?" + re.sub(r"\\\{\d\\\}", "(.+)", re.escape(form)) + "$", re.IGNORECASE), steps)
        for form, steps in forms
    ]


def steps(turn: Turn) -> int:
    """Return the steps that a turn's questions take together."""
    return sum(_of_question(text, turn.response) for text in questions(turn.instruction))


def _of_question(text: str, response: str) -> int:
    found = next((number for pattern, number in _patterns() if pattern.match(text)), None)
    if found is not None:
        return found
    if _CLAIMED.search(text.lower()):
        return _CLAIM
    return len(_SENTENCES.split(response.strip()))


class Steps:
    """The statistic of `I_cx_steps`."""

    name = "I_cx_steps"
    schema = pa.schema([("steps", pa.float32()), ("responses", pa.list_(pa.float32()))])
    key = "steps|1"

    def rows(self, samples: Sequence[Sample]) -> list[dict[str, Any] | MeasureFault]:
        """Return the steps of each of a sample's turns, and their mean."""
        found = [[float(steps(turn)) for turn in sample.turns if turn.supervised] for sample in samples]
        return [{"steps": sum(some) / len(some), "responses": some} for some in found]


I_CX_STEPS = Indicator(
    key="I_cx_steps",
    label="Instruction complexity by steps, in the generated world",
    value=mean_of("steps"),
    statistic=lambda instruments: Steps(),
    distribution="steps",
    ranks_by="steps",
    by_response="responses",
    stand_in_for="I_cx",
)
register(I_CX_STEPS)
