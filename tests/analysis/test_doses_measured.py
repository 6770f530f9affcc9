"""The committed measurement of indicators on doses says what docs/quality.md says of it."""

from __future__ import annotations

import json

import pytest

from tests.conftest import ROOT

FOLLOWED = json.loads((ROOT / "results/quality/doses.json").read_text())["followed"]


@pytest.mark.parametrize(
    ("principle", "indicator", "direction"),
    [
        ("correctness", "MD", -1), ("task_diversity", "T", 1), ("instruction_diversity", "I_forms", 1),
        ("response_diversity", "R_forms", 1), ("complexity", "I_cx_steps", 1), ("complexity", "I_cx_rule", 1),
        ("complexity", "OG", 1),
    ],
)  # fmt: skip
def test_an_indicator_follows_the_dose_that_is_named_like_it(principle: str, indicator: str, direction: int) -> None:
    assert direction * FOLLOWED[principle][indicator]["rho"] >= 0.9


@pytest.mark.parametrize(
    ("principle", "indicator"),
    [("task_diversity", "T"), ("instruction_diversity", "I_forms"), ("response_diversity", "R_forms"),
     ("complexity", "I_cx_steps"), ("complexity", "I_cx_rule"), ("complexity", "OG")],
)  # fmt: skip
def test_it_moves_more_with_its_own_dose_than_with_any_other(principle: str, indicator: str) -> None:
    others = [cells[indicator]["moves"] for name, cells in FOLLOWED.items() if name != principle]
    assert FOLLOWED[principle][indicator]["moves"] > 1.9 * max(others)


def test_what_does_not_follow_is_said() -> None:
    assert FOLLOWED["instruction_diversity"]["I_div"]["rho"] < 0
    assert FOLLOWED["response_diversity"]["R"]["rho"] < 0.5
    assert FOLLOWED["balance"]["Balance"]["rho"] == pytest.approx(0.6)
