"""The ranking benchmark at a toy size: its three ways agree, and it sees a way that does not."""

from __future__ import annotations

import importlib.util
import sys

import pytest
import torch

from tests.conftest import FAMILIES, ROOT
from vlit.common.errors import InputError

# By its path: an installed package is also called `benchmarks`.
specification = importlib.util.spec_from_file_location("ranking_speed", ROOT / "benchmarks" / "ranking_speed.py")
assert specification is not None and specification.loader is not None
ranking_speed = importlib.util.module_from_spec(specification)
sys.modules["ranking_speed"] = ranking_speed
specification.loader.exec_module(ranking_speed)

TOY = ranking_speed.Size(width=64, layers=2, vocabulary=1024)
IMAGE_TOKENS = {"llava": 256, "blip2": 32, "openflamingo": 1}


@pytest.mark.parametrize("name", FAMILIES)
def test_all_ways_give_the_same_scores_at_the_published_geometry(name: str) -> None:
    found = ranking_speed.measure(name, TOY, number=1, batch=1, rounds=1)
    assert found["image_tokens"] == IMAGE_TOKENS[name]
    assert found["largest_difference"] < 1e-4
    assert all(rate > 0 for rate in found["questions_per_second"].values())


def test_a_way_that_scores_differently_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(model, batch):
        sums, means = ranking_speed.choice_scores(model, batch)
        return sums + torch.tensor([0.0, 0.0, 0.0, 0.01]), means

    monkeypatch.setitem(ranking_speed.WAYS, "ours", wrong)
    with pytest.raises(InputError, match="differ"):
        ranking_speed.measure("blip2", TOY, number=1, batch=1, rounds=1)
