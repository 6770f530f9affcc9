"""What rounded inputs allow: bounds on Pearson's r and on the ICC when each input is only known to lie in an interval.

Pearson's r is the cosine of the angle between two centred vectors. Angles are a metric on directions, so if x lies
within angle a of x0 and y within b of y0, the angle between x and y lies within a + b of that between x0 and y0. This
gives *outer* bounds that hold for certain. A search gives *attained* bounds, each with a witness inside the boxes. The
true range lies between the two, and a verdict uses the side that proves it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from vlit.analysis.measurements import Quality, Scores

SLACK = 1e-9  # decimals are not exact in binary; a number on the edge of its rounding interval counts as inside
R_HALF, P_HALF, ICC_HALF = 0.0005, 0.0005, 0.00005  # Table 15 is printed to 3 decimals, the ICC to 4
WITHIN, DIFFERS, UNDECIDED = "within rounding", "differs", "undecided"
MOST_CORNERS = 10  # 2**10 corners are listed; a larger box gets the outer bound by its diagonal


@dataclass(frozen=True)
class IntervalBox:
    """A vector each of whose entries lies in a closed interval."""

    low: np.ndarray
    high: np.ndarray

    @classmethod
    def around(cls, centre: np.ndarray, half_unit: np.ndarray) -> IntervalBox:
        """Return the box of values that round to `centre`."""
        return cls(np.asarray(centre, float) - half_unit, np.asarray(centre, float) + half_unit)

    @property
    def centre(self) -> np.ndarray:
        """The middle of the box."""
        return (self.low + self.high) / 2

    def contains(self, point: np.ndarray, slack: float = SLACK) -> bool:
        """Return whether a point lies in the box."""
        return bool(np.all(point >= self.low - slack) and np.all(point <= self.high + slack))

    def corners(self) -> np.ndarray:
        """Return the distinct corners, one a row: coordinates known exactly don't double them."""
        choices = [(a,) if a == b else (a, b) for a, b in zip(self.low, self.high, strict=True)]
        return np.array(list(itertools.product(*choices)))

    def halves(self) -> tuple[IntervalBox, IntervalBox]:
        """Return two boxes that cover this one, cut across its widest coordinate."""
        axis = int(np.argmax(self.high - self.low))
        low, high = self.low.copy(), self.high.copy()
        low[axis] = high[axis] = self.centre[axis]
        return IntervalBox(self.low, high), IntervalBox(low, self.high)


def indicator_box(quality: Quality, keys: list[str], datasets: list[str]) -> IntervalBox:
    """Return the box of indicators as printed, shape (indicators, datasets)."""
    values, half_unit = (table.loc[datasets, keys].T.to_numpy() for table in (quality.values, quality.half_unit))
    return IntervalBox.around(values, half_unit)


def score_box(scores: Scores, columns: list[str]) -> IntervalBox:
    """Return the box of means over models, shape (columns, datasets); a mean's half unit is that of the cells."""
    half_unit = scores.half_unit.groupby(level="data").mean().loc[scores.datasets, columns]
    return IntervalBox.around(scores.dataset_means[columns].T.to_numpy(), half_unit.T.to_numpy())


@dataclass(frozen=True)
class Range:
    """Bounds of a number whose inputs lie in boxes.

    `low` and `high` are attained by inputs in the boxes; nothing outside `outer_low`..`outer_high` can be.
    """

    low: float
    high: float
    outer_low: float
    outer_high: float

    def verdict(self, published: float, half_unit: float) -> str:
        """Return `within rounding`, `differs` or `undecided` for a number whose last place is `2 * half_unit`."""
        low, high = published - half_unit - SLACK, published + half_unit + SLACK
        if low <= self.high and high >= self.low:  # the range between two attained values is attained (continuity)
            return WITHIN
        if high < self.outer_low or low > self.outer_high:
            return DIFFERS
        return UNDECIDED


def pearson(x: np.ndarray, y: np.ndarray) -> float:
    """Return Pearson's r; NaN if either is constant."""
    a, b = x - x.mean(), y - y.mean()
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.clip(a @ b / size, -1, 1)) if size > 0 else float("nan")


def pearson_range(x: IntervalBox, y: IntervalBox) -> Range:
    """Return bounds of r over all x and y in their boxes.

    Raises:
        ValueError: fewer than three points.
    """
    if len(x.low) < 3:
        raise ValueError("r of fewer than three points has no information")
    if len(x.low) > MOST_CORNERS:
        outer = _outer(x, y)
        r = pearson(x.centre, y.centre)
        return Range(r, r, outer[0], outer[1])
    high = _attained_maximum(x, y)
    low = -_attained_maximum(IntervalBox(-x.high, -x.low), y)
    outer_low, outer_high = _split_outer(x, y)
    return Range(low, high, min(outer_low, low), max(outer_high, high))


def nearest_direction(target: np.ndarray, box: IntervalBox) -> np.ndarray:
    """Return the point of a box whose centred direction is closest to `target`'s: it maximises r for fixed `target`.

    The box's centred multiples form a cone, spanned by its corners; the projection on a cone makes the smallest angle.
    If no point of the box has positive r, the best is a corner.
    """
    corners = box.corners()
    if len(corners) == 1:
        return corners[0]
    weights, _ = nnls((corners - corners.mean(1, keepdims=True)).T, target - target.mean())
    if weights.sum() > 0:
        return weights @ corners / weights.sum()
    return max(corners, key=lambda corner: pearson(target, corner))


