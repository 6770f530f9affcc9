"""Ego-Splitting against its definition, written out; DBSCAN against scikit-learn's."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import DBSCAN

from vlit.common.errors import InputError
from vlit.quality.algorithms import dbscan as module
from vlit.quality.algorithms.dbscan import dbscan
from vlit.quality.algorithms.ego_splitting import cluster_sizes, edge_clusters


def literal_clusters(graph: nx.Graph) -> set[frozenset[int]]:
    """Ego-Splitting as Epasto et al. write it: ego-nets, personas, persona graph, components."""
    persona = {}
    for node in graph:
        for number, part in enumerate(nx.connected_components(graph.subgraph(graph[node]))):
            for other in part:
                persona[node, other] = (node, number)
    personas = nx.Graph([(persona[u, v], persona[v, u]) for u, v in graph.edges])
    return {frozenset(node for node, _ in part) for part in nx.connected_components(personas)}


def ours(graph: nx.Graph) -> tuple[int, set[frozenset[int]]]:
    edges, clusters = edge_clusters(np.array(graph.edges, np.int64).reshape(-1, 2))
    number = len(set(clusters.tolist()))
    return number, {frozenset(edges[clusters == cluster].ravel().tolist()) for cluster in range(number)}


@pytest.mark.parametrize("seed", range(200))
def test_clusters_are_those_of_the_definition_on_random_graphs(seed: int) -> None:
    graph = nx.gnp_random_graph(5 + seed % 40, 0.02 + 0.3 * (seed % 7) / 7, seed=seed)
    number, clusters = ours(graph)
    expected = literal_clusters(graph)
    assert clusters == expected
    assert number == len(expected)


def test_two_triangles_at_one_node_are_two_clusters_and_a_lone_edge_is_one() -> None:
    pairs = np.array([[0, 1], [1, 2], [2, 0], [0, 3], [3, 4], [4, 0], [4, 5], [5, 4], [6, 6]])
    assert sorted(cluster_sizes(pairs).tolist()) == [2, 3, 3]


def test_no_edge_is_no_cluster() -> None:
    assert len(cluster_sizes(np.zeros((0, 2), np.int64))) == 0


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**31), st.integers(1, 150), st.floats(0.05, 1.5), st.integers(1, 6), st.sampled_from([3, 64, 2048])
)
def test_labels_are_scikit_learns(seed: int, number: int, eps: float, least: int, block: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(5, 3))[rng.integers(0, 5, number)] + rng.normal(scale=0.3, size=(number, 3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK", block)
        patch.setattr(module, "_PAIR_BUDGET", 50 if block == 64 else 10**7)  # with and without a second pass
        assert dbscan(points, eps, least).tolist() == DBSCAN(eps=eps, min_samples=least).fit(points).labels_.tolist()


def test_a_distance_of_exactly_the_radius_is_inside() -> None:
    assert dbscan(np.array([[0.0], [1.0], [2.0], [4.0]]), 1.0, 2).tolist() == [0, 0, 0, -1]


def test_impossible_settings_and_coordinates_are_refused() -> None:
    with pytest.raises(InputError, match="eps=0"):
        dbscan(np.zeros((3, 2)), 0, 2)
    with pytest.raises(InputError, match="not finite"):
        dbscan(np.array([[np.nan, 1.0]]), 1, 2)
