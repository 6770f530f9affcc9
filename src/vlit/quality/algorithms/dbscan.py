"""DBSCAN (Ester et al., 1996; Schubert et al., 2017) for tens of thousands of embeddings, block by block.

scikit-learn's `DBSCAN` keeps every neighbourhood in memory. Here distances come in blocks of a matrix product over half
the pairs, in single precision; pairs too near the radius for that are measured again in double precision. Pairs are
kept while they fit a budget, and found a second time when they don't, so memory is bounded for any data. The labels
equal scikit-learn's: clusters in the order of their first core point, -1 for noise, and a border point belongs to the
first cluster that has a core point within the radius.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from vlit.common.errors import InputError
from vlit.quality.algorithms import Integers, join_labels

NOISE = -1
_BLOCK = 2048
_PAIR_BUDGET = 20_000_000  # pairs kept between the two passes: 320 MB


def dbscan(points: NDArray[np.floating], eps: float, min_samples: int) -> Integers:
    """Cluster points by Euclidean distance.

    Args:
        points: finite coordinates (n, d).
        eps: radius of a neighbourhood, in the unit of the coordinates; a distance of exactly `eps` is inside.
        min_samples: least number of points in a core point's neighbourhood, itself included.

    Returns:
        Labels (n,): 0, 1 ... and -1 for noise.

    Raises:
        InputError: if the radius or the number is not above 0, or a coordinate is not finite.
    """
    if eps <= 0 or min_samples < 1:
        raise InputError(f"DBSCAN with eps={eps}, min_samples={min_samples}: both are above 0")
    points = np.asarray(points)
    if not np.isfinite(points).all():
        raise InputError("DBSCAN: some coordinates are not finite: mend or leave out those embeddings")
    counts = np.ones(len(points), np.int64)  # each point is in its own neighbourhood
    kept: list[tuple[Integers, Integers]] | None = []
    size = 0
    for one, two in neighbours(points, eps):
        counts += np.bincount(one, minlength=len(points)) + np.bincount(two, minlength=len(points))
        size += len(one)
        if kept is not None and size <= _PAIR_BUDGET:
            kept.append((one, two))
        else:
            kept = None
    core = counts >= min_samples
    labels = np.arange(len(points))
    for one, two in kept if kept is not None else neighbours(points, eps):
        both = core[one] & core[two]
        labels = join_labels(labels, one[both], two[both])
    found = np.full(len(points), NOISE, np.int64)
    found[core] = _by_first(labels[core])
    _join_borders(found, core, kept if kept is not None else neighbours(points, eps))
    return found


def neighbours(points: NDArray[np.floating], eps: float) -> Iterator[tuple[Integers, Integers]]:
    """Yield the pairs (i, j), i < j, at most `eps` apart, in blocks of at most 2048 x 2048 points."""
    if not len(points):
        return
    single, half = _centred(points)
    limit = -(eps**2) / 2
    slack = 1e-6 * (float(half.max()) * 4 + eps**2) * np.sqrt(points.shape[1])
    for row in range(0, len(points), _BLOCK):
        rows = half[row : row + _BLOCK]
        left = np.hstack([single[row : row + _BLOCK], -rows, np.ones_like(rows)])
        for column in range(row, len(points), _BLOCK):
            columns = half[column : column + _BLOCK]
            right = np.hstack([single[column : column + _BLOCK], np.ones_like(columns), -columns])
            product = left @ right.T  # -distance ** 2 / 2
            near = np.flatnonzero(product >= np.float32(limit - slack))
            one, two = np.divmod(near, product.shape[1])
            values = product.ravel()[near]
            one, two = one + row, two + column
            inside = values >= limit + slack
            _measure_again(points, one, two, np.flatnonzero(~inside), eps, inside)
            inside &= one < two
            if inside.any():
                yield one[inside], two[inside]


def _centred(points: NDArray[np.floating]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return points around their mean in single precision, and half their squared lengths (n, 1).

    Works block by block, so that no copy in double precision is made.
    """
    middle = np.mean(points, axis=0, dtype=np.float64)
    single = np.empty(points.shape, np.float32)
    half = np.empty((len(points), 1), np.float32)
    for start in range(0, len(points), _BLOCK):
        some = slice(start, start + _BLOCK)
        single[some] = points[some] - middle
        half[some, 0] = (single[some].astype(np.float64) ** 2).sum(axis=1) / 2
    return single, half


def _measure_again(
    points: NDArray[np.floating],
    one: Integers,
    two: Integers,
    doubtful: Integers,
    eps: float,
    inside: NDArray[np.bool_],
) -> None:
    for start in range(0, len(doubtful), 20_000):
        some = doubtful[start : start + 20_000]
        apart = points[one[some]].astype(np.float64) - points[two[some]]
        inside[some] = (apart**2).sum(axis=1) <= eps**2


def _by_first(labels: Integers) -> Integers:
    """Number labels by first appearance."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]


def _join_borders(found: Integers, core: NDArray[np.bool_], pairs: Iterator[tuple[Integers, Integers]] | list) -> None:
    nearest = np.full(len(found), np.iinfo(np.int64).max)
    for one, two in pairs:
        for inner, outer in ((one, two), (two, one)):
            border = core[inner] & ~core[outer]
            np.minimum.at(nearest, outer[border], found[inner[border]])
    reached = ~core & (nearest < np.iinfo(np.int64).max)
    found[reached] = nearest[reached]
