"""Accuracy per dimension with Wilson intervals; Overall is over all questions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from scipy.stats import binomtest

from vlit.evaluation.seed_bench import DIMENSIONS

COLUMNS = ("Overall", *DIMENSIONS.values())


@dataclass(frozen=True)
class Accuracy:
    """Accuracies and their 95% intervals in percent, and the numbers of questions, by column of Table 3.

    A dimension without questions has no accuracy and no interval (None), never a zero.
    """

    accuracy: dict[str, float | None]
    interval95: dict[str, tuple[float, float] | None]
    counts: dict[str, int]


def accuracy(outcomes: Iterable[tuple[str, bool]]) -> Accuracy:
    """Summarise (dimension, right or not) pairs."""
    asked: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for dimension, correct in outcomes:
        for column in ("Overall", dimension):
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
