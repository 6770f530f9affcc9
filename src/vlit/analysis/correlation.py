"""Pearson correlation of each quality indicator with each column of Table 3, over datasets (Table 15, Figure 5)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from vlit.analysis.measurements import Quality, Scores
from vlit.analysis.names import indicator_row

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
