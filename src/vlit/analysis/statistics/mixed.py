"""A mixed-effects model per indicator: score ~ indicator + model + dimension, with a random intercept per dataset."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from vlit.analysis.measurements import Quality, Scores
from vlit.analysis.names import indicator_row
from vlit.analysis.tables.table import Table, number

LEAST_DATASETS, LEAST_SEEDS = 4, 2


def mixed_effects(quality: Quality, scores: Scores) -> pd.DataFrame:
    """Fit one model per indicator on single runs (statsmodels, REML).

    The indicator is standardised over datasets, so `slope` is percentage points per standard deviation. It varies only
    between datasets: the random intercept keeps its many scores from counting as independent evidence.

    Returns:
        Columns indicator, rows, datasets, slope, low, high, p, reason (why there is none, or a warning of the fit).
    """
    return pd.DataFrame([_fit(key, quality, scores) for key in quality.keys])


def mixed_table(fits: pd.DataFrame) -> Table:
    """The fits as a table."""
    header = ["Indicator", "Scores", "Datasets", "Slope", "95% interval", "p", "Note"]
    rows = [
        [
            row.indicator,
            str(row.rows),
            str(row.datasets),
            number(row.slope, 3),
            f"{number(row.low, 3)} to {number(row.high, 3)}" if row.low == row.low else "",
            number(row.p, 3),
            row.reason,
        ]
        for row in fits.itertuples()
    ]
    exact = [[str(value) for value in row] for row in fits.itertuples(index=False)]
    notes = [
        "score ~ indicator + model + dimension, random intercept per dataset; slope in percentage points"
        " per standard deviation."
    ]
    title = "Mixed-effects model of score on each indicator"
    return Table("mixed_effects", title, header, rows, notes=notes, exact=exact, exact_header=list(fits.columns))


def _fit(key: str, quality: Quality, scores: Scores) -> dict[str, object]:
    x = quality.values[key].reindex(scores.datasets).dropna()
    base: dict[str, object] = {"indicator": indicator_row(key), "rows": 0, "datasets": len(x)}
    nothing = dict.fromkeys(("slope", "low", "high", "p"), np.nan)
    if len(x) < LEAST_DATASETS:
        return {**base, **nothing, "reason": f"{len(x)} datasets have this indicator, {LEAST_DATASETS} are needed"}
    if np.ptp(x.to_numpy()) == 0:
        return {**base, **nothing, "reason": "the indicator is the same for every dataset"}
    if scores.seeds.min() < LEAST_SEEDS:
        return {**base, **nothing, "reason": f"every cell needs {LEAST_SEEDS} seeds"}
    long = scores.per_seed[scores.dimensions].rename_axis(columns="dimension").stack().rename("score").reset_index()
    long = long[long.data.isin(x.index)].dropna()
    long["indicator"] = long.data.map((x - x.mean()) / x.std(ddof=1))
    return {**base, "rows": len(long), **_estimate(long)}


def _estimate(long: pd.DataFrame) -> dict[str, object]:
    from statsmodels.regression.mixed_linear_model import MixedLM  # slow to import, and seldom needed

    terms = ["indicator", *(f"C({name})" for name in ("model", "dimension") if long[name].nunique() > 1)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            # Powell's method needs no gradient, which is useless where the variance between datasets is near zero.
            model = MixedLM.from_formula("score ~ " + " + ".join(terms), long, groups=long["data"])
            fit = model.fit(reml=True, method="powell")
        except (np.linalg.LinAlgError, ValueError) as error:
            return {**dict.fromkeys(("slope", "low", "high", "p"), np.nan), "reason": f"the fit failed: {error}"}
    low, high = fit.conf_int().loc["indicator"]
    notes = [] if fit.converged else ["not converged"]
    notes += list(dict.fromkeys(str(w.message).splitlines()[0] for w in caught if "Convergence" in w.category.__name__))
    return {
        "slope": float(fit.params["indicator"]),
        "low": float(low),
        "high": float(high),
        "p": float(fit.pvalues["indicator"]),
        "reason": "; ".join(notes),
    }
