"""Figures of the report: the plane of largest spread, the same each time, and one color a label."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from vlit.quality.report import COLORS, GRAY, MOST_POINTS, as_svg, bars, histogram, principal_plane, response_map


def points_by_color(figure: Figure) -> dict[str, int]:
    """Points of a map by their color."""
    drawn = figure.axes[0].collections
    return {to_hex(one.get_facecolor()[0]): len(one.get_offsets()) for one in drawn if len(one.get_offsets())}


def test_the_plane_is_that_of_largest_spread_as_a_singular_value_decomposition_has_it() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(200, 6)) * np.array([1, 9, 1, 4, 1, 1]) + 7
    plane = principal_plane(points)
    left, sizes, _ = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    assert np.abs(plane) == pytest.approx(np.abs(left[:, :2] * sizes[:2]), abs=1e-9)
    assert np.corrcoef(plane[:, 0], points[:, 1])[0, 1] > 0.9, "the sign is that of the largest loading"


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_map_of_hardly_any_points_is_drawn(number: int) -> None:
    plane = principal_plane(np.ones((number, 3), np.float32))
    assert plane.shape == (number, 2)
    figure = response_map(plane, ["a"] * number)
    assert sum(points_by_color(figure).values()) == number
    assert as_svg(figure).startswith("<svg")


def test_frequent_labels_have_a_color_and_the_others_are_gray() -> None:
    figure = response_map(principal_plane(np.eye(5)), ["<often> $x"] * 3 + ["seldom", None])
    assert points_by_color(figure) == {COLORS[0]: 3, COLORS[1]: 1, GRAY: 1}
    page = as_svg(figure)
    assert "&lt;often&gt; $x: 3" in page and "<often>" not in page
    labels = [f"label {place}" for place in range(12) for _ in range(12 - place)]
    found = points_by_color(response_map(np.zeros((len(labels), 2)), labels))
    assert list(found) == [GRAY, *COLORS] and found[GRAY] == 1 + 2, "ten labels have a color"


def test_a_large_dataset_is_thinned_evenly() -> None:
    number = 2 * MOST_POINTS + 1
    figure = response_map(np.random.default_rng(0).normal(size=(number, 2)), ["a"] * number)
    assert MOST_POINTS / 2 < sum(points_by_color(figure).values()) <= MOST_POINTS


def test_bars_and_bins_count_every_sample_and_equal_figures_are_equal_texts() -> None:
    page = as_svg(bars({"object counting": 902, "$5 <b>": 7}))
    assert all(text in page for text in ("object counting", "902", "$5 &lt;b&gt;", ">7<"))
    assert page == as_svg(bars({"object counting": 902, "$5 <b>": 7}))
    heights = [bar.get_height() for bar in histogram([0.0, 0.1, 0.1, 2.0], bins=2).axes[0].patches]
    assert heights == [3, 1]
    assert sum(bar.get_height() for bar in histogram([1.0]).axes[0].patches) == 1
