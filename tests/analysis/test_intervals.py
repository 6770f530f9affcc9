"""The audit's interval arithmetic: bounds hold for every point of a box, and attained values are attained."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from vlit.analysis.audit.intervals import (
    IntervalBox,
    Range,
    consistency,
    icc_range,
    nearest_direction,
    pearson,
    pearson_range,
)
from vlit.analysis.audit.witness import joint_witness

values = st.floats(0, 50, allow_nan=False).map(lambda v: round(v, 1))
halves = st.sampled_from([0.0, 0.05, 0.5])


@st.composite
def boxes(draw: st.DrawFn, n: int = 4) -> IntervalBox:
    box = IntervalBox.around(np.array(draw(st.lists(values, min_size=n, max_size=n))), draw(halves))
    assume(np.ptp(box.centre) > 2)
    return box


def points(box: IntervalBox, count: int = 200) -> np.ndarray:
    rng = np.random.default_rng(0)
    inside = rng.uniform(box.low, box.high, (count, len(box.low)))
    return np.vstack([inside, box.corners()])


@settings(max_examples=30, deadline=None)
@given(boxes(), boxes())
def test_no_point_leaves_the_outer_bounds_of_r(x: IntervalBox, y: IntervalBox) -> None:
    found = pearson_range(x, y)
    assert found.outer_low - 1e-9 <= found.low <= found.high <= found.outer_high + 1e-9
    for a, b in zip(points(x), points(y), strict=False):
        assert found.outer_low - 1e-9 <= pearson(a, b) <= found.outer_high + 1e-9


@settings(max_examples=30, deadline=None)
@given(boxes(), boxes())
def test_the_nearest_direction_beats_every_point(x: IntervalBox, y: IntervalBox) -> None:
    target = x.centre
    best = nearest_direction(target, y)
    assert y.contains(best, 1e-6)
    assert pearson(target, best) >= max(pearson(target, point) for point in points(y)) - 1e-7


@settings(max_examples=20, deadline=None)
@given(boxes())
def test_a_box_without_width_has_one_r(x: IntervalBox) -> None:
    y = np.array([1.0, 4.0, 2.0, 8.0])
    found = pearson_range(IntervalBox(x.centre, x.centre), IntervalBox(y, y))
    r = np.corrcoef(x.centre, y)[0, 1]
    assert (found.low, found.high, found.outer_low, found.outer_high) == pytest.approx((r,) * 4, abs=1e-7)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(values, min_size=3, max_size=3), min_size=5, max_size=5), halves, st.booleans())
def test_no_rounding_leaves_the_outer_bounds_of_icc(rows: list[list[float]], half: float, average: bool) -> None:
    table = np.array(rows)
    assume(np.ptp(table.mean(1)) > 2)
    found = icc_range(table, np.full(table.shape, half), average)
    rng = np.random.default_rng(1)
    for _ in range(50):
        value = consistency(table + rng.uniform(-half, half, table.shape), average)
        assert found.outer_low - 1e-9 <= value <= found.outer_high + 1e-9
    assert found.outer_low - 1e-9 <= found.low <= found.high <= found.outer_high + 1e-9


@settings(max_examples=20, deadline=None)
@given(boxes(), boxes(), boxes(), st.integers(0, 5))
def test_a_witness_lies_in_its_boxes_and_finds_planted_inputs(
    a: IntervalBox, b: IntervalBox, y: IntervalBox, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    planted = [rng.uniform(box.low, box.high) for box in (a, b, y)]
    assume(all(np.ptp(point) > 1 for point in planted))
    target = np.array([[pearson(planted[0], planted[2])], [pearson(planted[1], planted[2])]])
    rows = IntervalBox(np.stack([a.low, b.low]), np.stack([a.high, b.high]))
    found = joint_witness(rows, IntervalBox(y.low[None], y.high[None]), target, 0.0005)
    assert rows.contains(found.indicators)
    assert y.contains(found.scores[0])
    if found.explains(0.0005):  # checked by hand, not by the search
        for row, r in zip(found.indicators, target[:, 0], strict=True):
            assert abs(pearson(row, found.scores[0]) - r) <= 0.0005 + 1e-9


@pytest.mark.parametrize(
    ("published", "verdict"),
    [(0.5, "within rounding"), (0.6, "within rounding"), (0.65, "undecided"), (0.705, "differs"), (0.29, "differs")],
)
def test_a_verdict_uses_the_side_that_proves_it(published: float, verdict: str) -> None:
    assert Range(0.4, 0.6, 0.3, 0.7).verdict(published, 0.0005) == verdict


def test_r_of_two_points_is_refused() -> None:
    with pytest.raises(ValueError, match="three"):
        pearson_range(IntervalBox(np.zeros(2), np.ones(2)), IntervalBox(np.zeros(2), np.ones(2)))


def test_many_datasets_are_bounded_without_listing_corners() -> None:
    rng = np.random.default_rng(0)
    x, y = IntervalBox.around(rng.normal(size=30) * 10, 0.05), IntervalBox.around(rng.normal(size=30) * 10, 0.05)
    found = pearson_range(x, y)
    assert found.outer_low < pearson(x.low, y.high) < found.outer_high
