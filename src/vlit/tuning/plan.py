"""What a run would take, before anything is loaded: parameters, memory a GPU, steps, tokens, files that are missing.

Memory is counted on the model's skeleton: weights in the type they are kept in, gradients and AdamW's two moments in
float32 for what learns, and what autograd keeps of a batch (`models/activations.py`). Not counted: the allocator's
fragments, CUDA's own context (about 1 GiB), the one layer that is recomputed or gathered at a time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from vlit.common.errors import InputError
from vlit.common.resolvers import check_global_batch
from vlit.models.activations import saved_bytes
from vlit.tuning import setup
from vlit.tuning.sharding import is_sharded

GIB = 2**30
ADAM = 2  # moments, in float32 like the gradient


@dataclass(frozen=True)
class Memory:
    """GiB on one GPU."""

    weights: float
    gradients: float
    optimiser: float
    activations: float

    @property
    def total(self) -> float:
        """All of it at the end of a forward pass, when most is there at once."""
        return self.weights + self.gradients + self.optimiser + self.activations


def memory(model: Any, batch_size: int, length: int, half: bool, shards: int = 1) -> Memory:
    """Memory of a skeleton's training step; weights, gradients and moments are spread over `shards` GPUs."""
    parameters = list(model.parameters())
    learning = sum(parameter.numel() for parameter in parameters if parameter.requires_grad) * 4
    return Memory(
        weights=sum(parameter.numel() * parameter.itemsize for parameter in parameters) / GIB / shards,
        gradients=learning / GIB / shards,
        optimiser=ADAM * learning / GIB / shards,
        activations=saved_bytes(model, batch_size, length, half, copies=shards == 1) / GIB,
    )


def missing_files(cfg: DictConfig) -> list[tuple[Path, str]]:
    """Files the run needs that are not there, each with where to get it."""
    needed = dict(_weights(cfg))
    sources = cfg.planned.sources
    needed[Path(cfg.data.annotations)] = sources[cfg.data.name]
    needed[Path(cfg.data.images)] = (
        sources.coco_images if cfg.data.images == cfg.paths.coco_images else sources[cfg.data.name]
    )
    needed[Path(cfg.benchmark.annotations)] = needed[Path(cfg.benchmark.images)] = sources.benchmark
    if "curated_from" in cfg.data:
        needed[Path(cfg.quality.clip.weights)] = cfg.quality.clip.source
    return [(path, source) for path, source in needed.items() if not path.exists()]


def plan(cfg: DictConfig) -> str:
    """The plan of a run, as text.

    Raises:
        InputError: if the scale has no plan, or the global batch does not come out.
    """
    if "planned" not in cfg or cfg.trainer.get("gpu") is None:
        raise InputError(
            f"scale={cfg.scale} has no plan: it needs `planned`, and a trainer with `gpu`, as scale=paper has"
        )
    processes = cfg.trainer.devices * cfg.trainer.num_nodes
    check_global_batch(cfg.tuning.global_batch, cfg.tuning.batch_size, cfg.tuning.accumulation, processes)
    model = setup.skeleton(cfg)
    samples = cfg.data_size if isinstance(cfg.data_size, int) else cfg.planned.samples
    samples = cfg.tuning.get("samples_per_epoch") or samples
    steps = math.ceil(samples / cfg.tuning.global_batch) * cfg.tuning.epochs
    steps = steps if cfg.tuning.max_steps < 0 else min(steps, cfg.tuning.max_steps)
    tokens = samples * cfg.tuning.epochs * cfg.planned.length
    lines = [f"{cfg.model.name} on {cfg.data.name}, {cfg.scale} scale", "", "parameters"]
    report = model.policy.report(model)
    lines += [f"  {part:<16} {state:<8} {size:>14,}" for part, state, size in report]
    lines += [
        f"  {'total':<25} {sum(size for _, _, size in report):>14,}",
        f"  {'trained':<25} {sum(size for _, state, size in report if state == 'trained'):>14,}",
        "",
        f"steps: {steps:,} of {cfg.tuning.global_batch} samples ({cfg.tuning.batch_size} a GPU x"
        f" {cfg.tuning.accumulation} accumulated x {processes} GPUs), {samples:,} samples, {cfg.tuning.epochs} epochs",
        f"tokens: about {tokens / 1e6:,.0f} million, at {cfg.planned.length} a sample (assumed; at most"
        f" {cfg.tuning.max_length})",
        "",
        *_memory_lines(cfg, model, processes),
        "",
    ]
    missing = missing_files(cfg)
    lines += ["files: all there" if not missing else "files that are missing"]
    return "\n".join([*lines, *(f"  {path}\n    from {source}" for path, source in missing)])


def _memory_lines(cfg: DictConfig, model: Any, processes: int) -> Iterator[str]:
    available = cfg.trainer.gpu.memory
    half = str(cfg.tuning.precision) in ("16-mixed", "bf16-mixed")
    yield f"memory of a GPU in GiB, of {available} ({cfg.trainer.gpu.name}), {cfg.tuning.precision}"
    yield f"  {'':<36}{'weights':>9}{'gradients':>11}{'optimiser':>11}{'activations':>13}{'total':>8}"
    layouts = {"a copy on each GPU": 1} | ({f"sharded over {processes}": processes} if processes > 1 else {})
    fits = {}
    for name, shards in layouts.items():
        for length in sorted({min(cfg.planned.length, cfg.tuning.max_length), cfg.tuning.max_length}):
            one = memory(model, cfg.tuning.batch_size, length, half, shards)
            fits[shards, length] = one.total <= available
            yield (
                f"  {f'{name}, {length} tokens':<36}{one.weights:>9.1f}{one.gradients:>11.1f}{one.optimiser:>11.1f}"
                f"{one.activations:>13.1f}{one.total:>8.1f}  {'fits' if one.total <= available else 'does not fit'}"
            )
    if is_sharded(cfg):
        taken, said = processes, f"trainer.strategy shards over {processes}"
    else:
        taken, said = 1, f"trainer.strategy={cfg.trainer.strategy} keeps a copy on each GPU"
    if all(fit for (shards, _), fit in fits.items() if shards == taken):
        yield f"  {said}: it fits"
    else:
        yield f"  {said}: not every batch fits"
        if taken == 1 and processes > 1 and all(fit for (shards, _), fit in fits.items() if shards == processes):
            yield "  trainer=v100x8_sharded shards: it fits"


def _weights(cfg: DictConfig) -> Iterator[tuple[Path, str]]:
    build, folder = cfg.model.build, str(cfg.paths.weights)
    for key, value in build.items():
        if isinstance(value, str) and value.startswith(folder):
            kind = str(key).removesuffix("_weights")
            if kind not in build.sources:  # the tokenizer comes with the language model
                kind = "language" if "language" in build.sources else "network"
            yield Path(value), build.sources[kind]
