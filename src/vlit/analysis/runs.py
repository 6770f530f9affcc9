"""Finished runs and measured datasets: in run folders, or packed as one JSON-lines file a study.

A packed file has one line a run (`kind: run`, `path`, `result`, `provenance`, and the result of each of its
`evaluations`) and one line a dataset (`kind: quality`, `path`, `quality`). A path is that of the run or dataset in the
folder it was packed from, as in `mini/blip2/ours_qc/seed0`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vlit.analysis.measurements import Quality, Scores, average_seeds, paper_name
from vlit.common.errors import InputError
from vlit.common.files import read_json, read_jsonl, write_jsonl
from vlit.evaluation.seed_bench import COLUMNS
from vlit.quality.indicators import INDICATORS
from vlit.runs.folder import RunFolder

PACKED = "runs.jsonl"
_REQUIRED = ("model", "data", "scale", "seed", "scoring", "accuracy")
_ONE_OF_EACH = ("scale", "scoring", "benchmark")
_FIELDS = {"run": {"path", "result", "provenance", "evaluations"}, "quality": {"path", "quality"}}


@dataclass(frozen=True)
class FinishedRun:
    """A finished run.

    Attributes:
        source: its folder, or `FILE:PATH` in a packed file.
        result: content of its `result.json`.
    """

    source: str
    result: dict[str, Any]

    @property
    def key(self) -> tuple[str, str, int]:
        """Model and dataset by their names in the paper, and the seed."""
        return paper_name(self.result["model"]), paper_name(self.result["data"]), int(self.result["seed"])


def find_runs(path: Path) -> list[FinishedRun]:
    """Read every finished run of a folder of run folders, of a packed file, or of a folder with a packed file.

    A folder without `result.json` is a run that isn't done, and isn't counted. What `evaluate.py` wrote of a run again,
    under its `evaluations`, is another measurement of it and no run.

    Raises:
        InputError: there is none, or one lacks a field.
    """
    if packed := packed_file(path):
        runs = [FinishedRun(f"{packed}:{row['path']}", row["result"]) for row in read_packed(packed, "run")]
    else:
        results = [file for file in sorted(path.glob("**/result.json")) if not _is_evaluation(file)]
        runs = [FinishedRun(str(file.parent), read_json(file, "run evaluate.py again")) for file in results]
    for run in runs:
        _check(run)
    if not runs:
        raise InputError(f"no result.json under {path}: finish a run first (python train.py), or set runs=FOLDER")
    return runs


def select_runs(runs: list[FinishedRun], wanted: dict[str, str | None]) -> list[FinishedRun]:
    """Return the runs whose fields have the wanted values (None: any).

    Raises:
        InputError: none has.
    """
    chosen = [run for run in runs if all(v is None or str(run.result.get(k)) == v for k, v in wanted.items())]
    if not chosen:
        conditions = ", ".join(f"only.{name}={value}" for name, value in wanted.items() if value is not None)
        raise InputError(f"none of {len(runs)} runs has {conditions}: drop the condition or finish such a run")
    return chosen


def read_runs(runs: list[FinishedRun]) -> Scores:
    """Return the scores of runs of one kind: mean and standard deviation over seeds, and where each row's runs are.

    Raises:
        InputError: the runs are not of one scale, scoring and benchmark, or two are of one model, dataset and seed.
    """
    _refuse_mixtures(runs)
    present = {name for run in runs for name in run.result["accuracy"]}
    columns = [c for c in COLUMNS if c in present] + sorted(present - set(COLUMNS))
    index = pd.MultiIndex.from_tuples([run.key for run in runs], names=["model", "data", "seed"])
    cells = [[_nan(run.result["accuracy"].get(c)) for c in columns] for run in runs]
    sources: dict[tuple[str, str], list[str]] = {}
    for run in sorted(runs, key=lambda run: run.key):
        sources.setdefault(run.key[:2], []).append(run.source)
    return average_seeds(pd.DataFrame(cells, index, columns), _question_counts(runs), sources)


def read_run_quality(path: Path, datasets: list[str], scale: str) -> Quality:
    """Read the indicators of one scale from every `quality.json` of a folder, or from a packed file.

    Args:
        path: as for `find_runs`.
        datasets: rows of the table, by their names in the paper.
        scale: files of another are left out.

    Returns:
        The table; an absent indicator stays empty, with its reason.

    Raises:
        InputError: two files describe one dataset, or an indicator isn't a number.
    """
    found = _qualities(path, scale)
    known = [indicator.key for indicator in INDICATORS]
    extra = [key for _, content in found.values() for key in content["indicators"] if key not in known]
    keys = [*known, *dict.fromkeys(extra)]
    values = pd.DataFrame(np.nan, index=datasets, columns=keys)
    reasons = {}
    for data in datasets:
        for key in keys:
            if data not in found:
                reasons[data, key] = f"no quality.json: python assess.py data={data}"
                continue
            source, content = found[data]
            value = content["indicators"].get(key)
            if value is None:
                reasons[data, key] = str(content.get("reasons", {}).get(key, f"not in {source}"))
            elif isinstance(value, bool) or not isinstance(value, int | float):
                raise InputError(f"{source}: indicator {key} is {value!r}, not a number: run assess.py again")
            else:
                values.loc[data, key] = float(value)
    return Quality(values, values * 0, reasons, {data: source for data, (source, _) in found.items()})


def pack_runs(runs: Path, packed: Path, scale: str = "mini") -> dict[str, int]:
    """Write the small files of finished runs and of measured datasets as one JSON-lines file, whole or not at all.

    A run or dataset that the file has already is replaced, any other line of it is kept.

    Args:
        runs: folder of run folders, `{scale}/{model}/{data}/seed{seed}`, and of `{scale}/quality/{data}`.
        packed: file to write.
        scale: the scale whose runs are packed.

    Returns:
        Number of lines of each kind in the file.

    Raises:
        InputError: nothing is finished, a file is broken, or a run has a result but no provenance.
    """
    results = sorted((runs / scale).glob("*/*/seed*/result.json"))
    if not results:
        raise InputError(f"no finished run under {runs / scale}: finish one first (python train.py)")
    rows = [_run_row(RunFolder(result.parent), runs) for result in results]
    for file in sorted((runs / scale / "quality").glob("*/quality.json")):
        path = file.parent.relative_to(runs).as_posix()
        rows.append({"kind": "quality", "path": path, "quality": read_json(file, "run assess.py again")})
    lines = {row["path"]: row for row in [*(read_packed(packed) if packed.is_file() else []), *rows]}
    write_jsonl(packed, [lines[path] for path in sorted(lines)])
    return {kind: sum(row["kind"] == kind for row in lines.values()) for kind in _FIELDS}


def packed_file(path: Path) -> Path | None:
    """Return the packed file that a path is or contains; None if it is a folder of run folders."""
    return path if path.is_file() else path / PACKED if (path / PACKED).is_file() else None


def read_packed(packed: Path, kind: str | None = None) -> list[dict[str, Any]]:
    """Read the lines of a packed file: those of one kind (`run` or `quality`), or all.

    Raises:
        InputError: a line is broken or lacks a field.
    """
    rows = read_jsonl(packed)
    for number, row in enumerate(rows, start=1):
        fields = _FIELDS.get(str(row.get("kind"))) if isinstance(row, dict) else None
        if fields is None or not fields <= set(row):
            raise InputError(f"{packed}:{number} is no packed run or dataset: pack it again (experiments/collect.py)")
    return [row for row in rows if kind in (None, row["kind"])]


def _run_row(run: RunFolder, root: Path) -> dict[str, Any]:
    """Return the packed line of a finished run."""
    mend = f"run {run.path} again with force=true"
    evaluations = {file.parent.name: file for file in sorted(run.evaluations.glob("*/result.json"))}
    return {
        "kind": "run",
        "path": run.path.relative_to(root).as_posix(),
        "result": read_json(run.result, mend),
        "provenance": read_json(run.path / "provenance.json", mend),
        "evaluations": {name: read_json(file, "run evaluate.py again") for name, file in evaluations.items()},
    }


def _is_evaluation(result: Path) -> bool:
    folder = result.parent.parent
    return folder == RunFolder(folder.parent).evaluations


def _check(run: FinishedRun) -> None:
    """Raise an `InputError` for a result that lacks a field or has an accuracy that isn't a number."""
    result = run.result
    missing = [name for name in _REQUIRED if not isinstance(result, dict) or name not in result]
    if missing or not isinstance(result["accuracy"], dict) or not result["accuracy"]:
        raise InputError(f"{run.source} has no {(missing or ['accuracy'])[0]!r} in its result: evaluate the run again")
    for name, value in result["accuracy"].items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise InputError(f"{run.source}: accuracy of {name} is {value!r}, not a number: evaluate the run again")


