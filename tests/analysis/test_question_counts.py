"""GRIM and the weights of `Overall`: known answers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlit.analysis.audit.question_counts import (
    PrintedPercentage,
    always_from,
    attainable,
    best_weights,
    compatible_counts,
    every_assignment,
    impossible,
    weighted_fit,
)


@pytest.mark.parametrize(
    ("text", "n", "possible"),
    [
        ("10.0", 97, False),  # 9/97 is 9.3, 10/97 is 10.3
        ("10.3", 97, True),
        ("10.3", 29, True),  # 3/29
        ("13.8", 29, True),
        ("18.2", 85, False),  # 15/85 is 17.6, 16/85 is 18.8
        ("18.2", 11, True),
        ("12.5", 8, True),
        ("12", 8, True),  # 12.5 may be rounded down,
        ("13", 8, True),  # or up
        ("100.0", 7, True),
        ("100.1", 7, False),
        ("5.19", 28, False),  # the kind of case the test was made for: 1/28 is 3.57, 2/28 is 7.14
    ],
)
def test_known_answers(text: str, n: int, possible: bool) -> None:
    assert attainable(PrintedPercentage.of(text), n) is possible


def test_cutting_off_is_another_rounding() -> None:
    assert attainable(PrintedPercentage.of("20.6"), 29, "down")  # 6/29 is 20.69
    assert not attainable(PrintedPercentage.of("20.6"), 29)
    assert not attainable(PrintedPercentage.of("20.7"), 29, "down")


@given(st.integers(1, 400), st.integers(0, 1000), st.sampled_from(["nearest", "down"]))
def test_grim_agrees_with_trying_every_count(n: int, units: int, rounding: str) -> None:
    value = PrintedPercentage(units, 10)
    shares = [Fraction(1000 * k, n) for k in range(n + 1)]
    if rounding == "nearest":
        expected = any(abs(share - units) <= Fraction(1, 2) for share in shares)
    else:
        expected = any(units <= share < units + 1 for share in shares)
    assert attainable(value, n, rounding) is expected


def test_counts_that_fit_all_values() -> None:
    values = [PrintedPercentage.of("10.0"), PrintedPercentage.of("20.0")]
    assert compatible_counts(values, 50) == [10, 20, 30, 40, 50]
    assert impossible(values, 97) == values
    assert impossible([PrintedPercentage(u, 10) for u in range(1001)], always_from(10)) == []


@pytest.mark.parametrize(("n", "rounding"), [(0, "nearest"), (10, "up")])
def test_bad_arguments(n: int, rounding: str) -> None:
    with pytest.raises(ValueError, match=r"questions|rounding"):
        attainable(PrintedPercentage.of("10.0"), n, rounding)


@pytest.fixture
def scores() -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(0).uniform(20, 40, (8, 4)), columns=["SU", "II", "IA", "IL"])


COUNTS = {"SU": 300, "II": 180, "IA": 460, "IL": 97}


def test_the_planted_assignment_is_found(scores: pd.DataFrame) -> None:
    swapped = {"SU": "SU", "II": "II", "IA": "IL", "IL": "IA"}
    overall = sum(scores[c] * COUNTS[swapped[c]] for c in scores) / sum(COUNTS.values())
    best = every_assignment(scores, overall, COUNTS).nsmallest(1, "rms").iloc[0]
    assert {c: best[c] for c in scores} == swapped
    assert best.largest == pytest.approx(0, abs=1e-10)
    assert weighted_fit(scores, overall, COUNTS, swapped).largest == pytest.approx(0, abs=1e-10)
    assert weighted_fit(scores, overall, COUNTS, {c: c for c in scores}).largest > 0.1


def test_planted_weights_are_found_and_nonsense_isnt_a_mean(scores: pd.DataFrame) -> None:
    overall = scores @ np.array([0.1, 0.2, 0.3, 0.4])
    smallest, weights = best_weights(scores, overall)
    assert smallest == pytest.approx(0, abs=1e-7)
    assert list(weights.values()) == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=1e-5)
    assert best_weights(scores, scores.max(axis=1) + 5)[0] >= 5


def test_every_assignment_agrees_with_one_at_a_time(scores: pd.DataFrame) -> None:
    overall = scores.mean(axis=1)
    table = every_assignment(scores, overall, COUNTS)
    assert len(table) == 24
    for _, row in table.iloc[::7].iterrows():
        fit = weighted_fit(scores, overall, COUNTS, {c: row[c] for c in scores})
        assert (row.largest, row.rms) == pytest.approx((fit.largest, fit.root_mean_square), abs=1e-10)
