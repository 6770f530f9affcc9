"""Write the tables of README.md and docs/*.md between their markers, from committed files of `results/`.

A table stands between `<!-- experiments/readme.py: NAME -->` and `<!-- end -->`; NAME is one of `TABLES`.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from vlit.analysis.measurements import MODEL_LABELS, indicator_title
from vlit.analysis.runs import PACKED, read_packed
from vlit.common.errors import InputError
from vlit.common.files import read_json, write_text
from vlit.data.subset import UNTUNED
from vlit.evaluation.seed_bench import COLUMNS, OVERALL

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"
BEGIN = re.compile(r"<!-- experiments/readme\.py: (.*?) -->\n")
END = "<!-- end -->\n"


def main() -> None:
    """Replace what is between the markers of each table, in README.md and every docs/*.md that has some."""
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = page.read_text(encoding="utf-8")
        filled, names = fill(text, str(page.relative_to(ROOT)))
        if names:
            write_text(page, filled)
            print(f"{page.relative_to(ROOT)}: {', '.join(names)}")


def fill(text: str, page: str) -> tuple[str, list[str]]:
    """Return a page with its tables replaced, and their names.

    Raises:
        InputError: a marker names no table, or has no end.
    """
    parts, names = [], []
    while found := BEGIN.search(text):
        name = found.group(1)
        old, end, rest = text[found.end() :].partition(END)
        if name not in TABLES:
            raise InputError(f"{page}: no table {name!r}: choose from {', '.join(TABLES)}")
        if not end or BEGIN.search(old):
            raise InputError(f"{page}: the table {name!r} has no end: write {END.strip()} behind it")
        parts += [text[: found.end()], *(f"{line}\n" for line in TABLES[name]()), END]
        names.append(name)
        text = rest
    return "".join([*parts, text]), names


def main_job() -> list[str]:
    """Return accuracies with intervals before and after tuning, and Overall with another scene's images."""
    packed = read_packed(RESULTS / "main" / PACKED, "run")
    runs = {(row["result"]["model"], row["result"]["data"]): row for row in packed}
    lines = _header("", *COLUMNS, "other images", "commit")
    for model, name in MODEL_LABELS.items():
        for data, label in ((UNTUNED, f"{name}, untuned"), ("ours_qc", f"{name}, tuned")):
            row = runs[model, data]
            (control,) = (found for found in row["evaluations"].values() if found["control"] == "shuffled_images")
            cells = [_accuracy(row["result"], column) for column in COLUMNS]
            lines.append(_row(label, *cells, _accuracy(control, OVERALL), f"`{row['result']['commit'][:7]}`"))
    return lines


def quality_control() -> list[str]:
    """Return Overall with `ours_qc` minus that with `ours`, a model a row."""
    found = read_json(RESULTS / "quality" / "ours_qc_against_ours.json", "run experiments/quality_control.py")
    lines = _header("", "seeds", "Overall, points")
    for model, name in MODEL_LABELS.items():
        points = found[model]["points"][OVERALL]
        low, high = points["interval95"]
        lines.append(_row(name, len(found[model]["seeds"]), f"{points['mean']:+.1f} [{low:+.1f}, {high:+.1f}]"))
    return lines


def grid() -> list[str]:
    """Return Overall of the study's grid, a model a row: mean and standard deviation over seeds."""
    cells = {
        (row["model"], row["data"]): f"{_one_decimal(row[OVERALL])} ± {_one_decimal(row[f'{OVERALL} std'])}"
        for row in _study_table("table03")
    }
    datasets = list(dict.fromkeys(data for _, data in cells))
    rows = [_row(name, *(cells[name, data] for data in datasets)) for name in MODEL_LABELS.values()]
    return [*_header("Overall", *datasets), *rows]


def principles() -> list[str]:
    """Return what a standard deviation of each principle's dose does to Overall."""
    rows = [row for row in _study_table("dose_effects") if row["dimension"] == OVERALL]
    lines = [_row(row["principle"].replace("_", " "), _interval(row, "slope", 1)) for row in rows]
    return [*_header("principle", "points of Overall a standard deviation of its dose"), *lines]


def indicators() -> list[str]:
    """Return the effect of each indicator on Overall, and its rank correlation with it, over the dose datasets."""
    slopes = {row["indicator"]: row for row in _study_table("indicator_effects") if row["dimension"] == OVERALL}
    lines = _header("indicator", "points of Overall a standard deviation", "rank correlation")
    for row in _study_table("dose_predictions"):
        if row["dimension"] == OVERALL:
            slope = _interval(slopes[row["indicator"]], "slope", 1)
            lines.append(_row(indicator_title(row["indicator"]), slope, _interval(row, "rho", 2)))
    return lines


def noise() -> list[str]:
    """Return the standard deviation of one run in each column."""
    rows = {row["dimension"]: row for row in _study_table("noise")}
    lines = _header("standard deviation, points", *rows)
    for label, part in (("by seed", "seed"), ("by question sample", "questions")):
        lines.append(_row(label, *(_one_decimal(float(row[part]) ** 0.5) for row in rows.values())))
    return lines


def time_taken() -> list[str]:
    """Return hours of a core from the start of each run of the study to its end, by the runs' provenance."""
    runs = [row["provenance"] for row in read_packed(RESULTS / "study" / PACKED, "run")]
    seconds = [(datetime.fromisoformat(run["end"]) - datetime.fromisoformat(run["start"])).seconds for run in runs]
    mean, hours = sum(seconds) / len(runs), sum(seconds) / 3600
    commits = ", ".join(f"`{commit[:7]}`" for commit in sorted({run["commit"] for run in runs}))
    return [
        f"{len(runs)} runs, {mean:.0f} seconds each on one core, two at once: {hours / 2:.1f} hours. Commits {commits}."
    ]


def _study_table(name: str) -> list[dict[str, str]]:
    with (RESULTS / "study" / "tables" / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _header(*names: str) -> list[str]:
    return [f"|{'|'.join(f' {name} ' if name else ' ' for name in names)}|", "|---" * len(names) + "|"]


def _row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _interval(row: dict[str, str], value: str, decimals: int) -> str:
    if row["reason"]:
        return f"none: {row['reason']}"
    middle, low, high = (f"{float(row[name]):+.{decimals}f}" for name in (value, "low", "high"))
    return f"{middle} [{low}, {high}]"


def _one_decimal(number: str | float) -> str:
    return f"{float(number):.1f}"


def _accuracy(result: dict[str, Any], column: str) -> str:
    low, high = result["interval95"][column]
    return f"{result['accuracy'][column]:.1f} <sub>[{low:.1f}, {high:.1f}]</sub>"


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
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
