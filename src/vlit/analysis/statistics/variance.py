"""What runs vary by: seed, question sample, dataset (a mixed-effects model); and the power of a study."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from scipy import special, stats

from vlit.analysis.measurements import Quality, Scores, indicator_row
from vlit.analysis.table import Table, exact_number, format_number
from vlit.evaluation.seed_bench import OVERALL

ALPHA = 0.05
SIMULATED = 2000
DATASETS = (4, 6, 8, 12, 16, 24)
SEEDS = (1, 2, 5)
EFFECTS = (1.0, 2.0, 5.0)  # percentage points per standard deviation of an indicator
LEAST_DATASETS, LEAST_SEEDS = 4, 2


def variance_components(scores: Scores) -> pd.DataFrame:
    """Return the variance of one run's score in each column, in squared percentage points.

    By seed: pooled over cells with two seeds or more, on the same questions, with a chi-squared 95% interval. By
    question sample: p(1 - p) / n of each run, as if its questions had been drawn at random; it is common to all runs
    that answer the same questions.

    Returns:
        Columns dimension, seed, seed_low, seed_high, freedom, questions (NaN where undefined).
    """
    return pd.DataFrame([_components_of(column, scores) for column in scores.columns])


def correlation_power(effect: float, noise: float, datasets: int) -> float:
    """Return the chance that Pearson's r over datasets is significant at 5%, two-sided (noncentral t, closed form).

    Args:
        effect: percentage points per standard deviation (n - 1) of the indicator.
        noise: standard deviation of a dataset's score about the line, in percentage points.
        datasets: number of datasets.
    """
    freedom = datasets - 2
    shift = effect * np.sqrt(datasets - 1) / noise
    limit = stats.t.ppf(1 - ALPHA / 2, freedom)
    # t squared: scipy's nct fails for large shifts, and its ncf without any
    return float(1 - special.ncfdtr(1, freedom, shift**2, limit**2))


def simulated_power(effect: float, noise: float, datasets: int, seed: int = 0, times: int = SIMULATED) -> float:
    """Return the same by simulation: evenly spread indicators, normal noise, scipy's test of r."""
    x = stats.zscore(np.arange(datasets, dtype=float), ddof=1)
    y = effect * x + np.random.default_rng(seed).normal(0, noise, (times, datasets))
    return float((stats.pearsonr(np.broadcast_to(x, y.shape), y, axis=1).pvalue < ALPHA).mean())


def components_table(found: pd.DataFrame) -> Table:
    """Return the variance components as standard deviations of one run."""
    rows = [
        [
            row.dimension,
            format_number(row.seed**0.5, 2),
            _interval(row.seed_low**0.5, row.seed_high**0.5, 2),
            format_number(row.questions**0.5, 2),
        ]
        for row in found.itertuples()
    ]
    header = ["Column", "by seed", "95% interval", "by question sample"]
    exact = [[row[0], *map(exact_number, row[1:])] for row in found.astype({"freedom": float}).itertuples(index=False)]
    notes = ["CSV: variances. Seeds change order and draw of samples; questions are the same in all runs."]
    title = "Standard deviation of one run's accuracy (percentage points)"
    return Table("noise", title, header, rows, notes=notes, exact=exact, exact_header=list(found.columns))


def power_table(found: pd.DataFrame, models: int) -> Table:
    """Return the power of a study like the paper's for Overall, by effect, datasets and seeds.

    Args:
        found: variance components.
        models: number of models that a dataset's score is the mean over.
    """
    variance = float(found.set_index("dimension").loc[OVERALL, "seed"])
    rows, exact = [], []
    for effect in EFFECTS if variance > 0 else ():
        for seeds in SEEDS:
            noise = (variance / (models * seeds)) ** 0.5
            pairs = [(correlation_power(effect, noise, n), simulated_power(effect, noise, n)) for n in DATASETS]
            rows.append(
                [f"{effect:g}", str(seeds), *(f"{format_number(a, 2)} ({format_number(b, 2)})" for a, b in pairs)]
            )
            exact += [
                [exact_number(effect), str(seeds), str(n), exact_number(noise), exact_number(a), exact_number(b)]
                for n, (a, b) in zip(DATASETS, pairs, strict=True)
            ]
    header = ["Points per SD", "Seeds", *(f"{n} datasets" for n in DATASETS)]
    notes = [
        f"Noncentral t, in brackets {SIMULATED} simulated studies; mean over {models} models. Noise is of seeds alone:"
        " what else differs between datasets only lowers the power. The paper has 4 datasets and one seed."
    ]
    names = ["effect", "seeds", "datasets", "noise", "power", "simulated"]
    title = "Power to find an indicator's effect on Overall (r, two-sided 5%)"
    return Table("power", title, header, rows, notes=notes, exact=exact, exact_header=names)


