"""Schedules against their definitions, step by step."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.optim import AdamW
from transformers import get_constant_schedule_with_warmup, get_cosine_schedule_with_warmup

from vlit.tuning.optimization import (
    constant_with_warmup,
    cosine_with_warmup,
    cross_attention,
    lavis_linear_warmup_cosine,
    matrices,
)


def rates_of(scheduler, optimizer, steps: int) -> list[float]:
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize(("total", "ratio"), [(100, 0.03), (37, 0.2), (10, 0.0)])
def test_cosine_equals_transformers(total: int, ratio: float) -> None:
    import math

    optimizer = AdamW([nn.Parameter(nn.Linear(1, 1).weight.data)], lr=1.0)
    theirs = rates_of(get_cosine_schedule_with_warmup(optimizer, math.ceil(total * ratio), total), optimizer, total)
    ours = cosine_with_warmup(total, total, ratio)
    assert [ours(step) for step in range(total)] == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("warmup", [7, 1, 0])
def test_constant_equals_transformers(warmup: int) -> None:
    optimizer = AdamW([nn.Parameter(nn.Linear(1, 1).weight.data)], lr=1.0)
    theirs = rates_of(get_constant_schedule_with_warmup(optimizer, warmup), optimizer, 30)
    ours = constant_with_warmup(30, 30, warmup)
    assert [ours(step) for step in range(30)] == pytest.approx(theirs, abs=1e-12)


def lavis(**changes):
    options = {"base_rate": 1e-5, "warmup_rate": 1e-8, "minimum_rate": 0.0, "warmup_steps": 1000, "epochs": 1}
    return lavis_linear_warmup_cosine(total_steps=4000, steps_per_epoch=4000, **{**options, **changes})


def test_lavis_with_one_epoch_never_decays() -> None:
    factor = lavis()
    assert factor(0) == pytest.approx(1e-3)
    assert factor(500) == pytest.approx((1e-8 + (1e-5 - 1e-8) * 0.5) / 1e-5)
    assert [factor(step) for step in (1000, 2500, 3999)] == [1.0, 1.0, 1.0]


def test_lavis_is_constant_within_later_epochs() -> None:
    factor = lavis_linear_warmup_cosine(
        total_steps=400,
        steps_per_epoch=100,
        base_rate=1.0,
        warmup_rate=0.0,
        minimum_rate=0.1,
        warmup_steps=10,
        epochs=4,
    )
    assert {factor(step) for step in range(100, 200)} == {factor(150)}
    assert factor(250) == pytest.approx(0.9 * 0.5 + 0.1)  # half way: the cosine is 0


def test_the_cosine_by_step_decays_within_one_epoch() -> None:
    factor = lavis(per_step=True)
    assert factor(2000) == pytest.approx(0.5)
    assert factor(4000) == pytest.approx(0.0)


@given(st.integers(1, 500), st.floats(0, 1))
def test_a_schedule_is_never_negative_nor_above_one(total: int, ratio: float) -> None:
    factor = cosine_with_warmup(total, total, ratio)
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
