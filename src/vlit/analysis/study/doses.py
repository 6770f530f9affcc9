"""Dose-response: what varying one principle does to performance, and which indicator predicts it over all doses."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from scipy import stats

from vlit.analysis.measurements import Quality, Scores, indicator_row
from vlit.analysis.statistics.correlation import LEAST, paired_values, why_r_undefined
from vlit.analysis.table import STYLE, Table, exact_cells, format_number
from vlit.analysis.tables.results import undefined_notes
from vlit.evaluation.seed_bench import OVERALL

RESAMPLES = 999
COLOURS = ("#1f5fa8", "#c2571a", "#2d8a57")
COLUMNS = 3  # panels in a row


@dataclass(frozen=True)
class DoseSeries:
    """The datasets in which one principle is varied.

    Attributes:
        unit: what a dose counts, as the axis of a figure names it.
        doses: the dose of each dataset, the base last.
    """

    unit: str
    doses: dict[str, float]


@dataclass(frozen=True)
class DoseDesign:
    """A base dataset, and for each principle datasets in which only it differs from the base.

    Attributes:
        prefix: what the names of all its datasets begin with.
        base: name of the base dataset.
        series: principles and their datasets.
    """

    prefix: str
    base: str
    series: dict[str, DoseSeries]

    @classmethod
    def of(cls, cfg: Mapping[str, Any]) -> DoseDesign:
        """Return the design of `doses` in `conf/tables.yaml`, where its keys are described."""
        prefix, base, series = cfg["prefix"], cfg["base"], {}
        for principle, row in cfg["principles"].items():
            doses = {f"{prefix}{principle}_{level}": float(dose) for level, dose in enumerate(row["levels"], start=1)}
            series[str(principle)] = DoseSeries(row["unit"], {**doses, base: float(row["base"])})
        return cls(prefix, base, series)

    def includes(self, data: str) -> bool:
        """Return whether a dataset is one of the design, by its name."""
        return data.startswith(self.prefix)

    def doses_of(self, principle: str, scores: Scores) -> pd.Series:
        """Return the dose of each dataset of a principle that has runs."""
        doses = self.series[principle].doses
        return pd.Series({name: dose for name, dose in doses.items() if name in scores.datasets}, dtype=float)


def dose_effects(design: DoseDesign, scores: Scores) -> pd.DataFrame:
    """Return the slope of each column on each principle's dose: score ~ dose + model, errors clustered by dataset.

    The dose is standardised over a principle's datasets, the base among them, so a slope is in percentage points per
    standard deviation. Runs of one dataset share its content and are no independent evidence: intervals are from the t
    distribution with one degree of freedom less than there are datasets. With five of them they are rough.

    Returns:
        Columns principle, dimension, datasets, runs, slope, low, high, p, reason (why there is none, else empty).
    """
    rows = []
    for principle in design.series:
        x = design.doses_of(principle, scores)
        rows += [{"principle": principle, **_effect(x, column, scores)} for column in scores.columns]
    return pd.DataFrame(rows)


def indicator_effects(quality: Quality, scores: Scores) -> pd.DataFrame:
    """Return the same slopes on each indicator of Table 4 as measured, over all datasets that have it.

    Returns:
        Columns indicator, dimension, datasets, runs, slope, low, high, p, reason.
    """
    rows = []
    for key in quality.keys:
        x = quality.values[key].reindex(scores.datasets).dropna()
        rows += [{"indicator": indicator_row(key), **_effect(x, column, scores)} for column in scores.columns]
    return pd.DataFrame(rows)


def rank_predictions(quality: Quality, scores: Scores, seed: int = 0) -> pd.DataFrame:
    """Return Spearman's rho of each indicator with each column over datasets (mean over models), with a 95% interval.

    The interval is a percentile bootstrap over datasets (scipy).

    Returns:
        Columns indicator, dimension, n, rho, low, high, p, reason.
    """
    means = scores.dataset_means
    return pd.DataFrame(
        [_prediction(key, column, quality, means, seed) for key in quality.keys for column in means.columns]
    )


def dose_effects_table(found: pd.DataFrame) -> Table:
    """Return the slopes as a table, a principle a row."""
    title = "Effect of each principle on performance (percentage points per standard deviation of its dose, 95%)"
    notes = ["score ~ dose + model, errors clustered by dataset; dose 0 is the base dataset."]
    return _wide("dose_effects", title, found, "principle", "slope", 1, notes)


def indicator_effects_table(found: pd.DataFrame) -> Table:
    """Return the slopes as a table, an indicator a row."""
    title = "Effect of each indicator on performance (percentage points per standard deviation, 95%)"
    notes = ["score ~ indicator + model over all dose datasets, errors clustered by dataset."]
    return _wide("indicator_effects", title, found, "indicator", "slope", 1, notes)


def predictions_table(found: pd.DataFrame) -> Table:
    """Return the rank correlations as a table, an indicator a row."""
    title = "Rank correlation of each indicator with performance over the dose datasets (95% bootstrap)"
    notes = [
        f"Spearman's rho over {', '.join(map(str, sorted(set(found.n[found.n > 0]))))} datasets, mean over models."
    ]
    return _wide("dose_predictions", title, found, "indicator", "rho", 2, notes)


def dose_figure(design: DoseDesign, scores: Scores) -> Figure:
    """Draw a panel a principle: each model's mean over seeds at each dose, bars from the worst to the best seed."""
    with mpl.rc_context(STYLE):
        rows = -(-len(design.series) // COLUMNS)
        size = (8.4, 2.3 * rows)
        figure, panels = plt.subplots(rows, COLUMNS, figsize=size, sharey=True, squeeze=False, layout="constrained")
        for principle, axes in zip(design.series, panels.flat, strict=False):
            _panel(axes, principle, design, scores)
        for axes in panels.flat[len(design.series) :]:
            axes.set_visible(False)
        for axes in panels[:, 0]:
            axes.set_ylabel("accuracy (%)")
        handles, labels = panels.flat[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    return figure


def _effect(x: pd.Series, column: str, scores: Scores) -> dict[str, object]:
    """Return the slope of a column on `x` (a value a dataset), standardised over its datasets."""
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
    x, y = paired_values(quality.values[key], means[column])
    base = {"indicator": indicator_row(key), "dimension": column, "n": len(x)}
    reason = why_r_undefined(x, y)
    if reason:
        return {**base, **dict.fromkeys(("rho", "low", "high", "p"), np.nan), "reason": reason}
    found = stats.spearmanr(x, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)  # of scipy's own interval, which is not used
        spread = stats.bootstrap(
            (x, np.round(y, 9)),
            _spearman,
            paired=True,
            vectorized=True,
            n_resamples=RESAMPLES,
            method="percentile",
            rng=np.random.default_rng(seed),
        ).bootstrap_distribution
    low, high = np.nanpercentile(spread, [2.5, 97.5])
    estimates = {"rho": float(found.statistic), "low": float(low), "high": float(high)}
    return {**base, **estimates, "p": float(found.pvalue), "reason": ""}


def _spearman(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
    """Return Spearman's rho of each row; NaN where a resample is constant."""
    a, b = (stats.rankdata(values, axis=axis) for values in np.broadcast_arrays(x, y))
    a, b = (values - values.mean(axis, keepdims=True) for values in (a, b))
    size = np.linalg.norm(a, axis=axis) * np.linalg.norm(b, axis=axis)
    return np.divide((a * b).sum(axis), size, out=np.full_like(size, np.nan), where=size > 0)


def _wide(name: str, title: str, found: pd.DataFrame, index: str, value: str, decimals: int, notes: list[str]) -> Table:
    """Return estimates as a table: the names in column `index` as rows, dimensions as columns."""
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
    exact = [exact_cells(row) for row in found.itertuples(index=False)]
    notes = ["Bold: the interval leaves out 0; no correction for the number of cells.", *notes]
    return Table(name, title, ["", *columns], rows, bold, notes=notes, exact=exact, exact_header=list(found.columns))


def _cell(cell: pd.Series, value: str, decimals: int) -> str:
    middle, low, high = (format_number(cell[name], decimals) for name in (value, "low", "high"))
    return "" if cell.reason else f"{middle} ({low} to {high})"


def _panel(axes: plt.Axes, principle: str, design: DoseDesign, scores: Scores) -> None:
    dose = design.doses_of(principle, scores).sort_values()
    for model, colour in zip(scores.models, COLOURS, strict=False):
        runs = scores.per_seed[OVERALL].loc[model]
        seeds = runs[runs.index.get_level_values("data").isin(dose.index)].groupby(level="data")
        have = [name for name in dose.index if name in seeds.groups]
        mean, low, high = seeds.mean()[have], seeds.min()[have], seeds.max()[have]
        style: dict[str, Any] = {"color": colour, "marker": "o", "ms": 3.5, "lw": 1, "elinewidth": 0.8, "capsize": 2}
        axes.errorbar(dose[have], mean, yerr=[mean - low, high - mean], label=model, **style)
        if design.base in have:
            axes.plot(dose[design.base], mean[design.base], "o", ms=3.5, mfc="white", mec=colour, zorder=3)
    axes.set_title(principle.replace("_", " "), fontsize=8)
    axes.set_xlabel(design.series[principle].unit)
    axes.spines[["top", "right"]].set_visible(False)
