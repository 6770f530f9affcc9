"""Empty cells of Table 4, inferred from Table 15: which printed values fit the published correlations."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from vlit.analysis.intervals import Box, spread
from vlit.analysis.witness import joint_witness

MOST_UNKNOWN = 2
METHOD = (
    "Inferred, not published: every printed value on a one-decimal grid from 0 to 10 is tried; a"
    " candidate is excluded by proof"
    " where some correlation can't come out for any inputs that round to it, and confirmed by a joint witness"
    " (unrounded inputs that give all the row's correlations at once)."
)


@dataclass(frozen=True)
class Inference:
    """Candidates for the empty cells of one indicator.

    Attributes:
        unknown: the datasets whose cells are empty, in the order of the values below.
        confirmed: printed values with a joint witness.
        open: values neither excluded nor confirmed.
    """

    indicator: str
    unknown: list[str]
    confirmed: list[tuple[float, ...]]
    open: list[tuple[float, ...]]

    def ranges(self) -> dict[str, tuple[float, float]]:
        """Smallest and largest value per dataset that can't be excluded."""
        candidates = self.confirmed + self.open
        if not candidates:
            return {}
        return {data: _span([c[place] for c in candidates]) for place, data in enumerate(self.unknown)}


def infer(
    indicator: str, values: Box, datasets: list[str], *, scores: Box, published: np.ndarray, half_unit: float = 0.0005
) -> Inference:
    """Infer the empty cells of an indicator.

    Args:
        indicator: its name.
        values: box of its values over datasets, NaN where empty.
        datasets: their names.
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
        witness = joint_witness(Box(low[[place]], high[[place]]), scores, published[None], half_unit)
        value = tuple(float(number) for number in grid[place])
        (confirmed if witness.explains(half_unit) else unsettled).append(value)
    return Inference(indicator, [datasets[place] for place in empty], confirmed, unsettled)


def _excluded(low: np.ndarray, high: np.ndarray, scores: Box, published: np.ndarray, half_unit: float) -> np.ndarray:
    """Rows for which some correlation is out of reach for certain (angles from the centres, see `intervals`).

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
        y = Box(scores.low[column], scores.high[column])
        b = y.centre - y.centre.mean()
        cosine = (a @ b) / np.maximum(size * np.linalg.norm(b), 1e-300)
        angle = np.arccos(np.clip(cosine, -1, 1))
        least, most = np.arccos(np.clip([r + half_unit, r - half_unit], -1, 1))
        allowed = own + spread(y) + 1e-9
        out |= (angle < least - allowed) | (angle > most + allowed)
    return out


def _span(values: list[float]) -> tuple[float, float]:
    return min(values), max(values)
