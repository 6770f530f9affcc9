"""A joint witness: one set of unrounded inputs that gives all published correlations of some columns at once.

Bounds on single cells say whether each correlation can be had; here all share the same inputs. Finding a witness proves
that they can; finding none is no proof that they can't, and the audit says so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import OptimizeResult, least_squares

from vlit.analysis.intervals import SLACK, Box

MOST_STEPS = 25  # a witness turns up within a few steps or not at all


@dataclass(frozen=True)
class Witness:
    """The unrounded inputs found, and the largest distance of their correlations from the published ones."""

    indicators: np.ndarray  # (indicators, datasets)
    scores: np.ndarray  # (columns, datasets)
    largest: float

    def explains(self, half_unit: float) -> bool:
        """Whether every correlation rounds to the published one."""
        return self.largest <= half_unit + SLACK


def joint_witness(indicators: Box, scores: Box, published: np.ndarray, half_unit: float) -> Witness:
    """Search the boxes for inputs whose correlations come closest to the published ones.

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

    if not free.any():
        x, y = unpack(point[free])
        return Witness(x, y, float(np.abs(residuals(point[free])).max()))
    def enough(intermediate_result: OptimizeResult) -> None:
        if np.abs(intermediate_result.fun).max() <= half_unit:
            raise StopIteration

    best = None
    for method in ("trf", "dogbox"):  # where one is stuck at a bound the other often isn't
        found = least_squares(
            residuals,
            point[free],
            slopes,
            bounds=(low[free], high[free]),
            x_scale=(high - low)[free],
            method=method,
            max_nfev=MOST_STEPS,
            callback=enough,
        )
        if best is None or np.abs(found.fun).max() < np.abs(best.fun).max():
            best = found
        if np.abs(best.fun).max() <= half_unit:
            break
    x, y = unpack(best.x)
    return Witness(x, y, float(np.abs(best.fun).max()))


def _directions(rows: np.ndarray) -> np.ndarray:
    centred = rows - rows.mean(1, keepdims=True)
    return centred / np.linalg.norm(centred, axis=1, keepdims=True)


def _slopes(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Derivatives of every r by every input: (indicators * columns, inputs)."""
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