def _attained_maximum(x: IntervalBox, y: IntervalBox) -> float:
    """Return the best r of alternating exact maximisations, started in the middle and in the most promising corners."""
    best = -1.0
    corners = x.corners()
    centred = corners - corners.mean(1, keepdims=True)
    promise = centred @ (y.centre - y.centre.mean()) / np.maximum(np.linalg.norm(centred, axis=1), 1e-300)
    for start in (x.centre, *corners[np.argsort(-promise)[:3]]):
        point, value = start, -1.0
        for _ in range(12):
            other = nearest_direction(point, y)
            point = nearest_direction(other, x)
            r = pearson(point, other)
            if not r > value + 1e-7:
                value = max(r, value)
                break
            value = r
        best = max(best, value)
    return best


def _split_outer(x: IntervalBox, y: IntervalBox, pieces: int = 16) -> tuple[float, float]:
    """Return outer bounds, sharpened by cutting the wider box in pieces and bounding each."""
    boxes = [(x, y)]
    while len(boxes) < pieces:
        widths = [spread(a) + spread(b) for a, b in boxes]
        a, b = boxes.pop(int(np.argmax(widths)))
        if spread(a) + spread(b) == 0:
            boxes.append((a, b))
            break
        boxes += [(half, b) for half in a.halves()] if spread(a) >= spread(b) else [(a, half) for half in b.halves()]
    bounds = [_outer(a, b) for a, b in boxes]
    return min(low for low, _ in bounds), max(high for _, high in bounds)


def _outer(x: IntervalBox, y: IntervalBox) -> tuple[float, float]:
    """Return outer bounds by adding angles."""
    reach = spread(x) + spread(y)
    if np.ptp(x.centre) == 0 or np.ptp(y.centre) == 0:
        return -1.0, 1.0
    angle = float(np.arccos(pearson(x.centre, y.centre)))
    return float(np.cos(min(np.pi, angle + reach))), float(np.cos(max(0.0, angle - reach)))


def spread(box: IntervalBox) -> float:
    """Return an angle that no point of the box exceeds, seen from the centre (after taking the mean off)."""
    centre = box.centre - box.centre.mean()
    size, reach = float(np.linalg.norm(centre)), float(np.linalg.norm((box.high - box.low) / 2))
    if reach == 0:
        return 0.0
    return float(np.arcsin(reach / size)) if reach < size else float(np.pi)


def icc_range(scores: np.ndarray, half_unit: np.ndarray, average: bool) -> Range:
    """Return bounds of the two-way consistency ICC of a table with each score known to half a unit.

    ICC(C,1) and ICC(C,k) rise with F = MS(targets) / MS(residual). Both sums of squares are squared norms of linear
    maps of the scores, so the triangle inequality bounds them; corners along the gradient give attained values.

    Args:
        scores: targets x raters.
        half_unit: half a unit in each score's last place, broadcast to the shape of `scores`.
        average: bounds of ICC(C,k) instead of ICC(C,1).
    """
    scores, half_unit = np.asarray(scores, float), np.broadcast_to(half_unit, np.shape(scores))
    rows, residual = _split_scores(scores)
    reach = float(np.linalg.norm(half_unit))
    a, e = float(np.linalg.norm(rows)), float(np.linalg.norm(residual))
    outer = (
        _consistency(max(0.0, a - reach), e + reach, scores.shape, average),
        _consistency(a + reach, max(0.0, e - reach), scores.shape, average),
    )
    attained = [consistency(scores + sign * corner, average) for sign, corner in _gradient_corners(scores, half_unit)]
    attained.append(consistency(scores, average))
    return Range(min(attained), max(attained), outer[0], outer[1])


def consistency(scores: np.ndarray, average: bool) -> float:
    """Return ICC(C,1) or ICC(C,k) of a targets x raters table: fast enough for a search, equal to pingouin's."""
    rows, residual = _split_scores(scores)
    return _consistency(float(np.linalg.norm(rows)), float(np.linalg.norm(residual)), scores.shape, average)


def _gradient_corners(scores: np.ndarray, half_unit: np.ndarray) -> list[tuple[float, np.ndarray]]:
    """Return corners that push the scores towards more, and towards less, agreement; refined a few times."""
    corners = []
    for sign in (1.0, -1.0):
        corner = np.zeros_like(scores)
        for _ in range(5):
            rows, residual = _split_scores(scores + sign * corner)
            gradient = rows / max((rows**2).sum(), 1e-300) - residual / max((residual**2).sum(), 1e-300)
            corner = np.sign(gradient) * half_unit
        corners.append((sign, corner))
    return corners


def _split_scores(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    row, column = scores.mean(1, keepdims=True), scores.mean(0, keepdims=True)
    rows = np.broadcast_to(row - scores.mean(), scores.shape)
    return rows, scores - row - column + scores.mean()


def _consistency(rows: float, residual: float, shape: tuple[int, ...], average: bool) -> float:
    n, k = shape
    between, within = rows**2 / (n - 1), residual**2 / ((n - 1) * (k - 1))
    if between + within == 0:
        return float("nan")
    if average:
        return 1 - within / between if between > 0 else float("-inf")
    return (between - within) / (between + (k - 1) * within)
