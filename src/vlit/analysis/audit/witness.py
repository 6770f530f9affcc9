"""Joint witnesses: one set of unrounded inputs that gives all published correlations of some columns at once.

Bounds on single cells state whether each correlation is possible; here all share the same inputs. Finding a witness
proves that they are; finding none is no proof that they aren't, and the audit says so. Empty cells of Table 4 are
inferred with it.
"""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from vlit.analysis.audit.intervals import R_HALF, SLACK, IntervalBox, score_box, spread
from vlit.analysis.measurements import INDICATOR_BY_ROW
from vlit.analysis.published import PublishedTables

MOST_STEPS = 30  # a witness turns up within a few steps or not at all
MOST_UNKNOWN = 2
METHOD = (
    "Inferred, not published: every printed value on a one-decimal grid from 0 to 10 is tried; a candidate is excluded"
    " by proof where some correlation can't come out for any inputs that round to it, and confirmed by a joint witness"
    " (unrounded inputs that give all the row's correlations at once)."
)


@dataclass(frozen=True)
class Witness:
    """The unrounded inputs found.

    Attributes:
        indicators: shape (indicators, datasets).
        scores: shape (columns, datasets).
        largest: largest distance of their correlations from the published ones.
    """

    indicators: np.ndarray
    scores: np.ndarray
    largest: float

    def explains(self, half_unit: float) -> bool:
        """Return whether every correlation rounds to the published one."""
        return self.largest <= half_unit + SLACK


