"""Learning-rate schedules and weight decay of the three upstream projects (Tables 6-8)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler
from transformers import get_constant_schedule_with_warmup, get_cosine_schedule_with_warmup


def cosine_with_warmup(
    optimizer: Optimizer, total_steps: int, steps_per_epoch: int, warmup_ratio: float
) -> LRScheduler:
    """Return LLaVA's schedule (`lr_scheduler_type: cosine`, Table 6): linear from 0, then half a cosine to 0.

    Args:
        optimizer: optimiser whose rates are scheduled.
        total_steps: optimiser steps of the run.
        steps_per_epoch: optimiser steps per epoch, which this schedule does not depend on.
        warmup_ratio: share of all steps in which the rate rises; a part of a step counts as one.
    """
    return get_cosine_schedule_with_warmup(optimizer, math.ceil(total_steps * warmup_ratio), total_steps)


def constant_with_warmup(
    optimizer: Optimizer, total_steps: int, steps_per_epoch: int, warmup_steps: int
) -> LRScheduler:
    """Return OpenFlamingo's default schedule (Table 8): linear from 0 over `warmup_steps`, then constant.

    Args:
        optimizer: optimiser whose rates are scheduled.
        total_steps: optimiser steps of the run, which this schedule does not depend on.
        steps_per_epoch: optimiser steps per epoch, which it does not depend on either.
        warmup_steps: optimiser steps in which the rate rises.
    """
    return get_constant_schedule_with_warmup(optimizer, warmup_steps)


def lavis_linear_warmup_cosine(
    optimizer: Optimizer,
    total_steps: int,
    steps_per_epoch: int,
    base_rate: float,
    warmup_rate: float,
    minimum_rate: float,
    warmup_steps: int,
    epochs: int,
    per_step: bool = False,
) -> LRScheduler:
    """Return LAVIS's `linear_warmup_cosine_lr` (Table 7).

    In LAVIS warm-up goes by step within epoch 0 and the cosine by *epoch*: the rate is constant within every later
    epoch, and a run of one epoch never decays. `per_step=True` is the cosine by step that one would expect.

    Args:
        optimizer: optimiser whose rates are scheduled, `base_rate` at first.
        total_steps: optimiser steps of the run.
        steps_per_epoch: optimiser steps per epoch.
        base_rate: rate after warm-up, LAVIS's `init_lr`.
        warmup_rate: rate of the first step, LAVIS's `warmup_lr`.
        minimum_rate: rate at the end of the cosine, LAVIS's `min_lr`.
        warmup_steps: optimiser steps in which the rate rises.
        epochs: epochs of the cosine, LAVIS's `max_epoch`.
        per_step: whether the cosine goes by step.
    """

    def factor(step: int) -> float:
        epoch = step // steps_per_epoch
        if step < max(warmup_steps, 1) and epoch == 0:
            rate = min(base_rate, warmup_rate + (base_rate - warmup_rate) * step / max(warmup_steps, 1))
        else:
            progress = step / total_steps if per_step else epoch / epochs
            rate = (base_rate - minimum_rate) * 0.5 * (1.0 + math.cos(math.pi * progress)) + minimum_rate
        return rate / base_rate

    return LambdaLR(optimizer, factor)


def matrices(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return parameter groups that decay matrices only: no biases, no norms (LAVIS; also LLaVA's trainer).

    Args:
        model: model whose trained parameters are grouped.
        weight_decay: weight decay of the first group; the second has none.
    """
    return _groups(model, weight_decay, lambda name, parameter: parameter.ndim >= 2)


def cross_attention(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return parameter groups that decay gated cross-attention only, its norms and gates included.

    This is open_flamingo's `get_grouped_params`.

    Args:
        model: model whose trained parameters are grouped.
        weight_decay: weight decay of the first group; the second has none.
    """
    return _groups(model, weight_decay, lambda name, parameter: "gated_cross_attn_layer" in name)


def _groups(model: nn.Module, weight_decay: float, decays: Callable[[str, nn.Parameter], bool]) -> list[dict[str, Any]]:
    trained = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    decayed = [parameter for name, parameter in trained if decays(name, parameter)]
    rest = [parameter for name, parameter in trained if not decays(name, parameter)]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]
