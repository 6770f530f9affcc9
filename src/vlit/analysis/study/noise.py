"""How noisy one run is, by seed and by question sample, and how many datasets and seeds show an effect."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special, stats

from vlit.analysis.measurements import Scores
from vlit.analysis.tables.results import repr_number
from vlit.analysis.tables.table import Table, number

ALPHA = 0.05
SIMULATED = 2000
DATASETS = (4, 6, 8, 12, 16, 24)
SEEDS = (1, 2, 5)
EFFECTS = (1.0, 2.0, 5.0)  # percentage points per standard deviation of an indicator


def components(scores: Scores) -> pd.DataFrame:
    """Variance of one run's score in each column, in squared percentage points.

    By seed: pooled over cells with two seeds or more, on the same questions, with a chi-squared 95% interval. By
    question sample: p(1 - p) / n of each run, as if its questions had been drawn at random; it is common to all runs
    that answer the same questions.

    Returns:
        Columns dimension, seed, seed_low, seed_high, freedom, questions (NaN where it can't be had).
    """
    return pd.DataFrame([_component(column, scores) for column in scores.columns])


def power(effect: float, noise: float, datasets: int) -> float:
    """Chance that Pearson's r over datasets is significant at 5%, two-sided: noncentral t, squared, closed form.

    Args:
        effect: percentage points per standard deviation (n - 1) of the indicator.
        noise: standard deviation of a dataset's score about the line.
        datasets: how many.
    """
    freedom = datasets - 2
    shift = effect * np.sqrt(datasets - 1) / noise
    limit = stats.t.ppf(1 - ALPHA / 2, freedom)
    # t squared; scipy's nct fails for large shifts, and its ncf without any
    return float(1 - special.ncfdtr(1, freedom, shift**2, limit**2))


def simulated_power(effect: float, noise: float, datasets: int, seed: int = 0, times: int = SIMULATED) -> float:
    """The same by simulation: evenly spread indicators, normal noise, scipy's test of r."""
    x = stats.zscore(np.arange(datasets, dtype=float), ddof=1)
    y = effect * x + np.random.default_rng(seed).normal(0, noise, (times, datasets))
    return float((stats.pearsonr(np.broadcast_to(x, y.shape), y, axis=1).pvalue < ALPHA).mean())


def components_table(found: pd.DataFrame) -> Table:
    """Standard deviations of one run."""
    rows = [
        [
            row.dimension,
            number(row.seed**0.5, 2),
            f"{number(row.seed_low**0.5, 2)} to {number(row.seed_high**0.5, 2)}" if row.seed == row.seed else "",
            number(row.questions**0.5, 2),
        ]
        for row in found.itertuples()
    ]
    header = ["Column", "by seed", "95% interval", "by question sample"]
    exact = [[row[0], *map(repr_number, row[1:])] for row in found.astype({"freedom": float}).itertuples(index=False)]
    notes = ["CSV: variances. Seeds change order and draw of samples; questions are the same in all runs."]
    title = "Standard deviation of one run's accuracy (percentage points)"
    return Table("noise", title, header, rows, notes=notes, exact=exact, exact_header=list(found.columns))


def power_table(found: pd.DataFrame, models: int) -> Table:
    """Power of a study like the paper's for Overall, by effect, datasets and seeds."""
    variance = float(found.set_index("dimension").loc["Overall", "seed"])
    rows, exact = [], []
    for effect in EFFECTS if variance > 0 else ():
        for seeds in SEEDS:
            noise = (variance / (models * seeds)) ** 0.5
            pairs = [(power(effect, noise, n), simulated_power(effect, noise, n)) for n in DATASETS]
            rows.append([f"{effect:g}", str(seeds), *(f"{number(a, 2)} ({number(b, 2)})" for a, b in pairs)])
            exact += [
                [repr_number(effect), str(seeds), str(n), repr_number(noise), repr_number(a), repr_number(b)]
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


def _component(column: str, scores: Scores) -> dict[str, object]:
    cells = scores.per_seed[column].groupby(level=["model", "data"])
    freedom = int((cells.count() - 1).clip(lower=0).sum())
    squares = float(((scores.per_seed[column] - cells.transform("mean")) ** 2).sum())
    seed = squares / freedom if freedom else np.nan
    low, high = (squares / stats.chi2.ppf(q, freedom) for q in (0.975, 0.025)) if freedom else (np.nan, np.nan)
    share, n = scores.per_seed[column] / 100, scores.counts.get(column, 0)
    questions = float((1e4 * share * (1 - share) / n).mean()) if n else np.nan
    return {
        "dimension": column, "seed": seed, "seed_low": low, "seed_high": high, "freedom": freedom,
        "questions": questions,
    }  # fmt: skip
