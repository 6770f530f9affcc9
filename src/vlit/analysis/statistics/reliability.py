"""How far the models agree about one dataset: the intraclass correlation (paper Table 4, section 5.1.4)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pingouin

from vlit.analysis.measurements import Scores
from vlit.analysis.table import Table, exact_number, format_number

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
    """Return the ICC of a targets x raters table (pingouin).

    Args:
        table: one row per target (a column of Table 3), one column per rater (a model).
        form: a key of `FORMS`.
    """
    reason = why_icc_undefined(table)
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


def why_icc_undefined(table: pd.DataFrame) -> str:
    """Return why an ICC of a targets x raters table isn't defined; empty when it is."""
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


def icc_of_every_form(table: pd.DataFrame) -> dict[str, float]:
    """Return all six ICC types of a targets x raters table, to find the one that a publication used."""
    if why_icc_undefined(table):
        return {}
    return {str(name): float(value) for name, value in _pingouin(table)["ICC"].items()}


def icc_per_seed(scores: Scores, data: str, form: str = DEFAULT_FORM) -> dict[str, float]:
    """Return the single-measures ICC within each seed that all models share; empty with one seed."""
    block = scores.per_seed.xs(data, level="data")
    seeds = list(dict.fromkeys(block.index.get_level_values("seed")))
    found = {}
    for seed in seeds if len(seeds) > 1 else []:
        one = icc(block.xs(seed, level="seed")[scores.columns].T, form)
        if not one.reason and len(block.xs(seed, level="seed")) == len(scores.of(data).columns):
            found[str(seed)] = one.single
    return found


def table_4_extended(scores: Scores) -> Table:
    """Return every ICC form with its 95% interval, and its spread over single seeds where there is more than one."""
    rows, exact = [], []
    for data in scores.datasets:
        for form in FORMS:
            found = icc(scores.of(data), form)
            seeds = icc_per_seed(scores, data, form)
            values = list(seeds.values())
            spread = f"{_four(min(values))} to {_four(max(values))} ({len(values)})" if len(values) > 1 else ""
            cells = [(found.single, found.single_interval), (found.average, found.average_interval)]
            shown = [text for value, ends in cells for text in (_four(value), _range(ends))]
            rows.append([data, form, *shown, spread, found.reason])
            numbers = [exact_number(number) for value, ends in cells for number in (value, *ends)]
            exact.append([data, form, *numbers, "; ".join(f"{k}: {v!r}" for k, v in seeds.items()), found.reason])
    header = ["Dataset", "Form", "Single", "95% interval", "Average", "95% interval", "Single, over seeds"]
    names = [f"{measure}{end}" for measure in ("single", "average") for end in ("", "_low", "_high")]
    notes = ["Intervals: 95%, from the F distribution (pingouin, which rounds them to two decimals)."]
    return Table(
        "table04_extended",
        "Agreement between models in every ICC form",
        [*header, "Undefined because"],
        rows,
        notes=notes,
        exact=exact,
        exact_header=["data", "form", *names, "seeds", "reason"],
    )


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


def _four(value: float) -> str:
    return format_number(value, 4)


def _range(ends: tuple[float, float]) -> str:
    return "" if np.isnan(ends[0]) else f"{ends[0]:.2f} to {ends[1]:.2f}"
