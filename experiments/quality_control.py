"""Whether models tuned on `ours_qc` beat those tuned on `ours`: differences by seed, with t intervals over seeds.

The runs are of the study's grid (`study.sh`). Their small files are kept by `collect.py` in `results/study`, from which
this writes `results/quality/ours_qc_against_ours.json` and `.md`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from vlit.analysis.names import COLUMNS, label
from vlit.common.errors import InputError
from vlit.common.files import read_json, write_json, write_text

ROOT = Path(__file__).parents[1]
RUNS = ROOT / "results" / "study" / "mini"
OUTPUT = ROOT / "results" / "quality" / "ours_qc_against_ours"
BEFORE, AFTER = "ours", "ours_qc"


def seeds_of(model: str) -> list[int]:
    """Seeds of which a model has both runs."""
    found = [{int(path.parent.name[4:]) for path in (RUNS / model / data).glob("seed*/result.json")}
             for data in (BEFORE, AFTER)]  # fmt: skip
    return sorted(found[0] & found[1])


def differences(model: str) -> dict[str, Any]:
    """Accuracy after minus before quality control in points, by column and seed.

    Raises:
        InputError: if fewer than two seeds have both runs.
    """
    seeds = seeds_of(model)
    if len(seeds) < 2:
        raise InputError(f"{RUNS / model} has {len(seeds)} seeds of {BEFORE} and {AFTER}: run two, then collect.py")
    pairs = [[read_json(RUNS / model / data / f"seed{seed}" / "result.json") for data in (AFTER, BEFORE)]
             for seed in seeds]  # fmt: skip
    points = {c: [after["accuracy"][c] - before["accuracy"][c] for after, before in pairs] for c in COLUMNS}
    return {
        "seeds": seeds,
        "commits": sorted({run["commit"] for pair in pairs for run in pair}),
        "points": {column: {"by_seed": values, **interval(values)} for column, values in points.items()},
    }


def interval(values: list[float]) -> dict[str, Any]:
    """Mean and 95% t interval over seeds."""
    mean, half = float(np.mean(values)), float(stats.sem(values) * stats.t.ppf(0.975, len(values) - 1))
    return {"mean": mean, "interval95": [mean - half, mean + half]}


def table(found: dict[str, Any]) -> list[str]:
    """A row a model."""
    lines = [f"| points | seeds | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 2) + "|"]
    for model, row in found.items():
        cells = [f"{one['mean']:+.1f} [{one['interval95'][0]:+.1f}, {one['interval95'][1]:+.1f}]"
                 for one in (row["points"][column] for column in COLUMNS)]  # fmt: skip
        lines.append(f"| {label(model)} | {len(row['seeds'])} | {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    try:
        all_models = {model: differences(model) for model in ("llava", "blip2", "openflamingo")}
    except InputError as error:
        sys.exit(f"error: {error}")
    write_json(OUTPUT.with_suffix(".json"), all_models)
    write_text(OUTPUT.with_suffix(".md"), "\n".join(table(all_models)) + "\n")
    print(f"wrote {OUTPUT}.json, .md")
