"""Starts a sweep: every cell of its grid that is neither done nor under way, and what follows the runs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from vlit.common.errors import InputError, assigned
from vlit.common.files import locked, write_json
from vlit.runs.folder import PREDICTIONS, PROVENANCE, RESULT
from vlit.sweep import slurm
from vlit.sweep.grid import MANIFEST, Cell, cells, write_manifest
from vlit.sweep.local import LocalJob, run_jobs
from vlit.sweep.machine import resources_of, shares, this_machine
from vlit.sweep.status import COMMAND, DONE, evaluated, finishing, state

LAUNCHES = ("none", "local", "slurm", "tables")


def start(cfg: DictConfig) -> None:
    """Write the manifest, start what is left, and print what was done.

    Raises:
        InputError: if the grid or the resources are wrong, SLURM refuses, or, on this machine, cells failed.
    """
    if cfg.launch not in LAUNCHES:
        raise InputError(f"launch={cfg.launch}: it is one of {', '.join(LAUNCHES)}")
    grid, sweep = cells(cfg), Path(cfg.folder)
    if cfg.launch == "tables":
        sys.exit(tables(cfg, grid, sweep))
    for cell in grid:
        resources_of(cfg.slurm.resources, cell.kind)
    manifest = sweep / MANIFEST
    with locked(sweep / "starting.lock"):  # a second start at the same time finds what the first has submitted
        write_manifest(manifest, grid)
        write_json(sweep / COMMAND, {"overrides": list(HydraConfig.get().overrides.task), "control": cfg.control})
        waiting = slurm.tasks(slurm.job_name(cfg.name), Path(cfg.paths.root))
        states = [state(cell, sweep, waiting) for cell in grid]
        todo = [cell for cell, found in zip(grid, states, strict=True) if found.open]
        done = [cell for cell, found in zip(grid, states, strict=True) if found.word == DONE]
        unscored = [cell for cell in done if not evaluated(cell, cfg.control)]
        print(f"{len(grid)} cells, {len(done)} done, {len(todo)} to start: {manifest}")
        if cfg.launch == "slurm":
            evaluating = slurm.tasks(slurm.job_name(cfg.name, "evaluate"), Path(cfg.paths.root))
            left = [cell for cell in unscored if cell.index not in evaluating]
            given = [override for override in HydraConfig.get().overrides.task if not override.startswith("launch=")]
            for line in slurm.submit(cfg, manifest, todo, left, given):
                print(line)
    if cfg.launch == "none":
        print(f"start it with {finishing(sweep, 'slurm' if slurm.available() else 'local')}")
    if cfg.launch == "local":
        failed = _run_here(cfg, sweep, todo, unscored)
        if cfg.tables and any(cell.run and cell.run.done for cell in grid):
            tables(cfg, grid, sweep)
        if failed:
            raise InputError(f"{len(failed)} of {len(todo) + len(unscored)} cells failed: {'; '.join(failed)}")


def _run_here(cfg: DictConfig, sweep: Path, todo: Sequence[Cell], unscored: Sequence[Cell]) -> list[str]:
    """Run cells on this machine, and evaluate runs; return a line for each that failed."""
    jobs = [
        LocalJob(
            cell.name,
            [*([cell.script] if cell in todo else []), *_evaluation(cfg, cell)],
            cell.log(sweep),
            cell.outcome(sweep),
            lock=None if cell.run else cell.place(sweep),
        )
        for cell in [*todo, *unscored]
    ]
    if not jobs:
        return []
    takes = [resources_of(cfg.slurm.resources, cell.kind) for cell in [*todo, *unscored]]
    divided = shares(takes, this_machine(), cfg.at_once)
    print(f"{len(divided)} at once, {divided[0].threads} threads each; their logs are in {sweep / 'logs'}")
    return run_jobs(jobs, divided, Path(cfg.paths.root), "cell")


def _evaluation(cfg: DictConfig, cell: Cell) -> list[list[str]]:
    if cell.run is None or cfg.control is None:
        return []
    return [["evaluate.py", assigned("run", str(cell.run_folder)), f"control={cfg.control}"]]


def tables(cfg: DictConfig, grid: Sequence[Cell], sweep: Path) -> int:
    """Build the tables of the sweep's runs in its folder.

    `tables.py` averages all runs it finds. It reads the cells alone, through links: their neighbours in `paths.runs`
    may belong to other grids.

    Returns:
        The exit status of `tables.py`.
    """
    linked = sweep / "runs"
    for cell in grid:
        if cell.run is not None and cell.run.done:
            place = linked / cfg.scale / str(cell.model) / str(cell.data) / f"seed{cell.seed}"
            place.mkdir(parents=True, exist_ok=True)
            for name in (RESULT, PREDICTIONS, PROVENANCE):
                link, target = place / name, cell.run.path / name
                if target.exists() and not link.is_symlink():
                    link.symlink_to(target)
    overrides = ["source=runs"]
    overrides += [
        assigned(*one) for one in (("runs", str(linked)), ("indicators", cfg.paths.runs), ("output", str(sweep)))
    ]
    return subprocess.run([sys.executable, "tables.py", *overrides], check=False).returncode
