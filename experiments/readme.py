"""Write README's table of the main job from the result files in `results/main`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from vlit.analysis.names import COLUMNS
from vlit.files import read_json, whole

ROOT = Path(__file__).parents[1]
RUNS = ROOT / "results" / "main" / "mini"
BEGIN, END = "<!-- experiments/readme.py: begin -->\n", "<!-- end -->\n"
FAMILIES = {"llava": "LLaVA", "blip2": "BLIP-2", "openflamingo": "OpenFlamingo"}


def main() -> None:
    """Replace what stands between the marks."""
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    with whole(readme) as temporary:
        temporary.write_text(before + BEGIN + "\n".join(table()) + "\n" + END + after, encoding="utf-8")


def table() -> list[str]:
    """The rows: a family each, accuracies with intervals, and Overall with another scene's images."""
    lines = [f"| | {' | '.join(COLUMNS)} | other images | commit |", "|---" * (len(COLUMNS) + 3) + "|"]
    for model, name in FAMILIES.items():
        run = RUNS / model / "ours_qc" / "seed0"
        result = read_json(run / "result.json")
        (control,) = (run / "evaluations").glob("*shuffled_images/result.json")
        cells = [_cell(result, column) for column in COLUMNS]
        blind = _cell(read_json(control), "Overall")
        lines.append(f"| {name} | {' | '.join(cells)} | {blind} | `{result['commit'][:7]}` |")
    return lines


def _cell(result: dict[str, Any], column: str) -> str:
    low, high = result["interval95"][column]
    return re.sub(r"\s+", " ", f"{result['accuracy'][column]:.1f} <sub>[{low:.1f}, {high:.1f}]</sub>")


if __name__ == "__main__":
    main()
