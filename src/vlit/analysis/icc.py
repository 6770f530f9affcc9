"""Intraclass correlation: how far the models agree about one dataset (paper section 5.1.4, last columns of Table 4).

The published values are two-way, consistency, with the columns of Table 3 *including Overall* as targets and the models
as raters: `ICC(C,1)` for single and `ICC(C,k)` for average measures. Three of the four published pairs come out to the
last of their four decimals in this form and in no other (the audit shows every form). That is the default here.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pingouin

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
