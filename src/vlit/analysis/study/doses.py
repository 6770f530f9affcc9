"""Dose-response: what varying one principle does to performance, and which indicator predicts it over all doses."""

from __future__ import annotations

import warnings

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from scipy import stats

from vlit.analysis.measurements import Quality, Scores
from vlit.analysis.names import OVERALL, indicator_row
from vlit.analysis.statistics.reliability import LEAST, pair, why_undefined
from vlit.analysis.tables.figures import STYLE
from vlit.analysis.tables.results import repr_number, undefined_notes
from vlit.analysis.tables.table import Table, number
from vlit.mini.doses.design import BASE, BASE_DOSE, PRINCIPLES, doses

RESAMPLES = 999
PREFIX = "dose_"
BASE_NAME = f"{PREFIX}{BASE}_0"


def effects(scores: Scores) -> pd.DataFrame:
    """Slope of each column on each principle's dose: score ~ dose + model, errors clustered by dataset (statsmodels).

    The dose is standardised over a principle's datasets, the base among them, so a slope is in percentage points per
    standard deviation. Runs of one dataset share its content and are no independent evidence: intervals are from the t
    distribution with one degree of freedom less than there are datasets. With five of them they are rough.

    Returns:
        Columns principle, dimension, datasets, runs, slope, low, high, p, reason (why there is none, else empty).
    """
    rows = []
    for principle in PRINCIPLES:
        x = of_principle(principle, scores)
        rows += [{"principle": principle, **_effect(x, column, scores)} for column in scores.columns]
    return pd.DataFrame(rows)


def indicator_effects(quality: Quality, scores: Scores) -> pd.DataFrame:
    """The same slopes on each indicator of Table 4 as measured, over all datasets that have it.

    Returns:
        Columns indicator, dimension, datasets, runs, slope, low, high, p, reason.
    """
    rows = []
    for key in quality.keys:
        x = quality.values[key].reindex(scores.datasets).dropna()
        rows += [{"indicator": indicator_row(key), **_effect(x, column, scores)} for column in scores.columns]
    return pd.DataFrame(rows)


def predictions(quality: Quality, scores: Scores, seed: int = 0) -> pd.DataFrame:
    """Spearman's rho of each indicator with each column over datasets (mean over models), with a 95% interval.

    The interval is a percentile bootstrap over datasets (scipy).

    Returns:
        Columns indicator, dimension, n, rho, low, high, p, reason.
    """
    means = scores.dataset_means
    return pd.DataFrame(
        [_prediction(key, column, quality, means, seed) for key in quality.keys for column in means.columns]
    )


def of_principle(principle: str, scores: Scores) -> pd.Series:
    """The dose of each dataset of a principle that has runs, the base among them."""
    dose = {each.name: each.dose for each in doses() if each.principle == principle}
    dose[BASE_NAME] = BASE_DOSE[principle]
    return pd.Series({name: value for name, value in dose.items() if name in scores.datasets}, dtype=float)


def effects_table(found: pd.DataFrame) -> Table:
    """The slopes as a table, a principle a row."""
    title = "Effect of each principle on performance (percentage points per standard deviation of its dose, 95%)"
    notes = ["score ~ dose + model, errors clustered by dataset; dose 0 is the base dataset."]
    return _wide("dose_effects", title, found, "principle", "slope", 1, notes)


def indicator_effects_table(found: pd.DataFrame) -> Table:
    """The slopes as a table, an indicator a row."""
    title = "Effect of each indicator on performance (percentage points per standard deviation, 95%)"
    notes = ["score ~ indicator + model over all dose datasets, errors clustered by dataset."]
    return _wide("indicator_effects", title, found, "indicator", "slope", 1, notes)


def predictions_table(found: pd.DataFrame) -> Table:
    """The rank correlations as a table, an indicator a row."""
    title = "Rank correlation of each indicator with performance over the dose datasets (95% bootstrap)"
    notes = [
        f"Spearman's rho over {', '.join(map(str, sorted(set(found.n[found.n > 0]))))} datasets, mean over models."
    ]
    return _wide("dose_predictions", title, found, "indicator", "rho", 2, notes)


def _effect(x: pd.Series, column: str, scores: Scores) -> dict[str, object]:
    """Slope of a column on `x` (a value a dataset), standardised over its datasets."""
    from statsmodels.formula.api import ols  # slow to import, and seldom needed

    long = scores.per_seed[column].rename("score").reset_index().dropna()
    long = long[long.data.isin(x.index)]
    base: dict[str, object] = {"dimension": column, "datasets": len(x), "runs": len(long)}
    reason = ""
    if len(x) < LEAST:
        reason = f"{len(x)} datasets have runs and a value, {LEAST} are needed"
    elif np.ptp(x.to_numpy()) == 0:
        reason = "it is the same for every dataset"
    elif np.ptp(long.score) == 0:
        reason = "the score is the same in every run"
    if reason:
        return {**base, **dict.fromkeys(("slope", "low", "high", "p"), np.nan), "reason": reason}
    long["dose"] = long.data.map((x - x.mean()) / x.std(ddof=1))
    formula = "score ~ dose" + (" + C(model)" if long.model.nunique() > 1 else "")
    groups = pd.factorize(long.data)[0]
    fit = ols(formula, long).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    low, high = fit.conf_int().loc["dose"]
    estimates = {"slope": float(fit.params["dose"]), "low": float(low), "high": float(high)}
    return {**base, **estimates, "p": float(fit.pvalues["dose"]), "reason": ""}


