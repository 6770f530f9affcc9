"""Maps of embeddings: the plane of largest spread, the same each time, and one color a label."""

from __future__ import annotations

import numpy as np
import pytest

from vlit.quality.report import COLORS, SHOWN, drawn_map, principal_plane


def test_the_plane_is_that_of_largest_spread_as_a_singular_value_decomposition_has_it() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(200, 6)) * np.array([1, 9, 1, 4, 1, 1]) + 7
    plane = principal_plane(points)
    left, sizes, _ = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    assert np.abs(plane) == pytest.approx(np.abs(left[:, :2] * sizes[:2]), abs=1e-9)
    assert np.corrcoef(plane[:, 0], points[:, 1])[0, 1] > 0.9, "the sign is that of the largest loading"


@pytest.mark.parametrize("number", [0, 1, 2])
def test_hardly_any_points_are_still_a_map(number: int) -> None:
    plane = principal_plane(np.ones((number, 3), np.float32))
    assert plane.shape == (number, 2)
    assert drawn_map(plane, ["a"] * number).count('r="2"') == number


def test_frequent_labels_have_a_color_and_the_others_are_gray() -> None:
    labels = ["<often>"] * 3 + ["seldom", None]
    page = drawn_map(principal_plane(np.eye(5)), labels)
    assert page.count(COLORS[0]) == 3 + 1 and page.count(COLORS[1]) == 1 + 1 and page.count("#bbbbbb") == 1
    assert "&lt;often&gt;: 3" in page and "<often>" not in page


def test_a_large_dataset_is_thinned_evenly() -> None:
    number = 2 * SHOWN + 1
    page = drawn_map(np.random.default_rng(0).normal(size=(number, 2)), ["a"] * number)
    assert SHOWN / 2 < page.count('r="2"') <= SHOWN
