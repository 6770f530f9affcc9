"""Keeps the types of question balanced over a dataset: the rarest so far goes first (paper section 4.1, balance)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random

from vlit.construct.offline.exchange import Exchange, Writer
from vlit.construct.offline.facts import ImageFacts

Repertoire = Mapping[str, Sequence[Writer]]  # type of question -> its writers


class Balance:
    """Counts what was written so far and gives each image those types of question that are rarest."""

    def __init__(self) -> None:
        self.written: Counter[str] = Counter()

    def exchanges(
        self, repertoire: Repertoire, facts: ImageFacts, rng: Random, turns: int, short_share: float
    ) -> list[Exchange]:
        """Write up to `turns` exchanges of different types, in a random order.

        Args:
            repertoire: the types to choose among.
            facts: of the image; where its annotations carry fewer types, there are fewer exchanges.
            rng: draws what is asked and how it is put.
            turns: most exchanges wanted.
            short_share: share of the responses that are a short phrase.
        """
        chosen: list[Exchange] = []
        for name in sorted(repertoire, key=lambda name: (self.written[name], rng.random())):
            if len(chosen) == turns:
                break
            exchange = first_possible(repertoire[name], facts, rng, rng.random() < short_share)
            if exchange is not None:
                chosen.append(exchange)
                self.written[name] += 1
        rng.shuffle(chosen)
        return chosen


def first_possible(writers: Sequence[Writer], facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Write one exchange by a random one of the writers that can; None if none can."""
    shuffled = rng.sample(writers, len(writers))
    return next((exchange for writer in shuffled if (exchange := writer(facts, rng, short))), None)
