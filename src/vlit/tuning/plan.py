"""Plan a run before anything is loaded: parameters, memory of a GPU, steps, tokens, and files that are missing.

Memory is counted on the model's skeleton: weights in the type they are stored in, gradients and AdamW's two moments in
float32 for trained parameters, and the activations that autograd saves of a batch (`models/activations.py`). Not
counted: the allocator's fragments, CUDA's own context (about 1 GiB), the one layer that is recomputed or gathered at a
time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from omegaconf import DictConfig

from vlit.common.errors import InputError
from vlit.common.needed import missing_files
from vlit.common.resolvers import check_global_batch
from vlit.models.activations import saved_bytes
from vlit.models.family import VisionLanguageModel
from vlit.tuning import setup

GIB = 2**30
MOMENTS = 2  # of AdamW, in float32 like the gradient
FLOAT32 = 4  # bytes


@dataclass(frozen=True)
class Memory:
    """Memory of one GPU in a training step, in GiB."""

    weights: float
    gradients: float
    optimiser: float
    activations: float

    @property
    def total(self) -> float:
        """Return the sum: the most there is at once, at the end of a forward pass."""
        return self.weights + self.gradients + self.optimiser + self.activations


def memory(model: VisionLanguageModel, batch_size: int, length: int, half: bool, shards: int = 1) -> Memory:
    """Count the memory of a skeleton's training step.

    Args:
        model: model on the `meta` device.
        batch_size: samples per batch and GPU.
        length: tokens of each sample.
        half: whether the step computes in half precision.
        shards: GPUs over which weights, gradients and moments are spread.
    """
    parameters = list(model.parameters())
    trained = sum(parameter.numel() for parameter in parameters if parameter.requires_grad) * FLOAT32
    return Memory(
        weights=sum(parameter.numel() * parameter.itemsize for parameter in parameters) / GIB / shards,
        gradients=trained / GIB / shards,
        optimiser=MOMENTS * trained / GIB / shards,
        activations=saved_bytes(model, batch_size, length, half, copies=shards == 1) / GIB,
    )


def plan(cfg: DictConfig) -> str:
    """Return the plan of a run as text.

    Raises:
        InputError: if the scale has no plan, or batch size, accumulation and processes do not make the global batch.
    """
    if "planned" not in cfg or cfg.trainer.get("gpu") is None:
        raise InputError(
            f"scale={cfg.scale} has no plan: it needs `planned`, and a trainer with `gpu`, as scale=paper has"
        )
    processes = cfg.trainer.devices * cfg.trainer.num_nodes
    check_global_batch(cfg.tuning.global_batch, cfg.tuning.batch_size, cfg.tuning.accumulation, processes)
    model = setup.skeleton(cfg)
    blocks = [
        [f"{cfg.model.name} on {cfg.data.name}, {cfg.scale} scale"],
        _parameter_lines(model),
        _step_lines(cfg, processes),
        _memory_lines(cfg, model, processes),
        _file_lines(cfg),
    ]
    return "\n\n".join("\n".join(lines) for lines in blocks)


def _parameter_lines(model: VisionLanguageModel) -> Iterator[str]:
    report = model.policy.report(model)
    yield "parameters"
    for part, state, size in report:
        yield f"  {part:<16} {state:<8} {size:>14,}"
    yield f"  {'total':<25} {sum(size for _, _, size in report):>14,}"
    yield f"  {'trained':<25} {sum(size for _, state, size in report if state == 'trained'):>14,}"


def _step_lines(cfg: DictConfig, processes: int) -> Iterator[str]:
    tuning, length = cfg.tuning, cfg.planned.length
    samples = cfg.data_size if isinstance(cfg.data_size, int) else cfg.planned.samples
    samples = tuning.get("samples_per_epoch") or samples
    steps = math.ceil(samples / tuning.global_batch) * tuning.epochs
    steps = steps if tuning.max_steps < 0 else min(steps, tuning.max_steps)
    yield (
        f"steps: {steps:,} of {tuning.global_batch} samples ({tuning.batch_size} a GPU x {tuning.accumulation}"
        f" accumulated x {processes} GPUs), {samples:,} samples, {tuning.epochs} epochs"
    )
    yield (
        f"tokens: about {samples * tuning.epochs * length / 1e6:,.0f} million, at {length} a sample (assumed; at most"
        f" {tuning.max_length})"
    )


def _memory_lines(cfg: DictConfig, model: VisionLanguageModel, processes: int) -> Iterator[str]:
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
    if setup.is_sharded(cfg):
        chosen, layout = processes, f"trainer.strategy shards over {processes}"
    else:
        chosen, layout = 1, f"trainer.strategy={cfg.trainer.strategy} keeps a copy on each GPU"
    if all(fit for (shards, _), fit in fits.items() if shards == chosen):
        yield f"  {layout}: it fits"
    else:
        yield f"  {layout}: not every batch fits"
        if chosen == 1 and processes > 1 and all(fit for (shards, _), fit in fits.items() if shards == processes):
            yield "  trainer=v100x8_sharded shards: it fits"


def _file_lines(cfg: DictConfig) -> Iterator[str]:
    missing = missing_files(cfg)
    yield "files that are missing" if missing else "files: all there"
    for path, source in missing:
        yield f"  {path}\n    from {source}"