def joint_witness(indicators: IntervalBox, scores: IntervalBox, published: np.ndarray, half_unit: float) -> Witness:
    """Search the boxes for inputs whose correlations come closest to the published ones (Gauss-Newton).

    Args:
        indicators: box of shape (indicators, datasets).
        scores: box of shape (columns, datasets).
        published: correlations, shape (indicators, columns).
        half_unit: half a unit in their last place; the search ends when all are that close.
    """
    low = np.concatenate([indicators.low.ravel(), scores.low.ravel()])
    high = np.concatenate([indicators.high.ravel(), scores.high.ravel()])
    free = high > low
    split, shapes = indicators.low.size, (indicators.low.shape, scores.low.shape)
    point = (low + high) / 2

    def unpack(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        full = point.copy()
        full[free] = values
        return full[:split].reshape(shapes[0]), full[split:].reshape(shapes[1])

    def residuals(values: np.ndarray) -> np.ndarray:
        x, y = unpack(values)
        return (_directions(x) @ _directions(y).T - published).ravel()

    def slopes(values: np.ndarray) -> np.ndarray:
        x, y = unpack(values)
        return _slopes(x, y)[:, free]

    width = (high - low)[free]
    values = point[free]
    best, least = values, float(np.abs(residuals(values)).max())
    for _ in range(MOST_STEPS):
        if least <= half_unit:
            break
        miss = residuals(values)
        if not np.isfinite(miss).all():  # the box contains a constant vector, whose r isn't defined
            break
        values = _step(values, miss, slopes(values), (low[free], high[free]), width)
        largest = float(np.abs(residuals(values)).max())
        if largest < least:
            best, least = values, largest
    x, y = unpack(best)
    return Witness(x, y, least)


def _step(
    values: np.ndarray, miss: np.ndarray, slopes: np.ndarray, bounds: tuple[np.ndarray, np.ndarray], width: np.ndarray
) -> np.ndarray:
    """Take a Gauss-Newton step, smallest in units of the box's widths; inputs it would push out stay at the edge.

    The step is taken again without the inputs that reached an edge, until the others make up for them.
    """
    low, high = bounds
    moving = np.ones(len(values), bool)
    result = values
    for _ in range(len(values)):
        scaled = slopes[:, moving] * width[moving]
        if not np.isfinite(scaled).all() or not scaled.any():
            break
        left = miss + slopes[:, ~moving] @ (result - values)[~moving]
        damped = scaled @ scaled.T
        damped[np.diag_indices_from(damped)] += 1e-9 * max(np.trace(damped), 1e-300)
        step = np.zeros_like(values)
        step[moving] = -width[moving] * (scaled.T @ np.linalg.solve(damped, left))
        wanted = np.where(moving, values + step, result)
        result = np.clip(wanted, low, high)
        stuck = moving & (result != wanted)
        if not stuck.any() or not (moving & ~stuck).any():
            break
        moving &= ~stuck
    return result


def _directions(rows: np.ndarray) -> np.ndarray:
    centred = rows - rows.mean(1, keepdims=True)
    size = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.divide(centred, size, out=np.full_like(centred, np.nan), where=size > 0)


def _slopes(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the derivatives of every r by every input, shape (indicators * columns, inputs)."""
    u, v = _directions(x), _directions(y)
    r = u @ v.T
    size_x = np.linalg.norm(x - x.mean(1, keepdims=True), axis=1)
    size_y = np.linalg.norm(y - y.mean(1, keepdims=True), axis=1)
    by_x = (v[None] - r[..., None] * u[:, None]) / size_x[:, None, None]  # dr_ij / dx_i
    by_y = (u[:, None] - r[..., None] * v[None]) / size_y[None, :, None]  # dr_ij / dy_j
    a, b, n = len(x), len(y), x.shape[1]
    table = np.zeros((a, b, (a + b) * n))
    for i in range(a):
        table[i, :, i * n : (i + 1) * n] = by_x[i]
    for j in range(b):
        table[:, j, (a + j) * n : (a + j + 1) * n] = by_y[:, j]
    return table.reshape(a * b, -1)


@dataclass(frozen=True)
class Inference:
    """Candidates for the empty cells of one indicator.

    Attributes:
        indicator: its row in Table 15.
        unknown: the datasets whose cells are empty, in the order of the values below.
        confirmed: printed values with a joint witness.
        open: values neither excluded nor confirmed.
    """

    indicator: str
    unknown: list[str]
    confirmed: list[tuple[float, ...]]
    open: list[tuple[float, ...]]

    def ranges(self) -> dict[str, tuple[float, float]]:
        """Return the smallest and largest value per dataset that can't be excluded."""
        candidates = self.confirmed + self.open
        if not candidates:
            return {}
        return {data: _span([c[place] for c in candidates]) for place, data in enumerate(self.unknown)}


def infer_empty_cells(
    indicator: str,
    values: IntervalBox,
    datasets: list[str],
    *,
    scores: IntervalBox,
    published: np.ndarray,
    half_unit: float = R_HALF,
) -> Inference:
    """Infer the empty cells of an indicator.

    Args:
        indicator: its row in Table 15.
        values: box of its values over datasets, NaN where empty.
        datasets: names of the datasets.
        scores: box of dataset means, shape (columns, datasets): columns whose other correlations are explained.
        published: the indicator's correlations with these columns.
        half_unit: half a unit in the last place of the correlations.

    Raises:
        ValueError: more than two cells are empty.
    """
    empty = np.flatnonzero(np.isnan(values.low))
    if len(empty) > MOST_UNKNOWN:
        raise ValueError(f"{len(empty)} cells of {indicator} are empty, at most {MOST_UNKNOWN} can be searched")
    grid = np.array(list(itertools.product(np.arange(0, 101) / 10, repeat=len(empty))))
    low, high = np.tile(values.low, (len(grid), 1)), np.tile(values.high, (len(grid), 1))
    low[:, empty], high[:, empty] = grid - 0.05, grid + 0.05
    confirmed: list[tuple[float, ...]] = []
    unsettled: list[tuple[float, ...]] = []
    for place in np.flatnonzero(~_excluded(low, high, scores, published, half_unit)):
        witness = joint_witness(IntervalBox(low[[place]], high[[place]]), scores, published[None], half_unit)
        value = tuple(float(number) for number in grid[place])
        (confirmed if witness.explains(half_unit) else unsettled).append(value)
    return Inference(indicator, [datasets[place] for place in empty], confirmed, unsettled)


def audit_empty_cells(
    published: PublishedTables, table: pd.DataFrame, explained: list[str], half_unit: float = R_HALF
) -> dict[str, Any]:
    """Infer the empty cells of every indicator of Table 4 that has few enough of them.

    Args:
        published: the paper's tables.
        table: published correlations, indicators x columns.
        explained: columns whose other correlations have a joint witness.
        half_unit: half a unit in the last place of the correlations.

    Returns:
        The method in words, and the candidates of each indicator, ready for JSON.
    """
    results, quality, datasets = [], published.quality, published.scores.datasets
    for row, indicator in INDICATOR_BY_ROW.items():
        if indicator.key not in quality.keys or row not in table.index or not explained:
            continue
        values, half = (each[indicator.key].reindex(datasets) for each in (quality.values, quality.half_unit))
        if not 0 < values.isna().sum() <= MOST_UNKNOWN or values.notna().sum() < 2:
            continue
        found = infer_empty_cells(
            row,
            IntervalBox.around(values.to_numpy(), half.to_numpy()),
            datasets,
            scores=score_box(published.scores, explained),
            published=table.loc[row, explained].to_numpy(),
            half_unit=half_unit,
        )
        results.append({**asdict(found), "range": found.ranges(), "columns": explained})
    return {"method": METHOD, "indicators": results}


def _excluded(
    low: np.ndarray, high: np.ndarray, scores: IntervalBox, published: np.ndarray, half_unit: float
) -> np.ndarray:
    """Return which rows make some correlation impossible for certain (angles from the centres, see `intervals`).

    Args:
        low: lower corners of candidate boxes, shape (candidates, datasets).
        high: upper corners.
        scores: box of dataset means, shape (columns, datasets).
        published: correlations with these columns.
        half_unit: half a unit in their last place.
    """
    centre = (low + high) / 2
    a = centre - centre.mean(1, keepdims=True)
    size, half = np.linalg.norm(a, axis=1), (high - low) / 2
    reach = np.linalg.norm(half, axis=1)  # no shorter than the widest centred offset
    own = np.where(reach < size, np.arcsin(np.clip(reach / np.maximum(size, 1e-300), 0, 1)), np.pi)
    out = np.zeros(len(low), bool)
    for column, r in enumerate(published):
        y = IntervalBox(scores.low[column], scores.high[column])
        b = y.centre - y.centre.mean()
        cosine = (a @ b) / np.maximum(size * np.linalg.norm(b), 1e-300)
        angle = np.arccos(np.clip(cosine, -1, 1))
        least, most = np.arccos(np.clip([r + half_unit, r - half_unit], -1, 1))
        allowed = own + spread(y) + 1e-9
        out |= (angle < least - allowed) | (angle > most + allowed)
    return out


def _span(values: list[float]) -> tuple[float, float]:
    return min(values), max(values)
