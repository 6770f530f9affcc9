"""The status page of a sweep, as text."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from vlit.common.files import read_json
from vlit.sweep import slurm
from vlit.sweep.grid import MANIFEST, Cell, read_manifest
from vlit.sweep.start import COMMAND, finishing
from vlit.sweep.state import DONE, FAILED, MISSING, QUEUED, RUNNING, State, evaluated, state

ORDER = (DONE, RUNNING, QUEUED, FAILED, MISSING)


def page(name: str, folder: str) -> str:
    """A row for each model and dataset, a column a seed; then what there is to say, and the command that finishes it.

    Raises:
        InputError: if there is no such sweep.
    """
    home = Path(folder)
    grid = read_manifest(home / MANIFEST)
    tasks = slurm.tasks(slurm.job_name(name), Path.cwd())
    states = {cell.index: state(cell, tasks) for cell in grid}
    counts = Counter(found.word for found in states.values())
    lines = [*_table(grid, states), ""]
    lines.append(f"{len(grid)} cells: " + ", ".join(f"{counts[word]} {word}" for word in ORDER if counts[word]))
    lines += [
        f"  {cell.name} {states[cell.index].word}: {states[cell.index].note}"
        for cell in grid
        if states[cell.index].note
    ]
    evaluating = slurm.tasks(slurm.job_name(name, "evaluate"), Path.cwd())
    unscored = [cell for cell in _unscored(home, grid, states) if cell.index not in evaluating]
    if unscored:
        lines.append(f"  done but not evaluated: {', '.join(cell.name for cell in unscored)}")
    if counts[FAILED] + counts[MISSING] or unscored:
        lines += ["", "finish it with", f"  {finishing(home, 'slurm' if slurm.available() else 'local')}"]
    elif counts[RUNNING] + counts[QUEUED] or evaluating:
        lines += ["", "nothing to start: the rest is under way"]
    return "\n".join(lines)


def _unscored(home: Path, grid: list[Cell], states: dict[int, State]) -> list[Cell]:
    """Cells whose training is done and whose evaluation with the sweep's control is not."""
    control = read_json(home / COMMAND)["control"]
    return [cell for cell in grid if states[cell.index].word == DONE and not evaluated(cell, control)]


def _table(grid: list[Cell], states: dict[int, State]) -> list[str]:
    seeds = sorted({cell.seed for cell in grid})
    rows: dict[tuple[str, str], dict[int, str]] = {}
    for cell in grid:
        rows.setdefault((cell.model, cell.data), {})[cell.seed] = states[cell.index].word
    models, data = (max(len(key[part]) for key in rows) for part in (0, 1))
    lines = [" " * (models + data + 2) + "".join(f"{f'seed {seed}':<10}" for seed in seeds)]
    for (model, dataset), words in rows.items():
        lines.append(f"{model:<{models}} {dataset:<{data}} " + "".join(f"{words.get(seed, ''):<10}" for seed in seeds))
    return [line.rstrip() for line in lines]
