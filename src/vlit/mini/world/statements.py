"""Statements: facts as true sentences in two parts, what is spoken of and what is to be seen."""

from __future__ import annotations

from typing import NamedTuple

from vlit.mini.world.facts import Fact
from vlit.mini.world.vocabulary import capitalised


class Statement(NamedTuple):
    """A true sentence about an image in two parts, and the SEED-Bench dimension whose questions it would answer.

    The opening says what the sentence is about ("The red cup is"), the value what is to be seen ("in the top left").
    """

    opening: str
    value: str
    dimension: str


# type of a fact -> opening of the statement of it, which says what is to follow; {0} and {1} are the fact's slots
OPENINGS = {
    "setting": "The setting is",
    "taken": "This picture was taken",
    "at": "In the {0} of the image is",
    "coloured": "The {0} object is",
    "colour": "The color of {0} is",
    "texture": "The pattern of {0} is",
    "size": "The size of {0} is",
    "look": "The size and color of {0} are",
    "location": "The place of {0} is",
    "count": "The number of {0} is",
    "relation": "Relative to {1}, {0} is",
    "interaction": "Of {0} and {1},",
    "most": "The most frequent are",
    "useful": "Most useful here is",
    "left": "Without the {0} objects the number of objects is",
    "word": "The sign says",
}


def stated(fact: Fact) -> Statement:
    """Return the statement of a fact."""
    opening = capitalised(OPENINGS[fact.type].format(*fact.slots))
    value = fact.answer if fact.type == "word" else fact.answer[0].lower() + fact.answer[1:]
    return Statement(opening, value, fact.dimension)
