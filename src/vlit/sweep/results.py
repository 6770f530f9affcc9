"""The tables of a sweep: of the runs of its grid that are done, and no others."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from vlit.sweep.grid import Cell

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
