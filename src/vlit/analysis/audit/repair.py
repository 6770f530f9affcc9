"""Do the published correlations of a column fit together, and which single cell of Table 3 would mend what doesn't."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from vlit.analysis.audit.intervals import (
    ICC_HALF,
    R_HALF,
    SLACK,
    WITHIN,
    IntervalBox,
    icc_range,
    indicator_box,
    score_box,
)
from vlit.analysis.audit.witness import joint_witness
from vlit.analysis.measurements import INDICATOR_BY_ROW
from vlit.analysis.published import PublishedTables
from vlit.analysis.statistics.correlation import LEAST, is_constant
from vlit.analysis.statistics.reliability import why_icc_undefined

GRID = np.arange(0, 1001) / 10  # every percentage with one decimal


@dataclass(frozen=True)
class IccRepair:
    """One cell and the number that would give the published ICC, all other cells as printed."""

    model: str
    data: str
    column: str
    printed: float
    needed: float
    icc_single: float


@dataclass(frozen=True)
class MeanRepair:
    """One dataset and the change of one of its cells that gives a column's published correlations together.

    Correlations see a dataset's mean over models only, so they can't tell which model's cell would be the one.

    Attributes:
        data: the dataset.
        column: the column of Table 3.
        smallest: smallest change of a cell for which a joint witness was found, in percentage points.
        largest: largest such change, in steps of 0.1.
    """

    data: str
    column: str
    smallest: float
    largest: float


def icc_repairs(scores: pd.DataFrame, data: str, published: float, half_unit: float = ICC_HALF) -> list[IccRepair]:
    """Return single cells whose replacement by a one-decimal percentage gives the published ICC(C,1).

    Args:
        scores: targets x raters as `Scores.of` gives them.
        data: their dataset.
        published: the printed ICC, single measures. (Average measures follow from it.)
        half_unit: half a unit in its last place.
    """
    table = scores.to_numpy(float)
    found = []
    for row, column in enumerate(scores.index):
        for place, model in enumerate(scores.columns):
            trials = np.repeat(table[None], len(GRID), axis=0)
            trials[:, row, place] = GRID
            values = _single_consistency(trials)
            found += [
                IccRepair(model, data, column, float(table[row, place]), float(GRID[index]), float(values[index]))
                for index in np.flatnonzero(np.abs(values - published) <= half_unit + SLACK)
            ]
    return sorted(found, key=lambda repair: abs(repair.needed - repair.printed))


def mean_repairs(
    indicators: IntervalBox,
    scores: IntervalBox,
    published: np.ndarray,
    half_unit: float,
    *,
    cells: int,
    names: tuple[str, list[str]],
) -> list[MeanRepair]:
    """Return single-cell changes of one column that give all of its published correlations together.

    Args:
        indicators: box of shape (indicators, datasets).
        scores: box of the column's means over models, shape (datasets,).
        published: the column's correlations, shape (indicators,).
        half_unit: half a unit in their last place.
        cells: number of cells that a mean is over (the models).
        names: the column, and its datasets.
    """
    column, datasets = names
    found = []
    for place, data in enumerate(datasets):

        def works(change: float, place: int = place) -> bool:
            shift = np.zeros(len(datasets))
            shift[place] = change / cells
            box = IntervalBox((scores.low + shift)[None], (scores.high + shift)[None])
            return joint_witness(indicators, box, published[:, None], half_unit).explains(half_unit)

        best = _best_change(indicators.centre, scores.centre, published, place, cells)
        if not works(best):
            continue
        ends = []
        for sign in (-1, 1):  # doubling, then halving steps outwards from the best fit
            change, step = best, 0.8
            while step > 0.05:
                step, change = (step, change + sign * step) if works(change + sign * step) else (step / 2, change)
                if abs(change) > 100:
                    break
            ends.append(round(change, 1))
        found.append(MeanRepair(data, column, ends[0], ends[1]))
    return found


def audit_joint(published: PublishedTables) -> tuple[list[dict[str, Any]], list[str]]:
    """Return whether complete indicators can give all correlations at once, per column and for explained columns."""
    table, names = _complete(published)
    keys = [INDICATOR_BY_ROW[name].key for name in names]

    def explain(columns: list[str]) -> dict[str, Any]:
        boxes = indicator_box(published.quality, keys, published.scores.datasets), score_box(published.scores, columns)
        witness = joint_witness(*boxes, table.loc[names, columns].to_numpy(), R_HALF)
        return {
            "columns": " + ".join(columns),
            "tests": len(names) * len(columns),
            "explained": bool(witness.explains(R_HALF)),
            "largest_miss": round(witness.largest, 6),
        }

    rows = [explain([column]) for column in published.scores.columns if names and column in table.columns]
    explained = [row["columns"] for row in rows if row["explained"]]
    if len(explained) > 1:
        rows.append(explain(explained))
    return rows, explained


def audit_column_repairs(published: PublishedTables, joint: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return single cells that would mend a column of Table 15, and what they would do to the dataset's ICC.

    Args:
        published: the paper's tables.
        joint: rows of `audit_joint`.
    """
    table, names = _complete(published)
    keys = [INDICATOR_BY_ROW[name].key for name in names]
    scores, rows = published.scores, []
    for column in [row["columns"] for row in joint if not row["explained"] and row["columns"] in scores.columns]:
        means = score_box(scores, [column])
        repairs = mean_repairs(
            indicator_box(published.quality, keys, scores.datasets),
            IntervalBox(means.low[0], means.high[0]),
            table.loc[names, column].to_numpy(),
            R_HALF,
            cells=len(scores.models),
            names=(column, list(scores.datasets)),
        )
        rows += [
            {**asdict(found), "icc": _icc_after(published, found.data, column, found.smallest, found.largest)}
            for found in repairs
        ]
    return rows


