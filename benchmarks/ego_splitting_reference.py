"""karateclub's `EgoNetSplitter` with connected components in both steps, as Epasto et al. (2017) define the method.

Two things of it are changed. Its second step is Louvain's method; here it is connected components. And before fitting
it adds a loop at every node, which makes the ego part of its own ego-net: every ego-net is then one component, every
node has one persona, and nothing is split. The method has no such loops, and they are left out here.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from vlit.common.errors import InputError
from vlit.quality.algorithms.ego_splitting import edge_clusters


def reference_splitter() -> Callable[[nx.Graph], int]:
    """Return a function from a graph with nodes 0, 1 ... to the number of its clusters by karateclub.

    Raises:
        InputError: if karateclub is not installed.
    """

    class Components(_ego_net_splitter()):  # type: ignore[misc]
        def _check_graph(self, graph: nx.Graph) -> nx.Graph:
            return graph

        def _create_partitions(self) -> None:
            parts = nx.connected_components(self.persona_graph)
            self.partitions = {node: number for number, part in enumerate(parts) for node in part}
            self.overlapping_partitions = {node: [] for node in self.graph.nodes()}
            for node, part in self.partitions.items():
                self.overlapping_partitions[self.personality_map[node]].append(part)

    def count(graph: nx.Graph) -> int:
        model = Components()
        model.fit(graph)
        return len(set(model.partitions.values()))

    return count


def cluster_count(edges: NDArray[np.int64]) -> int:
    """Count the clusters of edges (m, 2) by our Ego-Splitting."""
    return int(edge_clusters(edges)[1].max(initial=-1)) + 1


def edges_of(graph: nx.Graph) -> NDArray[np.int64]:
    """Return the edges (m, 2) of a graph."""
    return np.array(graph.edges, np.int64).reshape(-1, 2)


@cache
def _ego_net_splitter() -> Any:
    """Import karateclub's class alone: `import karateclub` needs gensim and more, which the class does not use."""
    spec = find_spec("karateclub")
    if spec is None or spec.origin is None:
        raise InputError("no karateclub to compare with: pip install --no-deps karateclub==1.3.3 python-louvain==0.16")
    for name in ("karateclub", "karateclub.community_detection", "karateclub.community_detection.overlapping"):
        package = types.ModuleType(name)
        package.__path__ = [str(Path(spec.origin).parent.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = package
    return import_module("karateclub.community_detection.overlapping.ego_splitter").EgoNetSplitter