def _refuse_mixtures(runs: list[FinishedRun]) -> None:
    """Raise an `InputError` naming what differs between runs that can't be averaged, with one run of each kind."""
    for name in _ONE_OF_EACH:
        kinds: dict[str, str] = {}
        for run in runs:
            kinds.setdefault(str(run.result.get(name)), run.source)
        if len(kinds) > 1:
            listed = ", ".join(f"{kind} ({source})" for kind, source in kinds.items())
            raise InputError(
                f"runs differ in {name}: {listed}; choose one with only.{name}=..., or a narrower runs=FOLDER"
            )
    seen: dict[tuple[str, str, int], str] = {}
    for run in runs:
        if run.key in seen:
            raise InputError(f"{seen[run.key]} and {run.source} are both {run.key}: keep one, or narrow runs=FOLDER")
        seen[run.key] = run.source
    columns = {tuple(sorted(run.result["accuracy"])): run.source for run in runs}
    if len(columns) > 1:
        raise InputError(
            f"runs have other dimensions: {' and '.join(columns.values())}; evaluate them on one benchmark"
        )


def _qualities(path: Path, scale: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return source and content of each dataset's indicators, by the dataset's name in the paper."""
    if packed := packed_file(path):
        rows = read_packed(packed, "quality")
        stored = [(f"{packed}:{row['path']}/quality.json", row["quality"]) for row in rows]
    else:
        stored = [(str(file), read_json(file, "run assess.py again")) for file in sorted(path.glob("**/quality.json"))]
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for source, content in stored:
        if not isinstance(content, dict) or "data" not in content or not isinstance(content.get("indicators"), dict):
            raise InputError(f"{source} has no data or indicators: run assess.py again")
        if str(content.get("scale", scale)) != scale:
            continue
        name = paper_name(content["data"])
        if name in found:
            raise InputError(f"{found[name][0]} and {source} both describe {name}: keep one, or narrow indicators=PATH")
        found[name] = (source, content)
    return found


def _question_counts(runs: list[FinishedRun]) -> dict[str, int]:
    first = runs[0]
    for run in runs[1:]:
        if run.result.get("counts", {}) != first.result.get("counts", {}):
            raise InputError(
                f"{first.source} and {run.source} have other numbers of questions: evaluate both on the whole benchmark"
            )
    return {name: int(count) for name, count in first.result.get("counts", {}).items()}


def _nan(value: float | None) -> float:
    return np.nan if value is None else float(value)
