"""How indicators correlate with performance: Pearson's r (paper Table 15), and what few datasets and many tests allow.

Beyond the paper, per cell of Table 15: an exact permutation p, Spearman's rank correlation with its exact p,
Benjamini-Hochberg over all defined tests, the range of r when any one dataset is left out, and bootstrap intervals
where question-level predictions exist.
"""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from vlit.analysis.measurements import INDICATOR_BY_ROW, Quality, Scores, indicator_row
from vlit.common.errors import InputError
from vlit.common.files import read_jsonl
from vlit.evaluation.seed_bench import OVERALL

LEVELS = ((0.01, "***"), (0.05, "**"), (0.10, "*"))
LEAST = 3  # with two points r is +1 or -1 whatever they are
MOST_EXACT = 7  # 7! = 5,040 orders are listed; above, a seeded sample of them is drawn
SAMPLED_ORDERS = 4999
RESAMPLES = 999
_BATCH = 2_000_000  # resampled answers in memory at once
_ROBUST = ("p_permutation", "rho", "p_rho", "r_low", "r_high")


def significance_stars(p: float) -> str:
    """Return the significance marks of the paper: *** at 1%, ** at 5%, * at 10%."""
    return next((mark for level, mark in LEVELS if p < level), "")


def correlate(quality: Quality, scores: Scores) -> pd.DataFrame:
    """Return r, p and stars for every indicator and column.

    Scores are averaged over models first (paper section 5.1.4). Datasets lacking either number are left out of that
    cell, and `n` counts the rest.

    Returns:
        Columns indicator (Table 15 row name), key, dimension, n, r, p, stars, reason (why undefined, else empty).
    """
    means = scores.dataset_means
    rows = []
    for key, column in itertools.product(quality.keys, means.columns):
        x, y = paired_values(quality.values[key], means[column])
        reason = why_r_undefined(x, y)
        r, p = (np.nan, np.nan) if reason else map(float, stats.pearsonr(x, y))
        row = {"indicator": indicator_row(key), "key": key, "dimension": column, "n": len(x), "r": r, "p": p}
        rows.append({**row, "stars": "" if reason else significance_stars(p), "reason": reason})
    return pd.DataFrame(rows)