def _prediction(key: str, column: str, quality: Quality, means: pd.DataFrame, seed: int) -> dict[str, object]:
    x, y = pair(quality.values[key], means[column])
    base = {"indicator": indicator_row(key), "dimension": column, "n": len(x)}
    reason = why_undefined(x, y)
    if reason:
        return {**base, **dict.fromkeys(("rho", "low", "high", "p"), np.nan), "reason": reason}
    result = stats.spearmanr(x, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)  # of scipy's own interval, which is not used
        spread = stats.bootstrap(
            (x, np.round(y, 9)), _rho, paired=True, vectorized=True, n_resamples=RESAMPLES, method="percentile",
            rng=np.random.default_rng(seed),
        ).bootstrap_distribution  # fmt: skip
    low, high = np.nanpercentile(spread, [2.5, 97.5])
    return {
        **base, "rho": float(result.statistic), "low": float(low), "high": float(high), "p": float(result.pvalue),
        "reason": "",
    }  # fmt: skip


def _rho(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
    """Spearman's rho of each row; NaN where a resample is constant."""
    a, b = (stats.rankdata(values, axis=axis) for values in np.broadcast_arrays(x, y))
    a, b = (values - values.mean(axis, keepdims=True) for values in (a, b))
    size = np.linalg.norm(a, axis=axis) * np.linalg.norm(b, axis=axis)
    return np.divide((a * b).sum(axis), size, out=np.full_like(size, np.nan), where=size > 0)


def _wide(name: str, title: str, found: pd.DataFrame, index: str, value: str, decimals: int, notes: list[str]) -> Table:
    columns = list(dict.fromkeys(found.dimension))
    rows: list[list[str]] = []
    bold: set[tuple[int, int]] = set()
    for label in dict.fromkeys(found[index]):
        cells = found[found[index] == label].set_index("dimension")
        for place, column in enumerate(columns, start=1):
            if cells.loc[column, "low"] > 0 or cells.loc[column, "high"] < 0:
                bold.add((len(rows), place))
        rows.append([label, *(_cell(cells.loc[column], value, decimals) for column in columns)])
        notes += undefined_notes(label, cells)
    exact = [[repr_number(v) if isinstance(v, float) else str(v) for v in row] for row in found.itertuples(index=False)]
    notes = ["Bold: the interval leaves out 0; no correction for the number of cells.", *notes]
    return Table(name, title, ["", *columns], rows, bold, notes=notes, exact=exact, exact_header=list(found.columns))


def _cell(cell: pd.Series, value: str, decimals: int) -> str:
    if cell.reason:
        return ""
    return f"{number(cell[value], decimals)} ({number(cell.low, decimals)} to {number(cell.high, decimals)})"


COLOURS = ("#1f5fa8", "#c2571a", "#2d8a57")
COLUMNS = 3
LABELS = {
    "correctness": "share of wrong responses",
    "task_diversity": "abilities asked for",
    "instruction_diversity": "wordings of a type of question",
    "response_diversity": "sentences of a type of answer",
    "complexity": "questions in one instruction",
    "balance": "share of the favoured ability",
}


def dose_figure(scores: Scores) -> Figure:
    """A panel a principle: each model's mean over seeds at each dose, bars from the worst to the best seed."""
    with mpl.rc_context(STYLE):
        rows = -(-len(PRINCIPLES) // COLUMNS)
        figure, panels = plt.subplots(rows, COLUMNS, figsize=(8.4, 2.3 * rows), sharey=True, layout="constrained")
        for principle, axes in zip(PRINCIPLES, panels.flat, strict=True):
            _panel(axes, principle, scores)
        for axes in panels[:, 0]:
            axes.set_ylabel("accuracy (%)")
        handles, labels = panels.flat[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    return figure


def _panel(axes: plt.Axes, principle: str, scores: Scores) -> None:
    dose = of_principle(principle, scores).sort_values()
    for model, colour in zip(scores.models, COLOURS, strict=False):
        runs = scores.per_seed[OVERALL].loc[model]
        seeds = runs[runs.index.get_level_values("data").isin(dose.index)].groupby(level="data")
        have = [name for name in dose.index if name in seeds.groups]
        mean, low, high = seeds.mean()[have], seeds.min()[have], seeds.max()[have]
        axes.errorbar(
            dose[have], mean, yerr=[mean - low, high - mean], color=colour, marker="o", ms=3.5, lw=1, elinewidth=0.8,
            capsize=2, label=model,
        )  # fmt: skip
        if BASE_NAME in have:
            axes.plot(dose[BASE_NAME], mean[BASE_NAME], "o", ms=3.5, mfc="white", mec=colour, zorder=3)
    axes.set_title(principle.replace("_", " "), fontsize=8)
    axes.set_xlabel(LABELS[principle])
    axes.spines[["top", "right"]].set_visible(False)
