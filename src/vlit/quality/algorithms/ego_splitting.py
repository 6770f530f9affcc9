"""Ego-Splitting (Epasto et al., 2017) with connected components in both steps, the paper's clustering of elements.

Ego-Splitting splits a node into personas, one for each component of its neighbourhood (the ego-net without the ego),
joins personas along the edges of the graph, and clusters the persona graph. With connected components in both steps
this has a short form. Two edges at a node `u` belong to one persona of `u` exactly if a chain of triangles through `u`
leads from one to the other; so the clusters are the classes of edges under "share a triangle". Only triangles have to
be found, and no ego-net is built. Nodes without an edge have no persona and no cluster.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from vlit.quality.algorithms import Integers, join_labels

_PAIRS_AT_ONCE = 2_000_000  # bounds memory: about 100 MB


def unique_edges(pairs: Integers) -> Integers:
    """Return undirected edges (m, 2), each once with the smaller node first, without loops; sorted."""
    given = np.asarray(pairs, np.int64).reshape(-1, 2)
    low, high = np.minimum(given[:, 0], given[:, 1]), np.maximum(given[:, 0], given[:, 1])
    if not (low != high).any():
        return np.zeros((0, 2), np.int64)
    base = int(high.max()) + 1
    keys = np.sort((low * base + high)[low != high])
    keys = keys[np.append(True, keys[1:] != keys[:-1])]
    low = keys // base
    return np.stack([low, keys - low * base], axis=1)


def edge_clusters(pairs: Integers) -> tuple[Integers, Integers]:
    """Cluster the edges of a graph.

    Args:
        pairs: edges (k, 2) between nodes numbered from 0, in any order; they may repeat.

    Returns:
        The unique edges (m, 2) and their clusters (m,), numbered from 0 without gaps.
    """
    edges = unique_edges(pairs)
    if not len(edges):
        return edges, np.zeros(0, np.int64)
    # Each edge leads from the end of lower degree to the other, so that the pairs at a node stay few (m ** 1.5).
    degrees = np.bincount(edges.ravel())
    rank = np.empty(len(degrees), np.int64)
    rank[np.argsort(degrees, kind="stable")] = np.arange(len(degrees))
    one, two = rank[edges[:, 0]], rank[edges[:, 1]]
    keys = np.minimum(one, two) * len(degrees) + np.maximum(one, two)
    order = np.argsort(keys)
    keys = keys[order]
    heads = keys // len(degrees)
    tails = keys - heads * len(degrees)
    last = np.searchsorted(heads, heads, side="right")  # an edge pairs with the later ones that leave the same node
    partners = last - np.arange(len(heads)) - 1
    labels = np.arange(len(heads))  # without gaps, and so are those of connected components
    for first, end in _blocks(partners):
        one = np.repeat(np.arange(first, end), partners[first:end])
        starts = np.cumsum(partners[first:end]) - partners[first:end]
        two = one + 1 + np.arange(len(one)) - np.repeat(starts, partners[first:end])
        closing = tails[one] * len(degrees) + tails[two]
        third = np.minimum(np.searchsorted(keys, closing), len(keys) - 1)
        closed = keys[third] == closing
        one, two, third = one[closed], two[closed], third[closed]
        labels = join_labels(labels, np.concatenate([one, one]), np.concatenate([two, third]))
    clusters = np.empty(len(edges), np.int64)
    clusters[order] = labels
    return edges, clusters


def cluster_sizes(pairs: Integers) -> Integers:
    """Count the nodes in each cluster (clusters overlap: a node counts in each of its clusters).

    Args:
        pairs: edges (k, 2), as in `edge_clusters`.
    """
    edges, clusters = edge_clusters(pairs)
    if not len(edges):
        return np.zeros(0, np.int64)
    base = int(edges.max()) + 1
    members = np.unique(np.concatenate([clusters * base + edges[:, 0], clusters * base + edges[:, 1]]))
    return np.bincount(members // base).astype(np.int64)


def _blocks(partners: Integers) -> list[tuple[int, int]]:
    total = np.cumsum(partners)
    cuts = [0]
    while cuts[-1] < len(partners):
        done = total[cuts[-1] - 1] if cuts[-1] else 0
        cuts.append(max(cuts[-1] + 1, int(np.searchsorted(total, done + _PAIRS_AT_ONCE, side="right"))))
    return list(pairwise(cuts))
