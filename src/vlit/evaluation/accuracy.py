"""Accuracy per dimension with Wilson intervals; Overall is over all questions, not over dimensions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from scipy.stats import binomtest

from vlit.evaluation.seed_bench import COLUMNS, OVERALL


@dataclass(frozen=True)
class Accuracy:
    """Accuracies of a model by column of Table 3.

    A dimension without questions has no accuracy and no interval (None), never a zero.

    Attributes:
        accuracy: accuracies in percent.
        interval95: Wilson's 95% intervals, (low, high) in percent.
        counts: numbers of questions.
    """

    accuracy: dict[str, float | None]
    interval95: dict[str, tuple[float, float] | None]
    counts: dict[str, int]

    def __str__(self) -> str:
        """Return a table for the log, one line per column."""
        return "\n".join(self._line(column) for column in COLUMNS)

    def _line(self, column: str) -> str:
        value, interval = self.accuracy[column], self.interval95[column]
        if value is None or interval is None:
            return f"{column:8} no question"
        low, high = interval
        return f"{column:8} {value:5.1f} %  [{low:.1f}, {high:.1f}]  {self.counts[column]} questions"


def accuracy(outcomes: Iterable[tuple[str, bool]]) -> Accuracy:
    """Summarise answered questions.

    Args:
        outcomes: dimension of each question, and whether it was answered right.
    """
    asked: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for dimension, correct in outcomes:
        for column in (OVERALL, dimension):
            asked[column] += 1
            right[column] += correct
    values: dict[str, float | None] = {}
    intervals: dict[str, tuple[float, float] | None] = {}
    for column in COLUMNS:
        if not asked[column]:
            values[column], intervals[column] = None, None
            continue
        values[column] = 100 * right[column] / asked[column]
        interval = binomtest(right[column], asked[column]).proportion_ci(0.95, method="wilson")
        intervals[column] = (100 * interval.low, 100 * interval.high)
    return Accuracy(values, intervals, {column: asked[column] for column in COLUMNS})
