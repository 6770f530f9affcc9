"""Plants the errors an LLM makes when it writes responses: a wrong object, count, attribute, word or location.

A generator that copies annotations makes no mistakes, and quality control would have nothing to find. What was planted
is written to a side file for people; nothing reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from random import Random

from vlit.mini.datasets.exchange import Conversation

PLANTED = "planted_errors.jsonl"
SECOND_ERROR = 0.25  # chance that a sample with an error has another


@dataclass(frozen=True)
class PlantedError:
    """What was changed: the response of turn `turn` (from 0) of the sample `id` was `right` and is `wrong`."""

    id: str
    turn: int
    kind: str
    right: str
    wrong: str

    def record(self) -> dict[str, object]:
        """As a line of the side file."""
        return asdict(self)


def plant_errors(
    conversations: Sequence[Conversation], ids: Sequence[str], rate: float, rng: Random
) -> tuple[list[Conversation], list[PlantedError]]:
    """Give a share of the samples one or two wrong responses; questions and the other responses stay.

    Args:
        conversations: right ones.
        ids: their sample ids, for the record.
        rate: share of all samples that gets an error, on average. A sample without any response that could be wrong
            stays right, and the others make up for it as far as they can.
        rng: draws samples, turns and wrong responses.

    Returns:
        The conversations in the same order, and every error planted.
    """
    able = sum(any(exchange.alternatives for exchange in conversation.exchanges) for conversation in conversations)
    chance = rate * len(conversations) / able if able else 0.0
    planted: list[PlantedError] = []
    spoiled = []
    for conversation, sample_id in zip(conversations, ids, strict=True):
        errors = _errors(conversation, sample_id, rng) if rng.random() < chance else []
        exchanges = list(conversation.exchanges)
        for error in errors:
            exchanges[error.turn] = replace(exchanges[error.turn], response=error.wrong, alternatives=(), error="")
        planted += errors
        spoiled.append(replace(conversation, exchanges=tuple(exchanges)))
    return spoiled, planted


def _errors(conversation: Conversation, sample_id: str, rng: Random) -> list[PlantedError]:
    possible = [turn for turn, exchange in enumerate(conversation.exchanges) if exchange.alternatives]
    number = min(len(possible), 2 if rng.random() < SECOND_ERROR else 1)
    errors = []
    for turn in sorted(rng.sample(possible, number)):
        exchange = conversation.exchanges[turn]
        wrong = rng.choice(exchange.alternatives)
        errors.append(PlantedError(sample_id, turn, exchange.error, exchange.response, wrong))
    return errors