def paired_values(x: pd.Series, y: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return the values of the labels where both series have a number, in the order of `y`."""
    both = pd.concat([x.rename("x"), y.rename("y")], axis=1, join="inner").dropna()
    both = both.loc[[name for name in y.index if name in both.index]]
    return both["x"].to_numpy(float), both["y"].to_numpy(float)


def why_r_undefined(x: np.ndarray, y: np.ndarray) -> str:
    """Return why r of these points isn't defined; empty when it is."""
    if len(x) < LEAST:
        return f"{len(x)} datasets have both numbers, {LEAST} are needed"
    if is_constant(x):
        return "the indicator is the same for every dataset"
    if is_constant(y):
        return "the score is the same for every dataset"
    return ""


def is_constant(values: np.ndarray) -> bool:
    """Return whether values are equal up to the noise of averaging: 30/3 and 10 must not correlate with anything."""
    return bool(np.ptp(values) <= 1e-9 * max(1.0, float(np.abs(values).max())))


def robust_statistics(quality: Quality, scores: Scores, correlations: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Return `correlations` with columns p_permutation, rho, p_rho, q, r_low, r_high added (NaN where r is).

    `q` is the Benjamini-Hochberg adjusted p over the tests of the paper's table that are defined here; an indicator the
    paper leaves out of it has no q, so that it doesn't change the family.
    """
    means = scores.dataset_means
    rows = []
    for row in correlations.itertuples():
        x, y = paired_values(quality.values[row.key], means[row.dimension])
        rows.append(_robust_cell(x, y, seed) if not row.reason else dict.fromkeys(_ROBUST, np.nan))
    table = pd.concat([correlations.reset_index(drop=True), pd.DataFrame(rows, columns=list(_ROBUST))], axis=1)
    left_out = [row for row, indicator in INDICATOR_BY_ROW.items() if not indicator.in_table_15]
    family = table.p.notna() & ~table.indicator.isin(left_out)
    table["q"] = np.nan
    if family.any():
        table.loc[family, "q"] = stats.false_discovery_control(np.clip(table.loc[family, "p"], 0, 1), method="bh")
    return table


def leave_one_out(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Return smallest and largest r with one point left out; NaN if fewer than three points stay or some are equal."""
    if len(x) <= LEAST:
        return np.nan, np.nan
    values = []
    for place in range(len(x)):
        a, b = np.delete(x, place), np.delete(y, place)
        if is_constant(a) or is_constant(b):
            return np.nan, np.nan
        values.append(float(stats.pearsonr(a, b).statistic))
    return min(values), max(values)


def permutation_p(x: np.ndarray, y: np.ndarray, seed: int = 0) -> float:
    """Return the two-sided p of |r| over all orders of y (a seeded sample of orders above seven points).

    The least value that can occur is 1 / n!, so at n = 4 none is below 0.042.
    """
    result = stats.permutation_test(
        (y,),
        lambda order, axis=-1: np.abs(_r_with_rows(x, order)),
        permutation_type="pairings",
        vectorized=True,
        n_resamples=math.factorial(len(x)) if len(x) <= MOST_EXACT else SAMPLED_ORDERS,
        alternative="greater",
        rng=np.random.default_rng(seed),
    )
    return float(result.pvalue)


def bootstrap_intervals(quality: Quality, scores: Scores, seed: int = 0) -> tuple[pd.DataFrame, str]:
    """Return 95% percentile intervals of r over resampled questions (the same for all runs; datasets stay fixed).

    Returns:
        Columns indicator, dimension, low, high (NaN where r isn't defined); and why there is nothing, if so.
    """
    correct, dimension, reason = read_correct(scores)
    rows: list[tuple[str, str, float, float]] = []
    for column in [] if reason else scores.columns:
        chosen = correct if column == OVERALL else correct[dimension == column]
        if len(chosen) >= 2:
            rows += _bootstrap_column(quality, scores.datasets, chosen, column, seed)
    return pd.DataFrame(rows, columns=["indicator", "dimension", "low", "high"]), reason


def read_correct(scores: Scores) -> tuple[pd.DataFrame, pd.Series, str]:
    """Read which questions each dataset's runs answered correctly.

    Returns:
        Share of runs (over models and seeds, models weighing the same) with the correct answer, index question id and
        one column per dataset; the dimension of each question; and why there is nothing, if so.

    Raises:
        InputError: runs answered different questions, or a line lacks a field.
    """
    columns, dimension, empty = {}, pd.Series(dtype=str), pd.DataFrame()
    for data in scores.datasets:
        models = []
        for model in scores.models:
            if (model, data) not in scores.sources:
                return empty, dimension, f"{model} has no run on {data}"
            seeds = []
            for source in scores.sources[model, data]:
                path = Path(source) / "predictions.jsonl"
                if not path.is_file():
                    return empty, dimension, f"no {path}"
                correct, kinds = _read_predictions(path)
                if len(dimension) and not kinds.equals(dimension):
                    raise InputError(
                        f"{path} answers other questions than the runs before it: evaluate it on the same benchmark"
                    )
                dimension = kinds
                seeds.append(correct)
            models.append(np.mean(seeds, axis=0))
        columns[data] = np.mean(models, axis=0)
    return pd.DataFrame(columns, index=dimension.index), dimension, ""


def _robust_cell(x: np.ndarray, y: np.ndarray, seed: int) -> dict[str, float]:
    ranks_x, ranks_y = stats.rankdata(x), stats.rankdata(np.round(y, 9))  # averaging noise must not break ties
    rho = float(stats.spearmanr(ranks_x, ranks_y).statistic)
    values = (permutation_p(x, y, seed), rho, permutation_p(ranks_x, ranks_y, seed), *leave_one_out(x, y))
    return dict(zip(_ROBUST, values, strict=True))


def _r_with_rows(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return r of x with each row; rounded, so that orders that tie in theory tie in binary too."""
    a, b = x - x.mean(), rows - rows.mean(-1, keepdims=True)
    return np.round((b @ a) / (np.linalg.norm(a) * np.linalg.norm(b, axis=-1)), 12)


def _bootstrap_column(
    quality: Quality, datasets: list[str], correct: pd.DataFrame, column: str, seed: int
) -> list[tuple[str, str, float, float]]:
    """Return indicator, column, low and high; indicators that share their datasets are resampled together."""
    means = correct.mean()
    groups: dict[tuple[str, ...], list[tuple[str, np.ndarray]]] = {}
    for key in quality.keys:
        x, y = paired_values(quality.values[key], means)
        names = tuple(name for name in datasets if quality.values[key].notna().get(name, False))
        if not why_r_undefined(x, y):
            groups.setdefault(names, []).append((key, x))
    rows = []
    for names, members in groups.items():
        x = np.stack([values for _, values in members])
        low, high = _bootstrap_ends([correct[name].to_numpy() for name in names], x, seed)
        rows += [
            (indicator_row(key), column, float(a), float(b)) for (key, _), a, b in zip(members, low, high, strict=True)
        ]
    return rows


def _bootstrap_ends(samples: list[np.ndarray], x: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return both ends of the interval of each row of x (indicators, datasets) with the means of the samples."""
    a = x - x.mean(1, keepdims=True)
    a /= np.linalg.norm(a, axis=1, keepdims=True)

    def correlations(*resampled: np.ndarray, axis: int = -1) -> np.ndarray:
        y = np.stack([one.mean(axis) for one in resampled], -1)
        y = y - y.mean(-1, keepdims=True)
        size = np.linalg.norm(y, axis=-1, keepdims=True)
        y = np.divide(y, size, out=np.full_like(y, np.nan), where=size > 1e-12)
        return np.moveaxis(y @ a.T, -1, 0)

    result = stats.bootstrap(
        samples,
        correlations,
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        method="percentile",
        batch=max(1, _BATCH // len(samples[0])),
        rng=np.random.default_rng(seed),
    )
    spread = result.bootstrap_distribution  # resamples with equal scores have no r and are left out
    return np.nanpercentile(spread, 2.5, axis=-1), np.nanpercentile(spread, 97.5, axis=-1)


def _read_predictions(path: Path) -> tuple[np.ndarray, pd.Series]:
    """Return whether each question was answered correctly, and its dimension, in the order of question ids."""
    rows = read_jsonl(path)
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict) or not {"question_id", "dimension", "prediction", "answer"} <= set(row):
            raise InputError(
                f"{path}:{number} lacks question_id, dimension, prediction or answer: evaluate the run again"
            )
    rows.sort(key=lambda row: str(row["question_id"]))
    ids = [str(row["question_id"]) for row in rows]
    repeated = next((a for a, b in itertools.pairwise(ids) if a == b), None)
    if repeated is not None:
        raise InputError(f"{path} answers question {repeated} twice: evaluate the run again")
    correct = np.array([row["prediction"] == row["answer"] for row in rows], float)
    return correct, pd.Series([row["dimension"] for row in rows], index=ids, name="dimension")
