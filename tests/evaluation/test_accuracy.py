"""Accuracies, Wilson intervals and counts."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlit.evaluation.seed_bench import COLUMNS, accuracy


def wilson(right: int, asked: int) -> tuple[float, float]:
    """Wilson's interval from its closed form (Wilson, 1927)."""
    z = 1.959963984540054
    share = right / asked
    centre = (share + z * z / (2 * asked)) / (1 + z * z / asked)
    half = z / (1 + z * z / asked) * math.sqrt(share * (1 - share) / asked + z * z / (4 * asked * asked))
    return 100 * (centre - half), 100 * (centre + half)


def test_overall_is_over_all_questions_not_over_dimensions() -> None:
    scored = accuracy([("SU", True)] * 9 + [("TR", False)])
    assert scored.accuracy["Overall"] == 90.0
    assert scored.accuracy["SU"] == 100.0
    assert scored.accuracy["TR"] == 0.0


def test_a_dimension_without_questions_has_no_accuracy() -> None:
    scored = accuracy([("SU", True)])
    assert scored.accuracy["VR"] is None
    assert scored.interval95["VR"] is None
    assert scored.counts["VR"] == 0


def test_the_log_has_a_line_per_column() -> None:
    lines = str(accuracy([("SU", True), ("SU", False)])).splitlines()
    assert [line.split()[0] for line in lines] == list(COLUMNS)
    assert lines[1] == "SU        50.0 %  [9.5, 90.5]  2 questions"
    assert lines[-1] == "TR       no question"


@given(st.integers(0, 60), st.integers(1, 60))
def test_intervals_are_wilsons(right: int, wrong: int) -> None:
    scored = accuracy([("IC", True)] * right + [("IC", False)] * wrong)
    assert scored.interval95["IC"] == pytest.approx(wilson(right, right + wrong), abs=1e-6)
