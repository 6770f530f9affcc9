"""Starting a sweep: whatever of its grid is neither done nor under way."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from vlit.common.errors import InputError
from vlit.common.files import locked, read_json, write_json
from vlit.sweep import local, slurm
from vlit.sweep.grid import MANIFEST, Cell, cells, write_manifest
from vlit.sweep.state import DONE, evaluated, state

COMMAND = "command.json"  # the overrides that the sweep was started with, and what is evaluated after each run
LAUNCHES = ("none", "local", "slurm", "tables")


def start(cfg: DictConfig) -> None:
    """Write the manifest, start what is left, and print what was done.

    Raises:
        InputError: if the grid, the resources or SLURM's answer are not right, or, here, if cells failed.
    """
    if cfg.launch not in LAUNCHES:
        raise InputError(f"launch={cfg.launch}: it is one of {', '.join(LAUNCHES)}")
    grid, folder = cells(cfg), Path(cfg.folder)
    if cfg.launch == "tables":
        sys.exit(tables(cfg, grid, folder))
    for cell in grid:
        slurm.preset(cfg, cell.model)
    manifest = folder / MANIFEST
    with locked(folder / "starting.lock"):  # a second start at the same time sees what the first has submitted
        write_manifest(manifest, grid)
        write_json(folder / COMMAND, {"overrides": list(HydraConfig.get().overrides.task), "control": cfg.control})
        waiting = slurm.tasks(slurm.job_name(cfg.name), Path(cfg.paths.root))
        states = [state(cell, waiting) for cell in grid]
        todo = [cell for cell, found in zip(grid, states, strict=True) if found.open]
        done = [cell for cell, found in zip(grid, states, strict=True) if found.word == DONE]
        print(f"{len(grid)} cells, {len(done)} done, {len(todo)} to start: {manifest}")
        if cfg.launch == "slurm":
            evaluating = slurm.tasks(slurm.job_name(cfg.name, "evaluate"), Path(cfg.paths.root))
            left = [cell for cell in done if cell.index not in evaluating and not evaluated(cell, cfg.control)]
            for line in slurm.submit(cfg, manifest, todo, left, _given()):
                print(line)
    if cfg.launch == "none":
        print(f"start it with {finishing(folder, 'slurm' if slurm.available() else 'local')}")
    if cfg.launch == "local":
        failed = local.run(cfg, folder, todo, [cell for cell in done if not evaluated(cell, cfg.control)])
        if cfg.tables and any(cell.folder.done for cell in grid):
            tables(cfg, grid, folder)
        if failed:
            raise InputError(f"{len(failed)} of {len(todo)} cells failed: {'; '.join(failed)}")


def _given() -> list[str]:
    return [override for override in HydraConfig.get().overrides.task if not override.startswith("launch=")]


def finishing(folder: Path, launch: str) -> str:
    """The command that a sweep was started with, with a launch if it had none."""
    overrides = [override for override in read_json(folder / COMMAND)["overrides"] if override != "launch=none"]
    if not any(override.startswith("launch=") for override in overrides):
        overrides.append(f"launch={launch}")
    return shlex.join(["python", "sweep.py", *overrides])


FILES = ("result.json", "predictions.jsonl", "provenance.json")


def tables(cfg: DictConfig, grid: Sequence[Cell], folder: Path) -> int:
    """Build the tables in the sweep's folder.

    `tables.py` averages all runs it finds. It is shown the cells alone, as links: their neighbours are of other grids.

    Returns:
        The exit status of `tables.py`.
    """
    shown = folder / "runs"
    for cell in grid:
        if cell.folder.done:
            place = shown / cfg.scale / cell.model / cell.data / f"seed{cell.seed}"
            place.mkdir(parents=True, exist_ok=True)
            for name in FILES:
                link, target = place / name, cell.folder.path / name
                if target.exists() and not link.is_symlink():
                    link.symlink_to(target)
    overrides = ["source=runs", f"runs={shown}", f"indicators={cfg.paths.runs}", f"output={folder}"]
    return subprocess.run([sys.executable, "tables.py", *overrides], check=False).returncode
