"""The audit's two questions about numbers of questions: `Overall` as a weighted mean, and the GRIM test."""

from __future__ import annotations

from typing import Any

import numpy as np

from vlit.analysis.grim import ROUNDINGS, Printed, always_from, compatible_counts, impossible
from vlit.analysis.measurements import Scores
from vlit.analysis.names import OVERALL
from vlit.analysis.overall import MOST_PERMUTED, best_weights, every_assignment, weighted

MOST_QUESTIONS = 1200  # with one decimal every percentage is possible from 1000 questions on
MOST_RUNS = 5


def audit_overall(scores: Scores, counts: dict[str, int]) -> dict[str, Any]:
    """Whether `Overall` is a weighted mean of the dimensions; see `vlit.analysis.overall`."""
    names = [name for name in scores.dimensions if name in counts]
    complete = scores.mean.dropna()
    if OVERALL not in scores.columns or len(names) < 2 or complete.empty:
        return {"reason": "no Overall, or fewer than two dimensions with known question counts"}
    table, overall = complete[names], complete[OVERALL]
    half = scores.half_unit.loc[complete.index]
    allowed = float((half[OVERALL] + half[names].max(axis=1)).max())  # of Overall itself and of any weighted mean
    identity = weighted(table, overall, counts, {name: name for name in names})
    equal = weighted(table, overall, dict.fromkeys(names, 1), {name: name for name in names})
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
    """The GRIM test of every column of Table 3.

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
        values = [Printed.of(text) for text in dict.fromkeys(texts)]
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


def _best_swap(fits: Any, names: list[str]) -> dict[str, Any]:
    """The assignment with the smallest root mean square among those that exchange just two columns."""
    moved = sum((fits[name] != name).astype(int) for name in names)
    swaps = fits[moved == 2].sort_values("rms")
    best = swaps.iloc[0]
    pair = [name for name in names if best[name] != name]
    return {"columns": pair, "largest": float(best["largest"]), "rms": float(best["rms"])}


def _row(line: Any, names: list[str]) -> dict[str, Any]:
    return {"gets": {name: line[name] for name in names}, "largest": float(line["largest"]), "rms": float(line["rms"])}


def _decimals(half_unit: float) -> int:
    return max(0, round(-np.log10(2 * half_unit))) if half_unit > 0 else 1
