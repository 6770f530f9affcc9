"""How far the models agree about one dataset (ICC), and how indicators go with performance (Pearson)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pingouin
from scipy import stats

from vlit.analysis.measurements import Quality, Scores
from vlit.analysis.names import indicator_row

FORMS = {"one-way random": ("ICC(1,1)", "ICC(1,k)"), "two-way agreement": ("ICC(A,1)", "ICC(A,k)")}
FORMS["two-way consistency"] = ("ICC(C,1)", "ICC(C,k)")
DEFAULT_FORM = "two-way consistency"
_LEAST_CELLS = 5  # pingouin refuses fewer


@dataclass(frozen=True)
class Icc:
    """Single and average measures with 95% intervals; NaN with a reason where undefined."""

    single: float
    average: float
    single_interval: tuple[float, float]
    average_interval: tuple[float, float]
    reason: str = ""


def icc(table: pd.DataFrame, form: str = DEFAULT_FORM) -> Icc:
    """ICC of a targets x raters table.

    Args:
        table: one row per target (a column of Table 3), one column per rater (a model).
        form: a key of `FORMS`.
    """
    reason = undefined(table)
    if not reason:
        single, average = FORMS[form]
        result = _pingouin(table)
        if np.isfinite(result.loc[single, "ICC"]):
            return Icc(
                float(result.loc[single, "ICC"]),
                float(result.loc[average, "ICC"]),
                _interval(result.loc[single, "CI95"]),
                _interval(result.loc[average, "CI95"]),
            )
        reason = "neither the targets nor the residuals vary"
    nothing = (np.nan, np.nan)
    return Icc(np.nan, np.nan, nothing, nothing, reason)


def undefined(table: pd.DataFrame) -> str:
    """Why an ICC of this table isn't defined; empty when it is."""
    targets, raters = table.shape
    if raters < 2:
        return f"{raters} rater: agreement needs two models"
    if targets < 2:
        return f"{targets} target: variance between targets needs two columns"
    if targets * raters < _LEAST_CELLS:
        return f"{targets} x {raters} scores: at least {_LEAST_CELLS} are needed"
    if table.isna().to_numpy().any():
        return "a score is missing"
    if np.ptp(table.to_numpy()) == 0:
        return "all scores are equal"
    return ""


def every_form(table: pd.DataFrame) -> dict[str, float]:
    """All six ICC types of a table, to tell which one a publication used."""
    if undefined(table):
        return {}
    return {str(name): float(value) for name, value in _pingouin(table)["ICC"].items()}


def _pingouin(table: pd.DataFrame) -> pd.DataFrame:
    long = pd.DataFrame(
        {
            "target": np.repeat(np.arange(table.shape[0]), table.shape[1]),
            "rater": np.tile(np.arange(table.shape[1]), table.shape[0]),
            "rating": table.to_numpy().ravel(),
        }
    )
    with warnings.catch_warnings():  # perfect agreement divides by a zero residual; the result is right
        warnings.simplefilter("ignore", RuntimeWarning)
        return pingouin.intraclass_corr(long, "target", "rater", "rating").set_index("Type")


def _interval(pair: np.ndarray) -> tuple[float, float]:
    return float(pair[0]), float(pair[1])


LEVELS = ((0.01, "***"), (0.05, "**"), (0.10, "*"))
LEAST = 3  # with two points r is +1 or -1 whatever they are


def stars(p: float) -> str:
    """Significance marks of the paper: *** at 1%, ** at 5%, * at 10%."""
    return next((mark for level, mark in LEVELS if p < level), "")


def correlate(quality: Quality, scores: Scores) -> pd.DataFrame:
    """r, p and stars for every indicator and column.

    Scores are averaged over models first (paper section 5.1.4). Datasets lacking either number are left out of that
    cell, and `n` says how many stayed.

    Returns:
        Columns indicator (Table 15 row name), key, dimension, n, r, p, stars, reason (why undefined, else empty).
    """
    means = scores.dataset_means
    rows = []
    for key in quality.keys:
        for column in means.columns:
            x, y = pair(quality.values[key], means[column])
            reason = why_undefined(x, y)
            r, p = (np.nan, np.nan) if reason else _pearson(x, y)
            rows.append(
                {
                    "indicator": indicator_row(key),
                    "key": key,
                    "dimension": column,
                    "n": len(x),
                    "r": r,
                    "p": p,
                    "stars": "" if reason else stars(p),
                    "reason": reason,
                }
            )
    return pd.DataFrame(rows)


def pair(x: pd.Series, y: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Values of the labels where both series have a number, in the order of `y`."""
    both = pd.concat([x.rename("x"), y.rename("y")], axis=1, join="inner").dropna()
    both = both.loc[[name for name in y.index if name in both.index]]
    return both["x"].to_numpy(float), both["y"].to_numpy(float)


def why_undefined(x: np.ndarray, y: np.ndarray) -> str:
    """Why r of these points isn't defined; empty when it is."""
    if len(x) < LEAST:
        return f"{len(x)} datasets have both numbers, {LEAST} are needed"
    if constant(x):
        return "the indicator is the same for every dataset"
    if constant(y):
        return "the score is the same for every dataset"
    return ""


def constant(values: np.ndarray) -> bool:
    """Whether values are equal up to the noise of averaging: 30/3 and 10 must not correlate with anything."""
    return bool(np.ptp(values) <= 1e-9 * max(1.0, float(np.abs(values).max())))


def _pearson(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    result = stats.pearsonr(x, y)
    return float(result.statistic), float(result.pvalue)
