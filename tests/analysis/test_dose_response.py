"""Dose-response and noise: planted effects, variances and powers are found again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from vlit.analysis.measurements import Quality, Scores
from vlit.analysis.statistics.variance import (
    components_table,
    correlation_power,
    power_table,
    simulated_power,
    variance_components,
)
from vlit.analysis.study.doses import (
    DoseDesign,
    dose_effects,
    dose_effects_table,
    dose_figure,
    indicator_effects,
    indicator_effects_table,
    predictions_table,
    rank_predictions,
)
from vlit.mini.doses.design import BASE_DOSE, PRINCIPLES, doses

CONF = Path(__file__).parents[2] / "conf"
SLOPE = -20.0  # points per unit of error rate
SEED_SD = 0.5


@pytest.fixture(scope="module")
def design() -> DoseDesign:
    return DoseDesign.of(OmegaConf.load(CONF / "tables.yaml").doses)


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


def test_the_configured_design_is_that_of_the_mini_datasets(design: DoseDesign) -> None:
    made = {each.name: each for each in doses()}
    assert tuple(design.series) == PRINCIPLES
    assert design.base in made
    for principle, series in design.series.items():
        expected = {name: each.dose for name, each in made.items() if each.principle == principle}
        assert series.doses == {**expected, design.base: BASE_DOSE[principle]}
        assert all(design.includes(name) for name in series.doses)
    assert not design.includes("ours_qc")


def test_a_panel_of_the_figure_shows_each_dose_of_a_principle(design: DoseDesign, scores: Scores) -> None:
    series = {name: design.series[name] for name in ("correctness", "balance")}  # fewer than a row of panels
    panels = dose_figure(DoseDesign(design.prefix, design.base, series), scores).axes
    assert [panel.get_title() for panel in panels if panel.get_visible()] == ["correctness", "balance"]
    assert panels[0].get_xlabel() == "share of wrong responses"
    line = panels[0].get_lines()[0]
    assert list(line.get_xdata()) == sorted(series["correctness"].doses.values())
    assert list(line.get_ydata()) == pytest.approx(
        [scores.mean.loc[(scores.models[0], name), "Overall"] for name in ("dose_base_0", *_names("correctness"))]
    )


def _names(principle: str) -> list[str]:
    return [each.name for each in doses() if each.principle == principle]


def test_a_planted_effect_is_found_and_no_other(design: DoseDesign, scores: Scores) -> None:
    found = dose_effects(design, scores).set_index("principle")
    x = [BASE_DOSE["correctness"], *(each.dose for each in doses() if each.principle == "correctness")]
    planted = SLOPE * float(np.std(x, ddof=1))
    assert found.loc["correctness", "slope"] == pytest.approx(planted, abs=0.3)
    assert found.loc["correctness", "low"] < planted < found.loc["correctness", "high"] < 0
    assert found.datasets.eq(5).all()
    assert found.runs.eq(60).all()
    assert found.drop("correctness").slope.abs().max() < 0.5
    assert "correctness" in dose_effects_table(found.reset_index()).rows[0][0]


def test_the_indicator_that_moves_with_performance_predicts_it(scores: Scores) -> None:
    overall = scores.dataset_means["Overall"]
    values = pd.DataFrame({"MD": overall.rank() * 2.0, "T": 9.0, "OG": np.arange(25) % 5.0}, index=overall.index)
    found = rank_predictions(Quality(values, values * 0), scores).set_index("indicator")
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
    found = variance_components(scores).set_index("dimension").loc["Overall"]
    assert found.seed == pytest.approx(SEED_SD**2, rel=0.2)
    assert found.seed_low < SEED_SD**2 < found.seed_high
    assert found.freedom == 75 * 3
    assert found.questions == pytest.approx(1e4 * 0.42 * 0.58 / 1800, rel=0.1)
    table = power_table(variance_components(scores), 3)
    assert len(table.rows) == 9
    assert components_table(variance_components(scores)).rows[0][0] == "Overall"


@pytest.mark.parametrize(("effect", "datasets"), [(0.0, 4), (1.0, 4), (1.0, 12), (0.5, 24), (8.0, 24)])
def test_simulated_power_is_the_closed_forms(effect: float, datasets: int) -> None:
    expected = correlation_power(effect, 1.0, datasets)
    assert simulated_power(effect, 1.0, datasets) == pytest.approx(expected, abs=4 * (0.25 / 2000) ** 0.5)
    if effect == 0:
        assert expected == pytest.approx(0.05)
