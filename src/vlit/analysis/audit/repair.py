"""Which single cell of Table 3, if it were another number, would make a published derived number come out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from vlit.analysis.audit.intervals import SLACK, Box
from vlit.analysis.audit.witness import joint_witness

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
    """

    data: str
    column: str
    smallest: float  # changes of a cell, in steps of 0.1, between which a joint witness was found
    largest: float


def icc_repairs(scores: pd.DataFrame, data: str, published: float, half_unit: float = 0.00005) -> list[IccRepair]:
    """Single cells whose replacement by a one-decimal percentage gives the published ICC(C,1).

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
            values = _consistency(trials)
            found += [
                IccRepair(model, data, column, float(table[row, place]), float(GRID[index]), float(values[index]))
                for index in np.flatnonzero(np.abs(values - published) <= half_unit + SLACK)
            ]
    return sorted(found, key=lambda repair: abs(repair.needed - repair.printed))


def mean_repairs(
    indicators: Box,
    scores: Box,
    published: np.ndarray,
    half_unit: float,
    *,
    cells: int,
    names: tuple[str, list[str]],
) -> list[MeanRepair]:
    """Single-cell changes of one column that give all of its published correlations together.

    Args:
        indicators: box of shape (indicators, datasets).
        scores: box of the column's means over models, shape (datasets,).
        published: the column's correlations, shape (indicators,).
        half_unit: half a unit in their last place.
        cells: how many cells a mean is over (the number of models).
        names: the column, and its datasets.
    """
    column, datasets = names
    found = []
    for place, data in enumerate(datasets):

        def works(change: float, place: int = place) -> bool:
            shift = np.zeros(len(datasets))
            shift[place] = change / cells
            box = Box((scores.low + shift)[None], (scores.high + shift)[None])
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


def _best_change(x: np.ndarray, y: np.ndarray, published: np.ndarray, place: int, cells: int) -> float:
    """The change of one cell, in steps of 0.1, that fits best with all other inputs as printed."""
    changes = np.arange(-1000, 1001) / 10
    trials = np.repeat(y[None], len(changes), axis=0)
    trials[:, place] += changes / cells
    centred = trials - trials.mean(1, keepdims=True)
    size = np.linalg.norm(centred, axis=1, keepdims=True)
    directions = np.divide(centred, size, out=np.zeros_like(centred), where=size > 0)
    a = x - x.mean(1, keepdims=True)
    r = directions @ (a / np.linalg.norm(a, axis=1, keepdims=True)).T
    return float(changes[np.abs(r - published).max(1).argmin()])


def _consistency(tables: np.ndarray) -> np.ndarray:
    """ICC(C,1) of many targets x raters tables at once, shape (tables, targets, raters)."""
    _, n, k = tables.shape
    row, column = tables.mean(2, keepdims=True), tables.mean(1, keepdims=True)
    grand = tables.mean((1, 2), keepdims=True)
    between = k * ((row - grand) ** 2).sum((1, 2)) / (n - 1)
    within = ((tables - row - column + grand) ** 2).sum((1, 2)) / ((n - 1) * (k - 1))
    return (between - within) / (between + (k - 1) * within)
