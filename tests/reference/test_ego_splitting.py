"""Ego-splitting finds as many clusters as karateclub's, configured with connected components, on 200 random graphs."""

from __future__ import annotations

import importlib.util

import networkx as nx
import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.reference


@pytest.fixture(scope="module")
def reference():
    """`benchmarks/ego_splitting_reference.py`, by its path: an installed package is also called `benchmarks`."""
    path = ROOT / "benchmarks" / "ego_splitting_reference.py"
    specification = importlib.util.spec_from_file_location("ego_splitting_reference", path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize("first", range(0, 200, 50))
def test_the_number_of_clusters_is_karateclubs(reference, first: int) -> None:
    theirs = reference.reference_splitter()
    numbers = []
    for seed in range(first, first + 50):
        graph = nx.gnp_random_graph(10 + seed % 60, 0.02 + 0.3 * (seed % 7) / 7, seed=seed)
        if graph.number_of_edges() == 0:
            graph.add_edge(0, 1)
        numbers.append((reference.cluster_count(reference.edges_of(graph)), theirs(graph)))
    assert [one for one, _ in numbers] == [two for _, two in numbers]
    assert len({one for one, _ in numbers}) > 5, "graphs that differ in their number of clusters"


def test_overlapping_clusters_are_told_apart(reference) -> None:
    bow_tie = nx.Graph([(0, 1), (1, 2), (2, 0), (2, 3), (3, 4), (4, 2)])  # two triangles that share a node
    assert reference.cluster_count(reference.edges_of(bow_tie)) == reference.reference_splitter()(bow_tie) == 2
