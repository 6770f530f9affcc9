"""Is `Overall` a weighted mean of the dimensions, and under which assignment of columns to question counts?"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import linprog

MOST_PERMUTED = 9  # 9! = 362,880 assignments take a fraction of a second; 10! ten times that


@dataclass(frozen=True)
class Fit:
    """How far one set of weights is from reproducing `Overall`, in percentage points."""

    assignment: dict[str, str]  # column -> the dimension whose question count it is given
    largest: float
    root_mean_square: float
    residuals: list[float]


def weighted(scores: pd.DataFrame, overall: pd.Series, counts: dict[str, int], assignment: dict[str, str]) -> Fit:
    """Residuals of `Overall` against the mean of the columns weighted by their assigned counts."""
    weights = np.array([counts[assignment[column]] for column in scores.columns], float)
    residuals = overall.to_numpy() - scores.to_numpy() @ (weights / weights.sum())
    return Fit(
        assignment, float(np.abs(residuals).max()), float(np.sqrt((residuals**2).mean())), residuals.round(6).tolist()
    )


def every_assignment(scores: pd.DataFrame, overall: pd.Series, counts: dict[str, int]) -> pd.DataFrame:
    """Largest and root-mean-square residual under every permutation of the counts over the columns.

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
    """The non-negative weights, summing to one, with the smallest largest residual: a linear program.

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
