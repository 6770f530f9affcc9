"""Reads finished run folders, refuses to mix what can't be averaged, and names missing cells of the design."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vlit.analysis.measurements import Quality, Scores
from vlit.analysis.names import COLUMNS, INDICATORS, in_paper_order, label
from vlit.common.errors import InputError
from vlit.common.files import read_json
from vlit.runs.folder import EVALUATIONS, RESULT

_REQUIRED = ("model", "data", "scale", "seed", "scoring", "accuracy")
_ONE_OF_EACH = ("scale", "scoring", "benchmark")


@dataclass(frozen=True)
class Run:
    """A finished run: its folder and its `result.json`."""

    folder: Path
    result: dict[str, Any]

    @property
    def key(self) -> tuple[str, str, int]:
        """Model and dataset by their names in the paper, and the seed."""
        return label(self.result["model"]), label(self.result["data"]), int(self.result["seed"])


def find_runs(folder: Path) -> list[Run]:
    """Every run's `result.json` under a folder. A folder without one is a run that isn't done, and isn't counted.

    What `evaluate.py` wrote of a run again, under its `evaluations`, is another measurement of it and no run.

    Raises:
        InputError: there is none, one lacks a field, or two give the same model, dataset and seed.
    """
    runs = []
    for path in sorted(folder.glob(f"**/{RESULT}")):
        if EVALUATIONS in path.relative_to(folder).parts:
            continue
        result = read_json(path, "run evaluate.py again")
        missing = [name for name in _REQUIRED if not isinstance(result, dict) or name not in result]
        if missing or not isinstance(result["accuracy"], dict) or not result["accuracy"]:
            raise InputError(f"{path} has no {(missing or ['accuracy'])[0]!r}: evaluate the run again")
        for name, value in result["accuracy"].items():
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise InputError(f"{path}: accuracy of {name} is {value!r}, not a number: evaluate the run again")
        runs.append(Run(path.parent, result))
    if not runs:
        raise InputError(f"no result.json under {folder}: finish a run first (python train.py), or set runs=FOLDER")
    return runs


def refuse_mixtures(runs: list[Run]) -> None:
    """Averages need runs of one scale, scoring and benchmark, and one run per model, dataset and seed.

    Raises:
        InputError: naming what differs, with one run folder of each kind.
    """
    for name in _ONE_OF_EACH:
        kinds: dict[str, Path] = {}
        for run in runs:
            kinds.setdefault(str(run.result.get(name)), run.folder)
        if len(kinds) > 1:
            listed = ", ".join(f"{kind} ({folder})" for kind, folder in kinds.items())
            raise InputError(
                f"runs differ in {name}: {listed}; choose one with only.{name}=..., or a narrower runs=FOLDER"
            )
    seen: dict[tuple[str, str, int], Path] = {}
    for run in runs:
        if run.key in seen:
            raise InputError(f"{seen[run.key]} and {run.folder} are both {run.key}: keep one, or narrow runs=FOLDER")
        seen[run.key] = run.folder
    columns = {tuple(sorted(run.result["accuracy"])): run.folder for run in runs}
    if len(columns) > 1:
        raise InputError(
            f"runs have other dimensions: {' and '.join(map(str, columns.values()))}; evaluate them on one benchmark"
        )


def select(runs: list[Run], wanted: dict[str, str | None]) -> list[Run]:
    """The runs whose fields have the wanted values (None: any).

    Raises:
        InputError: none has.
    """
    chosen = [run for run in runs if all(v is None or str(run.result.get(k)) == v for k, v in wanted.items())]
    if not chosen:
        asked = ", ".join(f"only.{name}={value}" for name, value in wanted.items() if value is not None)
        raise InputError(f"none of {len(runs)} runs has {asked}: drop the condition or finish such a run")
    return chosen


def read_runs(runs: list[Run]) -> Scores:
    """Scores of runs of one kind: mean and standard deviation over seeds, with the folders behind each row."""
    refuse_mixtures(runs)
    present = {name for run in runs for name in run.result["accuracy"]}
    columns = [c for c in COLUMNS if c in present] + sorted(present - set(COLUMNS))
    index = pd.MultiIndex.from_tuples([run.key for run in runs], names=["model", "data", "seed"])
    cells = [[_nan(run.result["accuracy"].get(c)) for c in columns] for run in runs]
    per_seed = pd.DataFrame(cells, index, columns).sort_index()
    groups = per_seed.groupby(level=["model", "data"])
    models, datasets = (in_paper_order(list(index.get_level_values(level))) for level in ("model", "data"))
    order = [key for key in itertools.product(models, datasets) if key in groups.groups]
    mean = groups.mean().mask(per_seed.isna().groupby(level=["model", "data"]).any()).loc[order]
    std, seeds = groups.std(ddof=1).loc[order], groups.size().loc[order].rename("seeds")
    sources: dict[tuple[str, str], list[str]] = {key: [] for key in order}
    for run in sorted(runs, key=lambda run: run.key):
        sources[run.key[:2]].append(str(run.folder))
    zero = pd.DataFrame(0.0, mean.index, columns)
    return Scores(mean, std, seeds, per_seed, zero, _counts(runs), sources)


def missing_cells(scores: Scores) -> list[str]:
    """Cells of models x datasets x seeds (each as far as any run has it) that no run fills."""
    seeds = sorted(set(scores.per_seed.index.get_level_values("seed")))
    have = set(scores.per_seed.index)
    design = itertools.product(scores.models, scores.datasets, seeds)
    return [f"{model}, {data}, seed {seed}" for model, data, seed in design if (model, data, seed) not in have]


def read_run_quality(folder: Path, datasets: list[str], scale: str) -> Quality:
    """Indicators from every `quality.json` under a folder, of one scale; an absent one stays empty, with its reason.

    Raises:
        InputError: two files describe one dataset, or an indicator isn't a number.
    """
    found: dict[str, tuple[Path, dict[str, Any]]] = {}
    for path in sorted(folder.glob("**/quality.json")):
        content = read_json(path, "run assess.py again")
        if not isinstance(content, dict) or "data" not in content or not isinstance(content.get("indicators"), dict):
            raise InputError(f"{path} has no data or indicators: run assess.py again")
        if str(content.get("scale", scale)) != scale:
            continue
        name = label(content["data"])
        if name in found:
            raise InputError(f"{found[name][0]} and {path} both describe {name}: keep one, or narrow indicators=FOLDER")
        found[name] = (path, content)
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
            path, content = found[data]
            value = content["indicators"].get(key)
            if value is None:
                reasons[data, key] = str(content.get("reasons", {}).get(key, f"not in {path}"))
            elif isinstance(value, bool) or not isinstance(value, int | float):
                raise InputError(f"{path}: indicator {key} is {value!r}, not a number: run assess.py again")
            else:
                values.loc[data, key] = float(value)
    sources = {data: str(path) for data, (path, _) in found.items()}
    return Quality(values, values * 0, reasons, sources)


def _counts(runs: list[Run]) -> dict[str, int]:
    first = runs[0]
    for run in runs[1:]:
        if run.result.get("counts", {}) != first.result.get("counts", {}):
            raise InputError(
                f"{first.folder} and {run.folder} have other numbers of questions: evaluate both on the whole benchmark"
            )
    return {name: int(count) for name, count in first.result.get("counts", {}).items()}


def _nan(value: float | None) -> float:
    return np.nan if value is None else float(value)
