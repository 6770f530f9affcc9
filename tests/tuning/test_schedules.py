"""Schedules against their definitions, step by step, and the parameter groups of weight decay."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from vlit.tuning.optimization import (
    constant_with_warmup,
    cosine_with_warmup,
    cross_attention,
    lavis_linear_warmup_cosine,
    matrices,
)


def factors(make: Callable, **options) -> Callable[[int], float]:
    """The factor of the rate by step."""
    return make(torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0), **options).lr_lambdas[0]


@given(st.integers(1, 3000), st.floats(0, 1))
def test_the_cosine_has_the_bits_of_its_definition(total: int, ratio: float) -> None:
    factor = factors(cosine_with_warmup, total_steps=total, steps_per_epoch=total, warmup_ratio=ratio)
    warmup = math.ceil(total * ratio)
    for step in range(total + 1):
        if step < warmup:
            expected = step / max(1, warmup)
        else:
            expected = max(0.0, 0.5 * (1.0 + math.cos(math.pi * ((step - warmup) / max(1, total - warmup)))))
        assert factor(step) == expected


@given(st.integers(0, 3000))
def test_the_constant_schedule_has_the_bits_of_its_definition(warmup: int) -> None:
    factor = factors(constant_with_warmup, total_steps=warmup + 10, steps_per_epoch=warmup + 10, warmup_steps=warmup)
    assert all(factor(step) == (step / warmup if step < warmup else 1.0) for step in range(warmup + 10))


@pytest.mark.parametrize(
    ("make", "options"), [(cosine_with_warmup, {"warmup_ratio": 0.2}), (constant_with_warmup, {"warmup_steps": 5})]
)
def test_a_schedule_that_is_loaded_continues(make: Callable, options: dict) -> None:
    def scheduled():
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
        return optimizer, make(optimizer, total_steps=20, steps_per_epoch=20, **options)

    def rates(optimizer, schedule, steps: int) -> list[float]:
        found = []
        for _ in range(steps):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        return found

    expected = rates(*scheduled(), 20)
    optimizer, schedule = scheduled()
    before = rates(optimizer, schedule, 7)
    again, continued = scheduled()
    again.load_state_dict(optimizer.state_dict())
    continued.load_state_dict(schedule.state_dict())
    assert before + rates(again, continued, 13) == expected


def lavis(**changes) -> Callable[[int], float]:
    options = {"base_rate": 1e-5, "warmup_rate": 1e-8, "minimum_rate": 0.0, "warmup_steps": 1000, "epochs": 1}
    options |= {"total_steps": 4000, "steps_per_epoch": 4000}
    return factors(lavis_linear_warmup_cosine, **{**options, **changes})


def test_lavis_with_one_epoch_never_decays() -> None:
    factor = lavis()
    assert factor(0) == pytest.approx(1e-3)
    assert factor(500) == pytest.approx((1e-8 + (1e-5 - 1e-8) * 0.5) / 1e-5)
    assert [factor(step) for step in (1000, 2500, 3999)] == [1.0, 1.0, 1.0]


def test_lavis_is_constant_within_later_epochs() -> None:
    factor = lavis(
        total_steps=400, steps_per_epoch=100, base_rate=1.0, warmup_rate=0.0, minimum_rate=0.1, warmup_steps=10,
        epochs=4,
    )  # fmt: skip
    assert {factor(step) for step in range(100, 200)} == {factor(150)}
    assert factor(250) == pytest.approx(0.9 * 0.5 + 0.1)  # half way: the cosine is 0


def test_the_cosine_by_step_decays_within_one_epoch() -> None:
    factor = lavis(per_step=True)
    assert factor(2000) == pytest.approx(0.5)
    assert factor(4000) == pytest.approx(0.0)


@given(st.integers(1, 500), st.floats(0, 1))
def test_a_schedule_is_never_negative_nor_above_one(total: int, ratio: float) -> None:
    factor = factors(cosine_with_warmup, total_steps=total, steps_per_epoch=total, warmup_ratio=ratio)
    assert all(0 <= factor(step) <= 1 for step in range(total + 1))


class TwoLayers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gated_cross_attn_layer = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3))
        self.other = nn.Linear(3, 4)
        self.frozen = nn.Linear(4, 4).requires_grad_(False)


def test_weight_decay_spares_biases_norms_and_frozen_parameters() -> None:
    model = TwoLayers()
    decayed, rest = matrices(model, 0.05)
    assert {id(p) for p in decayed["params"]} == {id(model.gated_cross_attn_layer[0].weight), id(model.other.weight)}
    assert (decayed["weight_decay"], rest["weight_decay"]) == (0.05, 0.0)
    assert len(rest["params"]) == 4


def test_openflamingo_decays_all_of_cross_attention_and_nothing_else() -> None:
    model = TwoLayers()
    decayed, rest = cross_attention(model, 0.1)
    assert {id(p) for p in decayed["params"]} == {id(p) for p in model.gated_cross_attn_layer.parameters()}
    assert {id(p) for p in rest["params"]} == {id(p) for p in model.other.parameters()}
