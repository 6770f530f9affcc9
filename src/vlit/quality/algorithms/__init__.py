"""Clustering algorithms the indicators rest on, Ego-Splitting and DBSCAN, and what both need."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Integers = NDArray[np.int64]


def join_labels(labels: Integers, one: Integers, two: Integers) -> Integers:
    """Give elements that are joined, directly or through others, one label.

    Args:
        labels: label of each element (n,), from 0 without gaps.
        one: elements (k,).
        two: elements (k,), each joined with that in the same place of `one`.

    Returns:
        Labels (n,), from 0 without gaps.
    """
    left, right = labels[one], labels[two]
    differ = left != right
    if not differ.any():
        return labels
    graph = coo_array((np.ones(int(differ.sum()), np.int8), (left[differ], right[differ])), shape=(len(labels),) * 2)
    return connected_components(graph, directed=False)[1].astype(np.int64)[labels]
