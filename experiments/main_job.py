"""Print the main job's result next to where it started from and what it scores without looking (`make train`)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from vlit.common.errors import InputError
from vlit.common.files import read_json
from vlit.evaluation.seed_bench import COLUMNS

RUNS = Path(__file__).parents[1] / "results" / "runs" / "mini" / "blip2"


def main() -> None:
    """Print accuracies in percent with 95% intervals, a column for each."""
    tuned = RUNS / "ours_qc" / "seed0"
    blind = sorted(tuned.glob("evaluations/*-shuffled_images-*/result.json"), key=lambda path: path.stat().st_mtime)
    if not blind:
        raise InputError(f"no blind control in {tuned / 'evaluations'}: python evaluate.py run={tuned} "
                         "control=shuffled_images")  # fmt: skip
    found = {
        "tuned": read_json(tuned / "result.json", "python train.py model=blip2 data=ours_qc"),
        "untuned": read_json(RUNS / "none" / "seed0" / "result.json", "python train.py model=blip2 data=none"),
        "tuned, other images": read_json(blind[-1]),
    }
    print(f"{'% right':8}" + "".join(f"{name:>22}" for name in found))
    for column in COLUMNS:
        print(f"{column:8}" + "".join(f"{_cell(result, column):>22}" for result in found.values()))


def _cell(result: dict[str, Any], column: str) -> str:
    low, high = result["interval95"][column]
    return f"{result['accuracy'][column]:.1f} [{low:.1f}, {high:.1f}]"


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
