"""How far a sweep is: the state of each cell, from its folders and SLURM's queue, and the page that lists them."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vlit.common.errors import InputError, printable
from vlit.common.files import read_json
from vlit.runs.folder import RunFolder
from vlit.runs.owner import owner
from vlit.sweep import slurm
from vlit.sweep.grid import MANIFEST, Cell, digest, read_manifest
from vlit.sweep.slurm import ArrayTask

COMMAND = "command.json"  # the overrides that the sweep was started with, and what is evaluated after each run
DONE, RUNNING, QUEUED, FAILED, MISSING = "done", "running", "queued", "failed", "missing"
ORDER = (DONE, RUNNING, QUEUED, FAILED, MISSING)


@dataclass(frozen=True)
class CellState:
    """How far a cell is.

    Attributes:
        word: one of the five in `ORDER`.
        note: why it failed, where it runs, how many steps it has done.
    """

    word: str
    note: str = ""

    @property
    def open(self) -> bool:
        """Whether it is to be started."""
        return self.word in (FAILED, MISSING)


def state(cell: Cell, sweep: Path, tasks: Mapping[int, ArrayTask], verify: bool = False) -> CellState:
    """Return the state of a cell.

    Args:
        cell: the cell.
        sweep: folder of the sweep.
        tasks: tasks of the sweep's arrays that have not ended, by index.
        verify: compare results with their predictions.
    """
    run, task = cell.run, tasks.get(cell.index)
    named, at_work = owner(cell.place(sweep) if run is None else run.path)
    if at_work:
        return CellState(RUNNING, ", ".join([str(named or "a process"), *_steps(run)]))
    if task is not None and task.state not in ("PENDING", "REQUEUED"):
        return CellState(RUNNING, f"SLURM job {task.job}, {task.state.lower()}")
    ended = None if run is None else _run_ended(run, cell.digest, verify)
    command = _command_ended(cell.outcome(sweep)) if ended is None else None
    if command is not None and (run is None or command.word == FAILED):  # of a run: it was refused before it began
        ended = command
    if ended is not None and (ended.word == DONE or task is None):
        return ended
    if task is not None:
        return CellState(QUEUED, f"SLURM job {task.job}: {task.reason}")
    if named is not None:
        return CellState(MISSING, ", ".join([f"{named} was killed", *_steps(run)]))
    return CellState(MISSING, ", ".join(["stopped", *_steps(run)]) if run is not None and run.config.exists() else "")


def _run_ended(run: RunFolder, configuration: str, verify: bool) -> CellState | None:
    config = run.config
    if config.exists() and digest(config.read_text(encoding="utf-8")) != configuration:
        return CellState(FAILED, f"{run.path} holds a run with another configuration")
    if run.result.exists():
        fault = run.fault(verify)
        return CellState(DONE) if fault is None else CellState(FAILED, fault)
    if not run.failure.exists():
        return None
    try:
        failure = read_json(run.failure)
        job = f" (SLURM job {failure['job']})" if failure["job"] else ""
        return CellState(FAILED, f"{failure['reason']}{job}")
    except (InputError, KeyError, TypeError):
        return CellState(FAILED, f"see {run.failure}")


def _command_ended(outcome: Path) -> CellState | None:
    if not outcome.exists():
        return None
    error = read_json(outcome)["error"]
    return CellState(DONE) if error is None else CellState(FAILED, str(error))


def _steps(run: RunFolder | None) -> list[str]:
    if run is None:
        return []
    try:
        lines = run.metrics.read_bytes().count(b"\n")
        return [f"{lines} steps"]
    except OSError:
        return ["no step yet"]


def evaluated(cell: Cell, control: str | None) -> bool:
    """Return whether a cell has nothing to evaluate: its run has been scored with the control, or it is no run."""
    return control is None or cell.run is None or any(cell.run.evaluations.glob(f"*-{control}-*/result.json"))


def finishing(sweep: Path, launch: str) -> str:
    """Return the command that finishes a sweep: the one it was started with, with a launch if that had none.

    Args:
        sweep: folder of the sweep.
        launch: `local` or `slurm`.
    """
    overrides = [override for override in read_json(sweep / COMMAND)["overrides"] if override != "launch=none"]
    if not any(override.startswith("launch=") for override in overrides):
        overrides.append(f"launch={launch}")
    return shlex.join(["python", "sweep.py", *overrides])


def page(name: str, folder: str, verify: bool = False) -> str:
    """Return the status page: a table of the cells, reasons and progress, and the command that finishes the sweep.

    Args:
        name: name of the sweep.
        folder: folder of the sweep.
        verify: compare every result with its predictions.

    Raises:
        InputError: if there is no such sweep.
    """
    sweep = Path(folder)
    grid = read_manifest(sweep / MANIFEST)
    tasks = slurm.tasks(slurm.job_name(name), Path.cwd())
    states = {cell.index: state(cell, sweep, tasks, verify) for cell in grid}
    counts = Counter(found.word for found in states.values())
    lines = [*_table(grid, states), ""]
    lines.append(f"{len(grid)} cells: " + ", ".join(f"{counts[word]} {word}" for word in ORDER if counts[word]))
    lines += [
        f"  {cell.name} {states[cell.index].word}: {printable(states[cell.index].note)}"
        for cell in grid
        if states[cell.index].note
    ]
    control = read_json(sweep / COMMAND)["control"]
    evaluating = slurm.tasks(slurm.job_name(name, "evaluate"), Path.cwd())
    unscored = [
        cell
        for cell in grid
        if states[cell.index].word == DONE and not evaluated(cell, control) and cell.index not in evaluating
    ]
    if unscored:
        lines.append(f"  done but not evaluated: {', '.join(cell.name for cell in unscored)}")
    if counts[FAILED] + counts[MISSING] or unscored:
        lines += ["", "finish it with", f"  {finishing(sweep, 'slurm' if slurm.available() else 'local')}"]
    elif counts[RUNNING] + counts[QUEUED] or evaluating:
        lines += ["", "nothing to start: the rest is under way"]
    return "\n".join(lines)


def _table(grid: list[Cell], states: Mapping[int, CellState]) -> list[str]:
    """Return a row per model and dataset with a column per seed; of other commands a row per cell."""
    if not all(cell.run for cell in grid):
        width = max(len(cell.name) for cell in grid)
        return [f"{cell.name:<{width}} {states[cell.index].word}" for cell in grid]
    seeds = sorted({cell.seed for cell in grid if cell.seed is not None})
    rows: dict[tuple[str, str], dict[int | None, str]] = {}
    for cell in grid:
        rows.setdefault((str(cell.model), str(cell.data)), {})[cell.seed] = states[cell.index].word
    models, data = (max(len(key[part]) for key in rows) for part in (0, 1))
    lines = [" " * (models + data + 2) + "".join(f"{f'seed {seed}':<10}" for seed in seeds)]
    for (model, dataset), words in rows.items():
        lines.append(f"{model:<{models}} {dataset:<{data}} " + "".join(f"{words.get(seed, ''):<10}" for seed in seeds))
    return [line.rstrip() for line in lines]