def mixed_effects(quality: Quality, scores: Scores) -> pd.DataFrame:
    """Fit score ~ indicator + model + dimension with a random intercept per dataset (statsmodels, REML).

    One model per indicator, on single runs. The indicator is standardised over datasets, so `slope` is percentage
    points per standard deviation. It varies only between datasets: the random intercept keeps its many scores from
    counting as independent evidence.

    Returns:
        Columns indicator, rows, datasets, slope, low, high, p, reason (why there is none, or a warning of the fit).
    """
    return pd.DataFrame([_mixed_effect(key, quality, scores) for key in quality.keys])


def mixed_table(fits: pd.DataFrame) -> Table:
    """Return the mixed-effects fits as a table, an indicator a row."""
    header = ["Indicator", "Scores", "Datasets", "Slope", "95% interval", "p", "Note"]
    rows = [
        [
            row.indicator,
            str(row.rows),
            str(row.datasets),
            format_number(row.slope, 3),
            _interval(row.low, row.high, 3),
            format_number(row.p, 3),
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


def _components_of(column: str, scores: Scores) -> dict[str, object]:
    cells = scores.per_seed[column].groupby(level=["model", "data"])
    freedom = int((cells.count() - 1).clip(lower=0).sum())
    squares = float(((scores.per_seed[column] - cells.transform("mean")) ** 2).sum())
    seed = squares / freedom if freedom else np.nan
    low, high = (squares / stats.chi2.ppf(q, freedom) for q in (0.975, 0.025)) if freedom else (np.nan, np.nan)
    share, n = scores.per_seed[column] / 100, scores.counts.get(column, 0)
    questions = float((1e4 * share * (1 - share) / n).mean()) if n else np.nan
    by_seed = {"seed": seed, "seed_low": low, "seed_high": high, "freedom": freedom}
    return {"dimension": column, **by_seed, "questions": questions}


def _mixed_effect(key: str, quality: Quality, scores: Scores) -> dict[str, object]:
    x = quality.values[key].reindex(scores.datasets).dropna()
    base: dict[str, object] = {"indicator": indicator_row(key), "rows": 0, "datasets": len(x)}
    reason = ""
    if len(x) < LEAST_DATASETS:
        reason = f"{len(x)} datasets have this indicator, {LEAST_DATASETS} are needed"
    elif np.ptp(x.to_numpy()) == 0:
        reason = "the indicator is the same for every dataset"
    elif scores.seeds.min() < LEAST_SEEDS:
        reason = f"every cell needs {LEAST_SEEDS} seeds"
    if reason:
        return {**base, **_no_estimate(reason)}
    long = scores.per_seed[scores.dimensions].rename_axis(columns="dimension").stack().rename("score").reset_index()
    long = long[long.data.isin(x.index)].dropna()
    long["indicator"] = long.data.map((x - x.mean()) / x.std(ddof=1))
    return {**base, "rows": len(long), **_fit_mixed(long)}


def _fit_mixed(long: pd.DataFrame) -> dict[str, object]:
    from statsmodels.regression.mixed_linear_model import MixedLM  # slow to import, and seldom needed

    terms = ["indicator", *(f"C({name})" for name in ("model", "dimension") if long[name].nunique() > 1)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            # Powell's method needs no gradient, which is useless where the variance between datasets is near zero.
            model = MixedLM.from_formula("score ~ " + " + ".join(terms), long, groups=long["data"])
            fit = model.fit(reml=True, method="powell")
        except (np.linalg.LinAlgError, ValueError) as error:
            return _no_estimate(f"the fit failed: {error}")
    low, high = fit.conf_int().loc["indicator"]
    notes = [] if fit.converged else ["not converged"]
    notes += list(dict.fromkeys(str(w.message).splitlines()[0] for w in caught if "Convergence" in w.category.__name__))
    estimates = {"slope": float(fit.params["indicator"]), "low": float(low), "high": float(high)}
    return {**estimates, "p": float(fit.pvalues["indicator"]), "reason": "; ".join(notes)}


def _no_estimate(reason: str) -> dict[str, object]:
    return {**dict.fromkeys(("slope", "low", "high", "p"), np.nan), "reason": reason}


def _interval(low: float, high: float, decimals: int) -> str:
    return "" if np.isnan(low) else f"{format_number(low, decimals)} to {format_number(high, decimals)}"