def correlation_table(published: PublishedTables) -> pd.DataFrame:
    """Return the published r, indicators x columns, indicators in printed order."""
    order = list(dict.fromkeys(published.correlations.indicator))
    return published.correlations.pivot(index="indicator", columns="dimension", values="r").loc[order]


def _complete(published: PublishedTables) -> tuple[pd.DataFrame, list[str]]:
    """Return published correlations, and the rows whose indicator has a value for every dataset."""
    table, datasets = correlation_table(published), published.scores.datasets
    names = []
    for row in table.index:
        key = INDICATOR_BY_ROW[row].key if row in INDICATOR_BY_ROW else row
        if key in published.quality.keys and len(datasets) >= LEAST:
            values = published.quality.values[key].reindex(datasets)
            if values.notna().all() and np.ptp(values.to_numpy()) > 0:
                names.append(row)
    means = published.scores.dataset_means
    known = [column for column in table.columns if column in means.columns and means[column].notna().all()]
    return table[[column for column in known if not is_constant(means[column].to_numpy())]], names


def _icc_after(published: PublishedTables, data: str, column: str, smallest: float, largest: float) -> str:
    """Return whether some change in the range leaves, or makes, the dataset's published single ICC."""
    if data not in published.icc.index or np.isnan(published.icc.loc[data, "ICC_single"]):
        return "no published ICC to compare with"
    target, fits = float(published.icc.loc[data, "ICC_single"]), []
    table = published.scores.of(data)
    if why_icc_undefined(table):
        return f"no ICC: {why_icc_undefined(table)}"
    half = published.scores.half_unit.xs(data, level="data").loc[table.columns].T.to_numpy()
    for model in table.columns:
        for change in np.arange(round(smallest * 10), round(largest * 10) + 1) / 10:
            altered = table.to_numpy(copy=True)
            altered[table.index.get_loc(column), table.columns.get_loc(model)] += change
            if icc_range(altered, half, average=False).verdict(target, ICC_HALF) == WITHIN:
                fits.append(model)
                break
    if not fits:
        return "published ICC of the dataset no longer comes out"
    return f"published ICC of {data} stays within rounding if it is the cell of {', '.join(fits)}"


def _best_change(x: np.ndarray, y: np.ndarray, published: np.ndarray, place: int, cells: int) -> float:
    """Return the change of one cell, in steps of 0.1, that fits best with all other inputs as printed."""
    changes = np.arange(-1000, 1001) / 10
    trials = np.repeat(y[None], len(changes), axis=0)
    trials[:, place] += changes / cells
    centred = trials - trials.mean(1, keepdims=True)
    size = np.linalg.norm(centred, axis=1, keepdims=True)
    directions = np.divide(centred, size, out=np.zeros_like(centred), where=size > 0)
    a = x - x.mean(1, keepdims=True)
    r = directions @ (a / np.linalg.norm(a, axis=1, keepdims=True)).T
    return float(changes[np.abs(r - published).max(1).argmin()])


def _single_consistency(tables: np.ndarray) -> np.ndarray:
    """Return ICC(C,1) of many targets x raters tables at once, shape (tables, targets, raters)."""
    _, n, k = tables.shape
    row, column = tables.mean(2, keepdims=True), tables.mean(1, keepdims=True)
    grand = tables.mean((1, 2), keepdims=True)
    between = k * ((row - grand) ** 2).sum((1, 2)) / (n - 1)
    within = ((tables - row - column + grand) ** 2).sum((1, 2)) / ((n - 1) * (k - 1))
    return (between - within) / (between + (k - 1) * within)
