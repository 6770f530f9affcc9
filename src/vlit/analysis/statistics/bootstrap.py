"""Bootstrap intervals of the correlations, from question-level predictions of runs."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from vlit.analysis.measurements import Quality, Scores
from vlit.analysis.names import OVERALL, indicator_row
from vlit.analysis.statistics.reliability import constant, pair
from vlit.common.errors import InputError
from vlit.common.files import read_jsonl

RESAMPLES = 999
_BATCH = 2_000_000  # resampled answers held at once


def read_correct(scores: Scores) -> tuple[pd.DataFrame, pd.Series, str]:
    """Which questions each dataset's runs answered rightly.

    Returns:
        Share of runs (over models and seeds, models weighing the same) that are right, index question id and one column
        per dataset; the dimension of each question; and why there is nothing, if so.

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
            for folder in scores.sources[model, data]:
                path = Path(folder) / "predictions.jsonl"
                if not path.is_file():
                    return empty, dimension, f"no {path}"
                right, kinds = _read(path)
                if len(dimension) and not kinds.equals(dimension):
                    raise InputError(
                        f"{path} answers other questions than the runs before it: evaluate it on the same benchmark"
                    )
                dimension = kinds
                seeds.append(right)
            models.append(np.mean(seeds, axis=0))
        columns[data] = np.mean(models, axis=0)
    return pd.DataFrame(columns, index=dimension.index), dimension, ""


def bootstrap(quality: Quality, scores: Scores, seed: int = 0) -> tuple[pd.DataFrame, str]:
    """95% percentile intervals of r when questions are drawn anew (the same for all runs; datasets stay fixed).

    Returns:
        Columns indicator, dimension, low, high (NaN where r isn't defined); and why there is nothing, if so.
    """
    right, dimension, reason = read_correct(scores)
    if reason:
        return pd.DataFrame(columns=["indicator", "dimension", "low", "high"]), reason
    rows = []
    for column in scores.columns:
        chosen = right if column == OVERALL else right[dimension == column]
        if len(chosen) >= 2:
            rows += _column(quality, scores.datasets, chosen, column, seed)
    return pd.DataFrame(rows, columns=["indicator", "dimension", "low", "high"]), ""


def _column(
    quality: Quality, datasets: list[str], right: pd.DataFrame, column: str, seed: int
) -> list[tuple[str, str, float, float]]:
    """All indicators at once for those sharing the same datasets."""
    means = right.mean()
    groups: dict[tuple[str, ...], list[tuple[str, np.ndarray]]] = {}
    for key in quality.keys:
        x, y = pair(quality.values[key], means)
        names = tuple(name for name in datasets if quality.values[key].notna().get(name, False))
        if len(x) >= 3 and not constant(x) and not constant(y):
            groups.setdefault(names, []).append((key, x))
    rows = []
    for names, members in groups.items():
        x = np.stack([values for _, values in members])
        low, high = _interval([right[name].to_numpy() for name in names], x, seed)
        rows += [
            (indicator_row(key), column, float(a), float(b)) for (key, _), a, b in zip(members, low, high, strict=True)
        ]
    return rows


def _interval(samples: list[np.ndarray], x: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
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


def _read(path: Path) -> tuple[np.ndarray, pd.Series]:
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
    right = np.array([row["prediction"] == row["answer"] for row in rows], float)
    return right, pd.Series([row["dimension"] for row in rows], index=ids, name="dimension")
