"""Whether models tuned on `ours_qc` beat those tuned on `ours`: differences by seed, with t intervals over seeds.

Reads the runs of the study's grid, which `collect.py` packed in `results/study/runs.jsonl`, and writes
`results/quality/ours_qc_against_ours.json` and `.md`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from vlit.analysis.measurements import MODEL_LABELS
from vlit.analysis.runs import PACKED, read_packed
from vlit.common.errors import InputError
from vlit.common.files import write_json, write_text
from vlit.evaluation.seed_bench import COLUMNS

ROOT = Path(__file__).parents[1]
RUNS = ROOT / "results" / "study" / PACKED
OUTPUT = ROOT / "results" / "quality" / "ours_qc_against_ours"
BEFORE, AFTER = "ours", "ours_qc"


def differences(model: str, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return accuracy after minus before quality control in percentage points, by column and seed.

    Args:
        model: a family.
        results: content of the runs' `result.json`.

    Raises:
        InputError: if fewer than two seeds have both runs.
    """
    runs = {(run["data"], run["seed"]): run for run in results if run["model"] == model}
    seeds = sorted(seed for data, seed in runs if data == BEFORE and (AFTER, seed) in runs)
    if len(seeds) < 2:
        raise InputError(f"{RUNS}: {model} has {len(seeds)} seeds of {BEFORE} and {AFTER}: run two, then collect.py")
    pairs = [(runs[AFTER, seed], runs[BEFORE, seed]) for seed in seeds]
    points = {c: [after["accuracy"][c] - before["accuracy"][c] for after, before in pairs] for c in COLUMNS}
    return {
        "seeds": seeds,
        "commits": sorted({run["commit"] for pair in pairs for run in pair}),
        "points": {column: {"by_seed": values, **interval(values)} for column, values in points.items()},
    }


def interval(values: list[float]) -> dict[str, Any]:
    """Return mean and 95% t interval over seeds."""
    mean, half = float(np.mean(values)), float(stats.sem(values) * stats.t.ppf(0.975, len(values) - 1))
    return {"mean": mean, "interval95": [mean - half, mean + half]}


def table(found: dict[str, Any]) -> list[str]:
    """Return the differences as Markdown, a model a row."""
    lines = [f"| points | seeds | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 2) + "|"]
    for model, row in found.items():
        points = [row["points"][column] for column in COLUMNS]
        cells = [f"{one['mean']:+.1f} [{one['interval95'][0]:+.1f}, {one['interval95'][1]:+.1f}]" for one in points]
        lines.append(f"| {MODEL_LABELS[model]} | {len(row['seeds'])} | {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    try:
        study = [row["result"] for row in read_packed(RUNS, "run")]
        all_models = {model: differences(model, study) for model in MODEL_LABELS}
    except InputError as error:
        sys.exit(f"error: {error}")
    write_json(OUTPUT.with_suffix(".json"), all_models)
    write_text(OUTPUT.with_suffix(".md"), "\n".join(table(all_models)) + "\n")
    print(f"wrote {OUTPUT}.json, .md")
