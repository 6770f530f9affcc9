"""The audit's two questions about numbers of questions: `Overall` as a weighted mean, and the GRIM test."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import linprog

from vlit.analysis.measurements import Scores
from vlit.evaluation.seed_bench import OVERALL

MOST_QUESTIONS = 1200  # with one decimal every percentage is possible from 1000 questions on
MOST_RUNS = 5
MOST_PERMUTED = 9  # 9! = 362,880 assignments take a fraction of a second; 10! ten times that
ROUNDINGS = ("nearest", "down")


@dataclass(frozen=True)
class WeightedFit:
    """How far one set of weights is from reproducing `Overall`, in percentage points.

    Attributes:
        assignment: column to the dimension whose question count it is given.
        largest: largest absolute residual.
        root_mean_square: root mean square of the residuals.
        residuals: `Overall` minus the weighted mean, a row of Table 3 each.
    """

    assignment: dict[str, str]
    largest: float
    root_mean_square: float
    residuals: list[float]


@dataclass(frozen=True)
class PrintedPercentage:
    """A printed percentage as an integer number of units in its last place.

    Attributes:
        units: the number.
        scale: units in one percent; 10 for one decimal.
    """

    units: int
    scale: int

    @classmethod
    def of(cls, text: str) -> PrintedPercentage:
        """Read a percentage, keeping the number of decimals it was printed with."""
        exponent = Decimal(text).as_tuple().exponent
        if not isinstance(exponent, int):
            raise ValueError(f"{text!r} is not a finite number")
        scale = 10 ** max(0, -exponent)
        return cls(int(Decimal(text) * scale), scale)


def audit_overall(scores: Scores, counts: dict[str, int]) -> dict[str, Any]:
    """Return whether `Overall` is a weighted mean of the dimensions, and how far it is from one.

    Args:
        scores: Table 3.
        counts: SEED-Bench's questions per dimension.

    Returns:
        Distances in percentage points under these counts, equal weights, any weights, and every assignment of the
        counts to the columns; or `reason`, why there are none.
    """
    names = [name for name in scores.dimensions if name in counts]
    complete = scores.mean.dropna()
    if OVERALL not in scores.columns or len(names) < 2 or complete.empty:
        return {"reason": "no Overall, or fewer than two dimensions with known question counts"}
    table, overall = complete[names], complete[OVERALL]
    half = scores.half_unit.loc[complete.index]
    allowed = float((half[OVERALL] + half[names].max(axis=1)).max())  # of Overall itself and of any weighted mean
    identity = weighted_fit(table, overall, counts, {name: name for name in names})
    equal = weighted_fit(table, overall, dict.fromkeys(names, 1), {name: name for name in names})
    smallest, weights = best_weights(table, overall)
    result: dict[str, Any] = {
        "allowed": allowed,
        "rows": [f"{model}, {data}" for model, data in complete.index],
        "columns_as_labelled": {
            "largest": identity.largest,
            "rms": identity.root_mean_square,
            "residuals": identity.residuals,
        },
        "equal_weights": {"largest": equal.largest, "rms": equal.root_mean_square},
        "any_weights": {"largest": smallest, "weights": {name: round(w, 4) for name, w in weights.items()}},
        "is_weighted_mean_as_labelled": bool(identity.largest <= allowed + 1e-9),
        "is_weighted_mean_at_all": bool(smallest <= allowed + 1e-6),
    }
    if len(names) <= MOST_PERMUTED:
        fits = every_assignment(table, overall, counts)
        result["assignments"] = len(fits)
        result["rank_as_labelled"] = {
            "largest": int((fits.largest < identity.largest - 1e-12).sum()) + 1,
            "rms": int((fits.rms < identity.root_mean_square - 1e-12).sum()) + 1,
        }
        for measure in ("largest", "rms"):
            best = fits.nsmallest(3, measure)
            result[f"best_by_{measure}"] = [_row(line, names) for _, line in best.iterrows()]
        result["best_swap"] = _best_swap(fits, names)
    return result


def audit_counts(scores: Scores, counts: dict[str, int]) -> list[dict[str, Any]]:
    """Apply the GRIM test (Brown and Heathers, 2017) to every column of Table 3.

    Args:
        scores: Table 3.
        counts: SEED-Bench's questions per dimension.

    Returns:
        Per column: how many numbers of questions below the point where all are possible fit all values, the smallest
        of them, and which values SEED-Bench's own count excludes, for one run and for means over equal runs.
    """
    rows = []
    totals = {**counts, OVERALL: sum(counts.values())}
    for column in scores.columns:
        texts = [
            f"{value:.{_decimals(half)}f}"
            for value, half in zip(scores.mean[column], scores.half_unit[column], strict=True)
            if np.isfinite(value)
        ]
        values = [PrintedPercentage.of(text) for text in dict.fromkeys(texts)]
        row: dict[str, Any] = {"column": column, "values": len(values), "seed_bench": totals.get(column)}
        limit = min(MOST_QUESTIONS, always_from(max((value.scale for value in values), default=1)))
        for rounding in ROUNDINGS:
            fits = compatible_counts(values, limit, rounding)
            row[rounding] = {"smallest": fits[:5], "fitting": len(fits), "tried": limit}
        if column in totals:
            for rounding in ROUNDINGS:
                bad = impossible(values, totals[column], rounding)
                row[rounding]["impossible"] = [v.units / v.scale for v in bad]
            row["impossible_as_mean_of_runs"] = {
                runs: len(impossible(values, totals[column] * runs)) for runs in range(1, MOST_RUNS + 1)
            }
        rows.append(row)
    return rows


def weighted_fit(
    scores: pd.DataFrame, overall: pd.Series, counts: dict[str, int], assignment: dict[str, str]
) -> WeightedFit:
    """Return the residuals of `Overall` against the mean of the columns weighted by their assigned counts."""
    weights = np.array([counts[assignment[column]] for column in scores.columns], float)
    residuals = overall.to_numpy() - scores.to_numpy() @ (weights / weights.sum())
    return WeightedFit(
        assignment, float(np.abs(residuals).max()), float(np.sqrt((residuals**2).mean())), residuals.round(6).tolist()
    )


def every_assignment(scores: pd.DataFrame, overall: pd.Series, counts: dict[str, int]) -> pd.DataFrame:
    """Return largest and root-mean-square residual under every permutation of the counts over the columns.

    Args:
        scores: dimensions in percent, a column each.
        overall: `Overall` in percent, index of `scores`.
        counts: questions per dimension.

    Returns:
        One row per permutation: one column per dimension (whose count it gets), `largest`, `rms`.

    Raises:
        ValueError: more than nine dimensions.
    """
    names = list(scores.columns)
    if len(names) > MOST_PERMUTED:
        raise ValueError(f"{len(names)} dimensions have too many permutations to list")
    permutations = np.array(list(itertools.permutations(range(len(names)))))
    weights = np.array([counts[name] for name in names], float)
    weights /= weights.sum()
    permuted = weights[permutations]
    largest, squares = np.zeros(len(permutations)), np.zeros(len(permutations))
    for row, total in zip(scores.to_numpy(), overall.to_numpy(), strict=True):
        residual = total - permuted @ row
        largest = np.maximum(largest, np.abs(residual))
        squares += residual**2
    table = pd.DataFrame(np.array(names)[permutations], columns=names)
    return table.assign(largest=largest, rms=np.sqrt(squares / len(scores)))


def best_weights(scores: pd.DataFrame, overall: pd.Series) -> tuple[float, dict[str, float]]:
    """Return the smallest largest residual and the non-negative weights, summing to one, that have it (linear program).

    If this residual is above what rounding allows, no weighting of the dimensions whatever gives `Overall`.
    """
    x, y = scores.to_numpy(float), overall.to_numpy(float)
    rows, columns = x.shape
    slack = -np.ones((rows, 1))
    solution = linprog(
        np.r_[np.zeros(columns), 1.0],
        A_ub=np.r_[np.c_[x, slack], np.c_[-x, slack]],
        b_ub=np.r_[y, -y],
        A_eq=np.r_[np.ones(columns), 0.0][None],
        b_eq=[1.0],
        bounds=[(0, None)] * (columns + 1),
    )
    return float(solution.fun), dict(zip(scores.columns, solution.x[:-1].tolist(), strict=True))


def attainable(value: PrintedPercentage, n: int, rounding: str = "nearest") -> bool:
    """Return whether some whole number of correct answers out of `n` prints as `value`.

    Args:
        value: the printed percentage.
        n: number of questions (over all runs, where the percentage is a mean over equal runs).
        rounding: `nearest` (a tie may go either way) or `down` (cut off).

    Raises:
        ValueError: `n` is not positive, or the rounding has another name.
    """
    if n < 1:
        raise ValueError(f"{n} questions: a percentage needs at least one")
    whole = 100 * value.scale  # units in 100 percent; k correct answers are whole * k / n units
    if rounding == "nearest":  # 2 * value - 1 <= 2 * whole * k / n <= 2 * value + 1
        low, high = -(-(2 * value.units - 1) * n // (2 * whole)), (2 * value.units + 1) * n // (2 * whole)
    elif rounding == "down":  # value <= whole * k / n < value + 1
        low, high = -(-value.units * n // whole), ((value.units + 1) * n - 1) // whole
    else:
        raise ValueError(f"rounding {rounding!r}: one of {', '.join(ROUNDINGS)}")
    return max(low, 0) <= min(high, n)


def impossible(values: list[PrintedPercentage], n: int, rounding: str = "nearest") -> list[PrintedPercentage]:
    """Return the values that `n` questions can't give."""
    return [value for value in values if not attainable(value, n, rounding)]


def compatible_counts(values: list[PrintedPercentage], most: int, rounding: str = "nearest") -> list[int]:
    """Return every number of questions up to `most` that can give all the values."""
    return [n for n in range(1, most + 1) if all(attainable(value, n, rounding) for value in values)]


def always_from(value_scale: int) -> int:
    """Return the number of questions from which every percentage is possible: the step 100 / n is at most a unit."""
    return 100 * value_scale


def _best_swap(fits: pd.DataFrame, names: list[str]) -> dict[str, Any]:
    """Return the assignment with the smallest root mean square among those that exchange just two columns."""
    moved = sum((fits[name] != name).astype(int) for name in names)
    swaps = fits[moved == 2].sort_values("rms")
    best = swaps.iloc[0]
    pair = [name for name in names if best[name] != name]
    return {"columns": pair, "largest": float(best["largest"]), "rms": float(best["rms"])}


def _row(line: pd.Series, names: list[str]) -> dict[str, Any]:
    return {"gets": {name: line[name] for name in names}, "largest": float(line["largest"]), "rms": float(line["rms"])}


def _decimals(half_unit: float) -> int:
    return max(0, round(-np.log10(2 * half_unit))) if half_unit > 0 else 1
