"""Statistics beyond the paper's: few datasets, many tests, so what holds up?

Per cell of Table 15: an exact permutation p, Spearman's rank correlation with its exact p, Benjamini-Hochberg over all
defined tests, the range of r when any one dataset is left out; bootstrap intervals where question-level answers exist.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy import stats

from vlit.analysis.measurements import Quality, Scores
from vlit.analysis.statistics.reliability import LEAST, constant, pair
from vlit.analysis.tables.results import repr_number
from vlit.analysis.tables.table import Table, number

MOST_EXACT = 7  # 7! = 5,040 orders are listed; above, a seeded sample of them is drawn
SAMPLED = 4999


def robust(quality: Quality, scores: Scores, correlations: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """One row per row of `correlations`, with p_permutation, rho, p_rho, q, r_low, r_high added (NaN where r is).

    `q` is the Benjamini-Hochberg adjusted p over the tests of the paper's table that are defined here; indicators the
    paper leaves out of it have no q, so that they don't change the family.
    """
    means = scores.dataset_means
    rows = []
    for row in correlations.itertuples():
        x, y = pair(quality.values[row.key], means[row.dimension])
        rows.append(_cell(x, y, seed) if not row.reason else dict.fromkeys(_NAMES, np.nan))
    table = pd.concat([correlations.reset_index(drop=True), pd.DataFrame(rows, columns=list(_NAMES))], axis=1)
    family = table.p.notna() & (table.indicator != "C")
    table["q"] = np.nan
    if family.any():
        table.loc[family, "q"] = stats.false_discovery_control(np.clip(table.loc[family, "p"], 0, 1), method="bh")
    return table


_NAMES = ("p_permutation", "rho", "p_rho", "r_low", "r_high")


def leave_one_out(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Smallest and largest r with any one point left out; NaN if fewer than three points stay, or some are constant."""
    if len(x) <= LEAST:
        return np.nan, np.nan
    values = []
    for place in range(len(x)):
        a, b = np.delete(x, place), np.delete(y, place)
        if constant(a) or constant(b):
            return np.nan, np.nan
        values.append(float(stats.pearsonr(a, b).statistic))
    return min(values), max(values)


def permutation_p(x: np.ndarray, y: np.ndarray, seed: int = 0) -> float:
    """Two-sided p of |r| over all orders of y (a seeded sample of orders above seven points).

    The least value that can occur is 1 / n!, so at n = 4 none is below 0.042.
    """
    exact = len(x) <= MOST_EXACT
    result = stats.permutation_test(
        (y,),
        lambda order, axis=-1: np.abs(_vector_r(x, order)),
        permutation_type="pairings",
        vectorized=True,
        n_resamples=math.factorial(len(x)) if exact else SAMPLED,
        alternative="greater",
        rng=np.random.default_rng(seed),
    )
    return float(result.pvalue)


def table_15_extended(table: pd.DataFrame, bootstrap: pd.DataFrame | None = None) -> Table:
    """The second table beside Table 15."""
    header = ["Indicator", "Column", "n", "r", "p", "q (BH)", "p permutation", "ρ", "p of ρ", "r, one left out"]
    rows = []
    for row in table.itertuples():
        span = f"{number(row.r_low, 3)} to {number(row.r_high, 3)}" if row.r_low == row.r_low else ""
        values = (row.r, row.p, row.q, row.p_permutation, row.rho, row.p_rho)
        rows.append([row.indicator, row.dimension, str(row.n), *(number(v, 3) for v in values), span])
    exact_names = ["n", "r", "p", "q", "p_permutation", "rho", "p_rho", "r_low", "r_high", "reason"]
    exact = [
        [
            r.indicator,
            r.dimension,
            *(v if isinstance(v := getattr(r, name), str) else repr_number(v) for name in exact_names),
        ]
        for r in table.itertuples()
    ]
    defined = table[table.p.notna() & table.q.notna()]
    notes = [
        f"{len(defined)} tests are defined. Below 5%: {int((defined.p < 0.05).sum())} by p,"
        f" {int((defined.q < 0.05).sum())} after"
        f" Benjamini-Hochberg, {int((defined.p_permutation < 0.05).sum())} by exact permutation.",
    ]
    if len(table) and table.n.max() <= 4:
        notes.append(
            "With n = 4 there are 24 orders: an exact permutation p is a multiple of 1/24 = 0.042, and"
            " rank correlation takes few values."
        )
    if bootstrap is not None and len(bootstrap):
        header.append("95% bootstrap")
        intervals = bootstrap.set_index(["indicator", "dimension"])
        for line, row in zip(rows, table.itertuples(), strict=True):
            key = (row.indicator, row.dimension)
            has = key in intervals.index and intervals.loc[key, "low"] == intervals.loc[key, "low"]
            line.append(
                f"{number(intervals.loc[key, 'low'], 3)} to {number(intervals.loc[key, 'high'], 3)}" if has else ""
            )
        notes.append("Bootstrap: questions resampled within a column, the same for all runs; datasets stay fixed.")
    names = ["indicator", "dimension", *exact_names]
    title = "Correlations under statistics for few datasets and many tests"
    return Table("table15_extended", title, header, rows, notes=notes, exact=exact, exact_header=names)


def _cell(x: np.ndarray, y: np.ndarray, seed: int) -> dict[str, float]:
    ranks_x, ranks_y = stats.rankdata(x), stats.rankdata(np.round(y, 9))  # averaging noise must not break ties
    low, high = leave_one_out(x, y)
    rho = float(stats.spearmanr(ranks_x, ranks_y).statistic)
    return dict(
        zip(_NAMES, (permutation_p(x, y, seed), rho, permutation_p(ranks_x, ranks_y, seed), low, high), strict=True)
    )


def _vector_r(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """R of x with each row of y; rounded, so that orders that tie in theory tie in binary too."""
    a, b = x - x.mean(), y - y.mean(-1, keepdims=True)
    return np.round((b @ a) / (np.linalg.norm(a) * np.linalg.norm(b, axis=-1)), 12)
