"""Dose-response and noise: planted effects, variances and powers are found again."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from vlit.analysis.measurements import Quality, Scores
from vlit.analysis.study.doses import (
    effects,
    effects_table,
    indicator_effects,
    indicator_effects_table,
    predictions,
    predictions_table,
)
from vlit.analysis.study.noise import components, components_table, power, power_table, simulated_power
from vlit.mini.doses.design import BASE_DOSE, doses

SLOPE = -20.0  # points per unit of error rate
SEED_SD = 0.5


@pytest.fixture(scope="module")
def scores() -> Scores:
    rng = np.random.default_rng(0)
    cells = {}
    for model, level in (("LLaVA", 50.0), ("BLIP-2", 40.0), ("OpenFlamingo", 35.0)):
        for each in doses():
            right = level + (SLOPE * each.dose if each.principle == "correctness" else 0)
            for seed in range(4):
                cells[model, each.name, seed] = {"Overall": right + rng.normal(0, SEED_SD)}
    per_seed = pd.DataFrame.from_dict(cells, orient="index")
    per_seed.index = pd.MultiIndex.from_tuples(per_seed.index, names=["model", "data", "seed"])
    groups = per_seed.groupby(level=["model", "data"])
    mean, std, seeds = groups.mean(), groups.std(), groups.size()
    return Scores(mean, std, seeds, per_seed, mean * 0, {"Overall": 1800})


def test_a_planted_effect_is_found_and_no_other(scores: Scores) -> None:
    found = effects(scores).set_index("principle")
    x = [BASE_DOSE["correctness"], *(each.dose for each in doses() if each.principle == "correctness")]
    planted = SLOPE * float(np.std(x, ddof=1))
    assert found.loc["correctness", "slope"] == pytest.approx(planted, abs=0.3)
    assert found.loc["correctness", "low"] < planted < found.loc["correctness", "high"] < 0
    assert found.datasets.eq(5).all()
    assert found.runs.eq(60).all()
    assert found.drop("correctness").slope.abs().max() < 0.5
    assert "correctness" in effects_table(found.reset_index()).rows[0][0]


def test_the_indicator_that_moves_with_performance_predicts_it(scores: Scores) -> None:
    overall = scores.dataset_means["Overall"]
    values = pd.DataFrame({"MD": overall.rank() * 2.0, "T": 9.0, "OG": np.arange(25) % 5.0}, index=overall.index)
    found = predictions(Quality(values, values * 0), scores).set_index("indicator")
    assert found.loc["MD", "rho"] == pytest.approx(1)
    assert found.loc["MD", "low"] == pytest.approx(1)
    assert "same for every dataset" in found.loc["TD", "reason"]
    assert found.loc["OC", "low"] < found.loc["OC", "rho"] < found.loc["OC", "high"]
    assert len(predictions_table(found.reset_index()).rows) == 3


def test_the_slope_on_an_indicator_is_that_of_the_datasets_means(scores: Scores) -> None:
    overall = scores.dataset_means["Overall"]
    planted = (overall - overall.mean()) / overall.std() * 3 + 7
    values = pd.DataFrame({"MD": planted, "T": 9.0, "C": planted.where(planted.index < "dose_c")}, index=overall.index)
    found = indicator_effects(Quality(values, values * 0), scores).set_index("indicator")
    assert found.loc["MD", "slope"] == pytest.approx(overall.std())  # the design is balanced: least squares of means
    assert found.loc["MD", ["datasets", "runs"]].tolist() == [25, 25 * 12]
    assert found.loc["MD", "low"] < found.loc["MD", "slope"] < found.loc["MD", "high"]
    assert found.loc["TD", "reason"] == "it is the same for every dataset"
    assert found.loc["C", "datasets"] == values.C.notna().sum()
    assert [row[0] for row in indicator_effects_table(found.reset_index()).rows] == ["MD", "TD", "C"]


def test_variance_by_seed_and_by_question(scores: Scores) -> None:
    found = components(scores).set_index("dimension").loc["Overall"]
    assert found.seed == pytest.approx(SEED_SD**2, rel=0.2)
    assert found.seed_low < SEED_SD**2 < found.seed_high
    assert found.freedom == 75 * 3
    assert found.questions == pytest.approx(1e4 * 0.42 * 0.58 / 1800, rel=0.1)
    table = power_table(components(scores), 3)
    assert len(table.rows) == 9
    assert components_table(components(scores)).rows[0][0] == "Overall"


@pytest.mark.parametrize(("effect", "datasets"), [(0.0, 4), (1.0, 4), (1.0, 12), (0.5, 24), (8.0, 24)])
def test_simulated_power_is_the_closed_forms(effect: float, datasets: int) -> None:
    expected = power(effect, 1.0, datasets)
    assert simulated_power(effect, 1.0, datasets) == pytest.approx(expected, abs=4 * (0.25 / 2000) ** 0.5)
    if effect == 0:
        assert expected == pytest.approx(0.05)
