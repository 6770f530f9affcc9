"""ICC, correlations and the statistics beyond the paper, against independent computations."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from vlit.analysis.audit.intervals import consistency
from vlit.analysis.measurements import Quality, Scores
from vlit.analysis.published import PublishedTables, read_published
from vlit.analysis.statistics.correlation import (
    correlate,
    leave_one_out,
    permutation_p,
    robust_statistics,
    significance_stars,
)
from vlit.analysis.statistics.reliability import FORMS, icc, why_icc_undefined


@pytest.fixture(scope="module")
def published(published_folder: Path) -> PublishedTables:
    return read_published(published_folder)


def scores_of(table: dict[tuple[str, str], list[float]], columns: list[str]) -> Scores:
    index = pd.MultiIndex.from_tuples(list(table), names=["model", "data"])
    mean = pd.DataFrame(list(table.values()), index, columns)
    single = pd.concat({0: mean}, names=["seed"]).reorder_levels(["model", "data", "seed"])
    return Scores(mean, mean * np.nan, pd.Series(1, index), single, mean * 0)


def quality_of(values: dict[str, list[float]], data: list[str]) -> Quality:
    frame = pd.DataFrame(values, index=data, dtype=float)
    return Quality(frame, frame * 0)


def anova_icc(table: np.ndarray) -> dict[str, float]:
    """All forms from the mean squares of McGraw and Wong (1996)."""
    n, k = table.shape
    grand = table.mean()
    rows = k * ((table.mean(1) - grand) ** 2).sum() / (n - 1)
    columns = n * ((table.mean(0) - grand) ** 2).sum() / (k - 1)
    total = ((table - grand) ** 2).sum()
    error = (total - rows * (n - 1) - columns * (k - 1)) / ((n - 1) * (k - 1))
    within = (total - rows * (n - 1)) / (n * (k - 1))
    return {
        "ICC(1,1)": (rows - within) / (rows + (k - 1) * within),
        "ICC(1,k)": (rows - within) / rows,
        "ICC(A,1)": (rows - error) / (rows + (k - 1) * error + k * (columns - error) / n),
        "ICC(A,k)": (rows - error) / (rows + (columns - error) / n),
        "ICC(C,1)": (rows - error) / (rows + (k - 1) * error),
        "ICC(C,k)": (rows - error) / rows,
    }


def test_the_published_icc_is_consistency_over_columns_with_overall(published: PublishedTables) -> None:
    for data in ("LLaVA", "MIMIC-IT", "Ours+QC"):
        found = icc(published.scores.of(data))
        assert round(found.single, 4) == published.icc.loc[data, "ICC_single"]
        assert round(found.average, 4) == published.icc.loc[data, "ICC_average"]
    assert round(icc(published.scores.of("Ours")).single, 4) == 0.2840  # printed: 0.3028


@pytest.mark.parametrize("shape", [(10, 3), (4, 2), (3, 7)])
@pytest.mark.parametrize("form", FORMS)
def test_icc_agrees_with_mean_squares(shape: tuple[int, int], form: str) -> None:
    table = np.random.default_rng(sum(shape)).normal(30, 5, shape) + np.arange(shape[0])[:, None]
    found, expected = icc(pd.DataFrame(table), form), anova_icc(table)
    single, average = FORMS[form]
    assert found.single == pytest.approx(expected[single], abs=1e-10)
    assert found.average == pytest.approx(expected[average], abs=1e-10)
    assert consistency(table, False) == pytest.approx(expected["ICC(C,1)"], abs=1e-12)
    assert consistency(table, True) == pytest.approx(expected["ICC(C,k)"], abs=1e-12)


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (np.ones((4, 3)), "equal"),
        (np.ones((4, 1)), "two models"),
        (np.ones((1, 6)), "two columns"),
        (np.ones((2, 2)), "at least"),
        (np.array([[1.0, np.nan, 2.0]] * 3), "missing"),
        (np.tile([1.0, 2.0, 3.0], (5, 1)), "vary"),
    ],
)
def test_an_undefined_icc_says_why(table: np.ndarray, reason: str) -> None:
    found = icc(pd.DataFrame(table))
    assert np.isnan(found.single)
    assert reason in found.reason


def test_perfect_agreement_is_one() -> None:
    assert icc(pd.DataFrame(np.tile(np.arange(5.0)[:, None], 3))).single == 1.0


@pytest.mark.parametrize("n", [3, 4, 5, 9])
def test_correlations_agree_with_an_independent_computation(n: int) -> None:
    rng = np.random.default_rng(n)
    data, models = [f"d{i}" for i in range(n)], [f"m{i}" for i in range(1 + n % 3)]
    values = {(m, d): rng.uniform(10, 50, 2).tolist() for m in models for d in data}
    scores, x = scores_of(values, ["Overall", "SU"]), rng.uniform(0, 1, n)
    found = correlate(quality_of({"MD": x.tolist()}, data), scores).set_index("dimension")
    for place, column in enumerate(["Overall", "SU"]):
        y = np.array([np.mean([values[m, d][place] for m in models]) for d in data])
        assert found.loc[column, "r"] == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-10)
        slope = stats.linregress(x, y)
        assert found.loc[column, "p"] == pytest.approx(slope.pvalue, abs=1e-10)
        assert found.loc[column, "n"] == n


def test_undefined_correlations_say_why_and_the_rest_stays() -> None:
    data = ["a", "b", "c", "d"]
    scores = scores_of({("m", d): [10.0 + i, 5.0] for i, d in enumerate(data)}, ["Overall", "SU"])
    nan = np.nan
    quality = quality_of({"MD": [1, 2, 4, 3], "T": [9, 9, 9, 9], "R": [nan, nan, 2, 3]}, data)
    found = correlate(quality, scores).set_index(["key", "dimension"])
    assert found.loc[("MD", "Overall"), "reason"] == ""
    assert "score is the same" in found.loc[("MD", "SU"), "reason"]
    assert "indicator is the same" in found.loc[("T", "Overall"), "reason"]
    assert "2 datasets" in found.loc[("R", "Overall"), "reason"]


def test_averaging_noise_is_not_variance() -> None:
    cells = {("a", "x"): 10.0, ("b", "x"): 20.1, ("c", "x"): 20.2, ("a", "y"): 20.2, ("b", "y"): 10.0, ("c", "y"): 20.1}
    cells |= {("a", "z"): 20.1, ("b", "z"): 20.2, ("c", "z"): 10.0}
    found = correlate(
        quality_of({"MD": [1, 2, 3]}, ["x", "y", "z"]), scores_of({k: [v] for k, v in cells.items()}, ["SU"])
    )
    assert "score is the same" in found.loc[0, "reason"]


def test_a_dataset_without_one_model_is_left_out_of_the_means() -> None:
    cells = {
        (m, d): [float(10 * i + j)] for i, m in enumerate("ab") for j, d in enumerate("wxyz") if (m, d) != ("b", "z")
    }
    found = correlate(quality_of({"MD": [1, 3, 2, 9]}, list("wxyz")), scores_of(cells, ["SU"]))
    assert found.loc[0, "n"] == 3


def test_exact_permutation_p_counts_orders() -> None:
    x, y = np.array([1.0, 2.0, 4.0, 7.0]), np.array([2.0, 1.0, 5.0, 6.0])
    r = abs(np.corrcoef(x, y)[0, 1])
    orders = [abs(np.corrcoef(x, order)[0, 1]) >= r - 1e-9 for order in itertools.permutations(y)]
    assert permutation_p(x, y) == pytest.approx(np.mean(orders), abs=1e-12)


def test_leave_one_out_range() -> None:
    x, y = np.array([1.0, 2.0, 4.0, 7.0]), np.array([2.0, 1.0, 5.0, 6.0])
    values = [np.corrcoef(np.delete(x, i), np.delete(y, i))[0, 1] for i in range(4)]
    assert leave_one_out(x, y) == pytest.approx((min(values), max(values)), abs=1e-12)
    assert all(np.isnan(leave_one_out(x[:3], y[:3])))


def test_benjamini_hochberg_runs_over_the_papers_indicators_only(published: PublishedTables) -> None:
    correlations = correlate(published.quality, published.scores)
    table = robust_statistics(published.quality, published.scores, correlations)
    family = table[table.indicator.ne("C") & table.p.notna()]
    p = np.sort(family.p.to_numpy())
    expected = np.minimum.accumulate((p * len(p) / np.arange(1, len(p) + 1))[::-1])[::-1]
    assert np.sort(family.q.to_numpy()) == pytest.approx(np.sort(expected), abs=1e-10)
    assert table[table.indicator == "C"].q.isna().all()
    assert table.p_permutation.min() >= 1 / 24 - 1e-12


@pytest.mark.parametrize(("p", "mark"), [(0.009, "***"), (0.01, "**"), (0.049, "**"), (0.05, "*"), (0.1, "")])
def test_stars(p: float, mark: str) -> None:
    assert significance_stars(p) == mark


def test_undefined_reason_is_empty_for_a_good_table() -> None:
    assert why_icc_undefined(pd.DataFrame(np.random.default_rng(0).normal(size=(5, 3)))) == ""
