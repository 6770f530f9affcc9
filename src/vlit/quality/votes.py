"""What several verdicts of a judge come to: the most frequent one (paper 4.2.3 "Correctness").

The paper takes the most frequent of several scores and says nothing of ties. Here a verdict is yes, no or an abstention
(a reply that says neither). Abstentions are counted and are no votes; a tie is "no", since a filter should rather lose
a right sample than keep a wrong one; abstentions only are no verdict, which is a fault of the sample, not a "no".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_YES = re.compile(r"^\W*(?:(?:verdict|answer)\W+)?(yes|correct|right|true)\b", re.IGNORECASE)
_NO = re.compile(r"^\W*(?:(?:verdict|answer)\W+)?(no|not|incorrect|wrong|false)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Verdict:
    """Votes of one sample; `correct` is None if nobody voted."""

    yes: int
    no: int
    abstained: int

    @property
    def correct(self) -> bool | None:
        """The most frequent vote."""
        return self.yes > self.no if self.yes + self.no else None


def read_vote(reply: str) -> bool | None:
    """The verdict a reply begins with, or None."""
    if _NO.match(reply):
        return False
    return True if _YES.match(reply) else None


def count_votes(votes: Sequence[bool | None]) -> Verdict:
    """Count them."""
    return Verdict(votes.count(True), votes.count(False), votes.count(None))
