"""A plain training loop for all stages: AdamW, warm-up and cosine, a progress bar, resume after an interruption."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm

from vlit.models.loading import read_torch


def fit(
    name: str,
    module: nn.Module,
    loss: Callable[[int], torch.Tensor],
    steps: int,
    rate: float,
    saved: Path,
    weight_decay: float = 0.05,
    warmup: float = 0.05,
    clip: float = 1.0,
    every: int = 200,
) -> None:
    """Train the parameters of `module` that require gradients.

    Args:
        name: label of the progress bar.
        module: the module to train.
        loss: step -> scalar loss of that step's batch; a pure function of step and weights, so that resuming is exact.
        steps: optimiser steps.
        rate: peak learning rate.
        saved: file with the state of an interrupted run; removed at the end.
        weight_decay: decay of matrices; vectors have none.
        warmup: share of the steps over which the rate rises.
        clip: largest norm of the gradient.
        every: steps between two saves.
    """
    learning = [parameter for parameter in module.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in learning if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in learning if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _factor(step, steps, warmup))
    start = _resume(saved, module, optimizer, schedule)
    module.train()
    bar = tqdm(range(start, steps), initial=start, total=steps, desc=name, mininterval=2.0)
    average: float | None = None
    for step in bar:
        torch.manual_seed(step)
        value = loss(step)
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        nn.utils.clip_grad_norm_(learning, clip)
        optimizer.step()
        schedule.step()
        average = value.item() if average is None else 0.98 * average + 0.02 * value.item()
        bar.set_postfix(loss=f"{average:.3f}", refresh=False)
        if (step + 1) % every == 0 and step + 1 < steps:
            _save(saved, step + 1, module, optimizer, schedule)
    module.eval()
    saved.unlink(missing_ok=True)


def batches(lengths: list[int], count: int, seed: int) -> Callable[[int], list[int]]:
    """Return a function from a step to the sample indices of its batch.

    Epochs are in seeded orders, without a sample twice. Batches are cut from pools of sixteen batches sorted by length,
    then shuffled: hardly any padding, still random.

    Args:
        lengths: length of each sample.
        count: samples per batch.
        seed: seed of the orders.
    """
    plans: dict[int, list[list[int]]] = {}
    per_epoch = len(lengths) // count

    def plan(epoch: int) -> list[list[int]]:
        generator = torch.Generator().manual_seed(seed * 100_003 + epoch)
        order = torch.randperm(len(lengths), generator=generator).tolist()
        cut = []
        for start in range(0, len(order), count * 16):
            pool = sorted(order[start : start + count * 16], key=lambda index: lengths[index])
            cut += [pool[first : first + count] for first in range(0, len(pool) - count + 1, count)]
        shuffled = torch.randperm(len(cut), generator=generator).tolist()
        return [cut[index] for index in shuffled]

    def batch(step: int) -> list[int]:
        epoch, index = divmod(step, per_epoch)
        if epoch not in plans:
            plans.clear()
            plans[epoch] = plan(epoch)
        return plans[epoch][index]

    return batch


def _factor(step: int, steps: int, warmup: float) -> float:
    first = max(1, int(steps * warmup))
    if step < first:
        return (step + 1) / first
    return 0.5 * (1 + math.cos(math.pi * (step - first) / max(1, steps - first))) * 0.98 + 0.02


def _save(saved: Path, step: int, module: nn.Module, optimizer: torch.optim.Optimizer, schedule: object) -> None:
    saved.parent.mkdir(parents=True, exist_ok=True)
    temporary = saved.with_suffix(".part")
    state = {"step": step, "module": module.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save({**state, "schedule": schedule.state_dict()}, temporary)  # type: ignore[attr-defined]
    temporary.replace(saved)


def _resume(saved: Path, module: nn.Module, optimizer: torch.optim.Optimizer, schedule: object) -> int:
    if not saved.exists():
        return 0
    state = read_torch(saved)
    module.load_state_dict(state["module"])
    optimizer.load_state_dict(state["optimizer"])
    schedule.load_state_dict(state["schedule"])  # type: ignore[attr-defined]
    return int(state["step"])
