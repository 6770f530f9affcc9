"""Copy the small files of all finished mini runs from `results/runs` to `results/study`, where they are committed."""

from __future__ import annotations

import sys
from pathlib import Path

from vlit.analysis.study.collect import collect
from vlit.common.errors import InputError

ROOT = Path(__file__).parents[1]

if __name__ == "__main__":
    try:
        files = collect(ROOT / "results" / "runs", ROOT / "results" / "study")
    except InputError as error:
        sys.exit(f"error: {error}")
    print(f"{len(files)} files in {ROOT / 'results' / 'study'}")
