"""How far a cell is, from what its run folder holds and what SLURM has waiting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vlit.common.errors import InputError
from vlit.common.files import read_json
from vlit.runs.owner import owner
from vlit.sweep.grid import Cell, digest
from vlit.sweep.slurm import Task

DONE, RUNNING, QUEUED, FAILED, MISSING = "done", "running", "queued", "failed", "missing"


@dataclass(frozen=True)
class State:
    """One of the five words, and what there is to say: why it failed, where it runs, how far it came."""

    word: str
    note: str = ""

    @property
    def open(self) -> bool:
        """Whether somebody has to start it."""
        return self.word in (FAILED, MISSING)


def state(cell: Cell, tasks: Mapping[int, Task]) -> State:  # noqa: PLR0911 (a return a state)
    """The state of a cell."""
    folder, task = cell.folder, tasks.get(cell.index)
    named, at_work = owner(folder.path)
    if at_work:
        return State(RUNNING, f"{named or 'a process'}, {_steps(cell)}")
    if task is not None and task.state not in ("PENDING", "REQUEUED"):
        return State(RUNNING, f"SLURM job {task.job}, {task.state.lower()}")
    if _of_another_configuration(cell):
        return State(FAILED, f"{folder.path} holds a run with another configuration")
    if folder.done:
        return State(DONE)
    if task is not None:
        return State(QUEUED, f"SLURM job {task.job}: {task.reason}")
    if folder.failure.exists():
        return State(FAILED, _reason(cell))
    if named is not None:
        return State(MISSING, f"{named} was killed, {_steps(cell)}")
    return State(MISSING, f"stopped, {_steps(cell)}" if folder.config.exists() else "")


def evaluated(cell: Cell, control: str | None) -> bool:
    """Whether a run that is done has been scored with a control."""
    return control is None or any(cell.folder.evaluations.glob(f"*-{control}/result.json"))


def _of_another_configuration(cell: Cell) -> bool:
    config = cell.folder.config
    return config.exists() and digest(config.read_text(encoding="utf-8")) != cell.digest


def _reason(cell: Cell) -> str:
    try:
        failure = read_json(cell.folder.failure)
        return str(failure["reason"]) + (f" (SLURM job {failure['job']})" if failure["job"] else "")
    except (InputError, KeyError, TypeError):
        return f"see {cell.folder.failure}"


def _steps(cell: Cell) -> str:
    try:
        steps = cell.folder.metrics.read_bytes().count(b"\n")
        return f"{steps} steps"
    except OSError:
        return "no step yet"
