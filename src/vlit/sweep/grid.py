"""The cells of a sweep and their manifest, one JSON line a cell: line N is task N of a SLURM array."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

from hydra import compose
from hydra.errors import HydraException
from omegaconf import DictConfig, ListConfig
from omegaconf.errors import OmegaConfBaseException

from vlit.common.errors import InputError, one_line
from vlit.common.files import read_jsonl, write_jsonl
from vlit.runs.folder import RunFolder, resolved

MANIFEST = "manifest.jsonl"
REFUSED = ("force", "plan")


@dataclass(frozen=True)
class Cell:
    """One run of a grid.

    Attributes:
        index: its line in the manifest and its task in an array.
        model: of the run.
        data: its dataset, by the name it has in the run folder.
        seed: of the run.
        overrides: what `train.py` is given.
        run_folder: where the run is.
        digest: of its resolved configuration (SHA-256).
        nodes: machines it takes.
        processes: on each machine.
    """

    index: int
    model: str
    data: str
    seed: int
    overrides: list[str]
    run_folder: str
    digest: str
    nodes: int = 1
    processes: int = 1

    @property
    def folder(self) -> RunFolder:
        """Its run folder."""
        return RunFolder(Path(self.run_folder))

    @property
    def name(self) -> str:
        """As a person would call it."""
        return f"{self.model} {self.data} seed {self.seed}"


def cells(cfg: DictConfig) -> list[Cell]:
    """Every model on every dataset with every seed, composed, so that a misspelt override is an error here.

    Raises:
        InputError: if an override has no place in a sweep, or two cells are one run.
    """
    for override in cfg.overrides:
        if override.lstrip("+~").partition("=")[0] in REFUSED:
            raise InputError(
                f"overrides: {override} has no place in a sweep, whose runs go on when they are started again"
            )
    made = [_cell(cfg, index, *values) for index, values in enumerate(product(cfg.seeds, cfg.models, cfg.datasets))]
    folders: dict[str, Cell] = {}
    for cell in made:
        if cell.run_folder in folders:
            raise InputError(f"{cell.name} and {folders[cell.run_folder].name} are one run, {cell.run_folder}")
        folders[cell.run_folder] = cell
    if not made:
        raise InputError("the grid is empty: give models, datasets and seeds")
    return made


def _cell(cfg: DictConfig, index: int, seed: int, model: str, data: Any) -> Cell:
    name, *more = data if isinstance(data, ListConfig) else [data]
    overrides = [
        f"scale={cfg.scale}", f"model={model}", f"data={name}", *more, f"seed={seed}", f"paths.runs={cfg.paths.runs}",
        *cfg.overrides,
    ]  # fmt: skip
    try:
        run = compose("train", overrides)
        return Cell(
            index, run.model.name, run.data.name, run.seed, overrides, str(Path(run.run_folder).resolve()),
            digest(resolved(run)), run.trainer.num_nodes, _processes(run),
        )  # fmt: skip
    except (HydraException, OmegaConfBaseException) as error:
        raise InputError(f"cell {index} ({' '.join(overrides)}): {one_line(error)}") from None


def _processes(run: DictConfig) -> int:
    devices = run.trainer.devices
    if not isinstance(devices, int) or devices < 1:
        raise InputError(f"trainer.devices={devices}: a sweep needs a number, it asks SLURM for a process each")
    return devices


def digest(config: str) -> str:
    """SHA-256 of a resolved configuration."""
    return hashlib.sha256(config.encode()).hexdigest()


def write_manifest(path: Path, grid: list[Cell]) -> None:
    """Write the manifest.

    Raises:
        InputError: if there is one of another grid, whose lines the tasks of a waiting array may still read.
    """
    rows = [asdict(cell) for cell in grid]
    if path.exists():
        if read_jsonl(path) != rows:
            raise InputError(
                f"{path} is the manifest of another grid: give this one a name of its own (name=...), or remove the"
                " folder if no job waits for it; runs that are done stay done"
            )
        return
    write_jsonl(path, rows)


def read_manifest(path: Path) -> list[Cell]:
    """Read a manifest.

    Raises:
        InputError: if there is none, or it is no manifest.
    """
    if not path.exists():
        known = ", ".join(_known(path)) or "none"
        raise InputError(f"no manifest {path}: python sweep.py name=... writes one (there is: {known})")
    try:
        return [Cell(**row) for row in read_jsonl(path)]
    except TypeError as error:
        raise InputError(f"{path} is no manifest of this version ({error}): python sweep.py writes one") from None


def _known(path: Path) -> Iterator[str]:
    yield from sorted(found.parent.name for found in path.parent.parent.glob(f"*/{MANIFEST}"))
