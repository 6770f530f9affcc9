"""LAVIS's learning-rate schedule, step by step, from its own file."""

from __future__ import annotations

import importlib
import sys
import types
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from vlit.tuning.optimization import lavis_linear_warmup_cosine

pytestmark = pytest.mark.reference


@pytest.fixture(scope="module")
def optims():
    """`lavis.common.optims`, without what `import lavis` pulls in besides: every model and dataset."""
    found = find_spec("lavis")
    assert found is not None and found.submodule_search_locations
    bare = types.ModuleType("lavis")
    bare.__path__ = [str(Path(next(iter(found.submodule_search_locations))))]
    before = sys.modules.get("lavis")
    sys.modules["lavis"] = bare
    yield importlib.import_module("lavis.common.optims")
    if before is None:
        sys.modules.pop("lavis", None)
    else:
        sys.modules["lavis"] = before


@pytest.mark.parametrize(
    ("epochs", "steps_per_epoch", "warmup"), [(1, 200, 50), (1, 40, 1000), (4, 60, 10), (3, 20, 30), (5, 10, 0)]
)
def test_every_step_has_the_original_rate(optims, epochs: int, steps_per_epoch: int, warmup: int) -> None:
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=1e-5)
    theirs = optims.LinearWarmupCosineLRScheduler(
        optimizer, max_epoch=epochs, min_lr=1e-6, init_lr=1e-5, warmup_steps=warmup, warmup_start_lr=1e-8
    )
    ours = lavis_linear_warmup_cosine(
        torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=1e-5),
        total_steps=epochs * steps_per_epoch,
        steps_per_epoch=steps_per_epoch,
        base_rate=1e-5,
        warmup_rate=1e-8,
        minimum_rate=1e-6,
        warmup_steps=warmup,
        epochs=epochs,
    ).lr_lambdas[0]
    for epoch in range(epochs):
        for step in range(steps_per_epoch):
            theirs.step(cur_epoch=epoch, cur_step=step)
            expected = optimizer.param_groups[0]["lr"]
            assert 1e-5 * ours(epoch * steps_per_epoch + step) == pytest.approx(expected, rel=1e-12), (epoch, step)
