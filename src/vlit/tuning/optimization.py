"""Learning-rate schedules and parameter groups of each upstream project (Tables 6-8)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import nn

Schedule = Callable[[int], float]


def cosine_with_warmup(total_steps: int, steps_per_epoch: int, warmup_ratio: float) -> Schedule:
    """LLaVA's `lr_scheduler_type: cosine` with `warmup_ratio` (Table 6): linear from 0, then half a cosine to 0."""
    warmup = math.ceil(total_steps * warmup_ratio)

    def factor(step: int) -> float:
        if step < warmup:
            return step / max(1, warmup)
        progress = (step - warmup) / max(1, total_steps - warmup)
        return max(0.0, 0.5 * (1.0 + math.cos(math.pi * progress)))

    return factor


def lavis_linear_warmup_cosine(
    total_steps: int,
    steps_per_epoch: int,
    base_rate: float,
    warmup_rate: float,
    minimum_rate: float,
    warmup_steps: int,
    epochs: int,
    per_step: bool = False,
) -> Schedule:
    """LAVIS's `linear_warmup_cosine_lr` (Table 7).

    As LAVIS has it, warm-up goes by step within epoch 0 and the cosine by *epoch*: the rate is constant within every
    later epoch, and a run of one epoch never decays. `per_step=True` is the cosine one would expect instead.
    """

    def factor(step: int) -> float:
        epoch = step // steps_per_epoch
        if step < max(warmup_steps, 1) and epoch == 0:
            rate = min(base_rate, warmup_rate + (base_rate - warmup_rate) * step / max(warmup_steps, 1))
        else:
            progress = step / total_steps if per_step else epoch / epochs
            rate = (base_rate - minimum_rate) * 0.5 * (1.0 + math.cos(math.pi * progress)) + minimum_rate
        return rate / base_rate

    return factor


def constant_with_warmup(total_steps: int, steps_per_epoch: int, warmup_steps: int) -> Schedule:
    """OpenFlamingo's default schedule (Table 8): linear from 0 over `warmup_steps`, then constant."""

    def factor(step: int) -> float:
        return step / warmup_steps if step < warmup_steps else 1.0

    return factor


def matrices(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Decay matrices only: no biases, no norms (LAVIS; also Hugging Face's trainer, which LLaVA uses)."""
    return _split(model, weight_decay, lambda name, parameter: parameter.ndim >= 2)


def cross_attention(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Decay gated cross-attention only, its norms and gates included (open_flamingo's `get_grouped_params`)."""
    return _split(model, weight_decay, lambda name, parameter: "gated_cross_attn_layer" in name)


def _split(model: nn.Module, weight_decay: float, decays: Any) -> list[dict[str, Any]]:
    learning = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    decayed = [parameter for name, parameter in learning if decays(name, parameter)]
    rest = [parameter for name, parameter in learning if not decays(name, parameter)]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]
