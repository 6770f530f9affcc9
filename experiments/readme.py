"""Write README's tables from committed files of `results/main`, `results/study` and `results/quality`."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from vlit.analysis.names import COLUMNS, INDICATOR_BY_ROW, OVERALL
from vlit.common.files import read_json, whole

ROOT = Path(__file__).parents[1]
RUNS = ROOT / "results" / "main" / "mini"
STUDY = ROOT / "results" / "study" / "tables"
END = "<!-- end -->\n"
FAMILIES = {"llava": "LLaVA", "blip2": "BLIP-2", "openflamingo": "OpenFlamingo"}


def main() -> None:
    """Replace what stands between the marks of each table."""
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    for name, rows in TABLES.items():
        begin = f"<!-- experiments/readme.py: {name} -->\n"
        before, found, rest = text.partition(begin)
        assert found, f"README.md has no mark {begin}"
        _, _, after = rest.partition(END)
        text = before + begin + "\n".join(rows()) + "\n" + END + after
    with whole(readme) as temporary:
        temporary.write_text(text, encoding="utf-8")


def main_job() -> list[str]:
    """A family a row: accuracies with intervals, and Overall with another scene's images."""
    lines = [f"| | {' | '.join(COLUMNS)} | other images | commit |", "|---" * (len(COLUMNS) + 3) + "|"]
    for model, name in FAMILIES.items():
        run = RUNS / model / "ours_qc" / "seed0"
        result = read_json(run / "result.json")
        (control,) = (run / "evaluations").glob("*shuffled_images/result.json")
        cells = [_cell(result, column) for column in COLUMNS]
        blind = _cell(read_json(control), "Overall")
        lines.append(f"| {name} | {' | '.join(cells)} | {blind} | `{result['commit'][:7]}` |")
    return lines


def quality_control() -> list[str]:
    """Overall with `ours_qc` minus that with `ours`, a model a row."""
    found = read_json(ROOT / "results" / "quality" / "ours_qc_against_ours.json")
    lines = ["| | seeds | Overall, points |", "|---|---|---|"]
    for model, name in FAMILIES.items():
        low, high = found[model]["points"][OVERALL]["interval95"]
        middle = found[model]["points"][OVERALL]["mean"]
        lines.append(f"| {name} | {len(found[model]['seeds'])} | {middle:+.1f} [{low:+.1f}, {high:+.1f}] |")
    return lines


def grid() -> list[str]:
    """Overall of the study's grid, a model a row: mean and standard deviation over seeds."""
    cells = {(row["model"], row["data"]): f"{_number(row[OVERALL])} ± {_number(row[f'{OVERALL} std'])}"
             for row in _study("table03")}  # fmt: skip
    datasets = list(dict.fromkeys(data for _, data in cells))
    lines = [f"| Overall | {' | '.join(datasets)} |", "|---" * (len(datasets) + 1) + "|"]
    lines += [f"| {name} | {' | '.join(cells[name, data] for data in datasets)} |" for name in FAMILIES.values()]
    return lines


def principles() -> list[str]:
    """What a standard deviation of each principle's dose does to Overall."""
    lines = ["| principle | points of Overall a standard deviation of its dose |", "|---|---|"]
    rows = [row for row in _study("dose_effects") if row["dimension"] == OVERALL]
    return lines + [f"| {row['principle'].replace('_', ' ')} | {_interval(row, 'slope', 1)} |" for row in rows]


def indicators() -> list[str]:
    """How each indicator goes with Overall over the dose datasets."""
    slopes = {row["indicator"]: row for row in _study("indicator_effects") if row["dimension"] == OVERALL}
    lines = ["| indicator | points of Overall a standard deviation | rank correlation |", "|---|---|---|"]
    for row in _study("dose_predictions"):
        if row["dimension"] == OVERALL:
            name = row["indicator"]
            label = f"{INDICATOR_BY_ROW[name].label} ({name})" if name in INDICATOR_BY_ROW else name
            lines.append(f"| {label} | {_interval(slopes[name], 'slope', 1)} | {_interval(row, 'rho', 2)} |")
    return lines


def noise() -> list[str]:
    """Standard deviation of one run in each column."""
    rows = {row["dimension"]: row for row in _study("noise")}
    lines = [f"| standard deviation, points | {' | '.join(rows)} |", "|---" * (len(rows) + 1) + "|"]
    for label, part in (("by seed", "seed"), ("by question sample", "questions")):
        lines.append(f"| {label} | {' | '.join(_number(str(float(row[part]) ** 0.5)) for row in rows.values())} |")
    return lines


def time_taken() -> list[str]:
    """Hours of a core from the start of each run to its end, as its provenance has them."""
    runs = [read_json(path) for path in sorted(STUDY.parent.glob("mini/*/*/seed*/provenance.json"))]
    seconds = [(datetime.fromisoformat(run["end"]) - datetime.fromisoformat(run["start"])).seconds for run in runs]
    mean, hours = sum(seconds) / len(runs), sum(seconds) / 3600
    return [
        f"{len(runs)} runs, {mean:.0f} seconds each on one core, two at once: {hours / 2:.1f} hours."
        f" Commits {', '.join(f'`{commit[:7]}`' for commit in sorted({run['commit'] for run in runs}))}."
    ]


def _study(name: str) -> list[dict[str, str]]:
    with (STUDY / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _interval(row: dict[str, str], value: str, decimals: int) -> str:
    if row["reason"]:
        return f"none: {row['reason']}"
    middle, low, high = (f"{float(row[name]):+.{decimals}f}" for name in (value, "low", "high"))
    return f"{middle} [{low}, {high}]"


def _number(text: str) -> str:
    return f"{float(text):.1f}"


def _cell(result: dict[str, Any], column: str) -> str:
    low, high = result["interval95"][column]
    return re.sub(r"\s+", " ", f"{result['accuracy'][column]:.1f} <sub>[{low:.1f}, {high:.1f}]</sub>")


TABLES: dict[str, Callable[[], list[str]]] = {
    "main job": main_job,
    "quality control": quality_control,
    "grid": grid,
    "principles": principles,
    "indicators": indicators,
    "noise": noise,
    "time": time_taken,
}

if __name__ == "__main__":
    main()
