"""The cells of a sweep and their manifest, one JSON line per cell: line N is task N of a SLURM array.

A grid is a product of axes. An axis is an override's key with its values; a value may be a list whose further elements
are overrides of their own: `data=[ours,[dose,dose.level=1]]`. `models`, `datasets` and `seeds` are the axes of
`train`; `grid` has further ones, and those of every other command.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

from hydra import compose
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.errors import HydraException
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from vlit.common.errors import InputError, assigned, one_line
from vlit.common.files import read_jsonl, write_jsonl
from vlit.runs.folder import RunFolder, resolved

MANIFEST = "manifest.jsonl"
TRAIN = "train"
REFUSED = ("force", "plan")


@dataclass(frozen=True)
class Cell:
    """One job of a grid.

    Attributes:
        index: its line in the manifest and its task in an array.
        name: by which a person knows it.
        command: the script without `.py`.
        overrides: arguments of the script.
        digest: SHA-256 of its configuration.
        model: model of a run (`train`), else None; likewise the following.
        data: dataset of a run, by its name in the run folder.
        seed: seed of a run.
        run_folder: folder of a run.
        nodes: machines it takes.
        processes: processes on each machine.
    """

    index: int
    name: str
    command: str
    overrides: list[str]
    digest: str
    model: str | None = None
    data: str | None = None
    seed: int | None = None
    run_folder: str | None = None
    nodes: int = 1
    processes: int = 1

    @property
    def run(self) -> RunFolder | None:
        """The run of a `train` cell."""
        return None if self.run_folder is None else RunFolder(Path(self.run_folder))

    @property
    def kind(self) -> str:
        """The name of its resources in `conf/slurm`: its model, or the command."""
        return self.model or self.command

    @property
    def script(self) -> list[str]:
        """The command line, after the interpreter."""
        return [f"{self.command}.py", *self.overrides]

    def place(self, sweep: Path) -> Path:
        """Return the folder in the sweep's own where the cell's owner and outcome are, the same in every grid."""
        return sweep / "cells" / self.digest[:16]

    def outcome(self, sweep: Path) -> Path:
        """Return the file in which the command leaves how it ended."""
        return self.place(sweep) / "outcome.json"

    def log(self, sweep: Path) -> Path:
        """Return the file that the command prints to."""
        return sweep / "logs" / f"{self.command}-{self.index}.log"


def cells(cfg: DictConfig) -> list[Cell]:
    """Compose every cell of a sweep's grid, so that a misspelt override is an error here.

    Raises:
        InputError: if there is no such command, an override has no place in a sweep, the grid is empty, or two cells
            are the same.
    """
    if not _has_command(cfg):
        raise InputError(
            f"command={cfg.command}: no {cfg.command}.py with a conf/{cfg.command}.yaml that a sweep starts"
        )
    for override in cfg.overrides:
        if override.lstrip("+~").partition("=")[0] in REFUSED:
            raise InputError(
                f"overrides: {override} has no place in a sweep, whose runs are resumed when they are started again"
            )
    make = _run_cell if cfg.command == TRAIN else _command_cell
    axes = _axes(cfg)
    made = [
        make(cfg, index, [part for value in values for part in value])
        for index, values in enumerate(product(*axes.values()))
    ]
    if not axes or not made:
        raise InputError("the grid is empty: give models, datasets and seeds, or for other commands grid={key:[...]}")
    first: dict[str, Cell] = {}
    for cell in made:
        same = cell.run_folder or cell.digest
        if same in first:
            raise InputError(f"{cell.name} and {first[same].name} are the same: {cell.run_folder or cell.overrides}")
        first[same] = cell
    return made


def _has_command(cfg: DictConfig) -> bool:
    scripts = {path.stem for path in Path(cfg.paths.root).glob("*.py")} - {"sweep", "status"}
    return cfg.command in scripts & set(_options("", ObjectType.CONFIG))


def _options(group: str, kind: ObjectType | None = None) -> list[str]:
    return GlobalHydra.instance().config_loader().get_group_options(group, kind)


def _axes(cfg: DictConfig) -> dict[str, list[list[str]]]:
    """Return the overrides of each value of each axis."""
    axes: dict[str, Sequence[Any]] = {}
    if cfg.command == TRAIN:
        models = cfg.models if cfg.models is not None else _options(f"tuning/{cfg.scale}")
        axes = {"seed": cfg.seeds, "model": models, "data": cfg.datasets}
    axes |= {str(key): values for key, values in (cfg.grid or {}).items()}
    return {key: [_overrides(key, value) for value in values] for key, values in axes.items()}


def _overrides(key: str, value: Any) -> list[str]:
    first, *more = value if isinstance(value, ListConfig) else [value]
    return [assigned(key, first), *more]


def _run_cell(cfg: DictConfig, index: int, chosen: list[str]) -> Cell:
    overrides = [f"scale={cfg.scale}", *chosen, assigned("paths.runs", cfg.paths.runs), *cfg.overrides]
    try:
        run = compose(TRAIN, overrides)
        return Cell(
            index, f"{run.model.name} {run.data.name} seed {run.seed}", TRAIN, overrides, digest(resolved(run)),
            run.model.name, run.data.name, run.seed, str(Path(run.run_folder).resolve()), run.trainer.num_nodes,
            _processes(run),
        )  # fmt: skip
    except (HydraException, OmegaConfBaseException) as error:
        raise InputError(f"cell {index} ({' '.join(overrides)}): {one_line(error)}") from None


def _command_cell(cfg: DictConfig, index: int, chosen: list[str]) -> Cell:
    overrides = [*chosen, *cfg.overrides]
    try:
        plain = compose(cfg.command)
        if "runs" in plain.get("paths", {}):
            overrides = [assigned("paths.runs", cfg.paths.runs), *overrides]
        if "scale" in plain:
            overrides = [f"scale={cfg.scale}", *overrides]
        # Some values are there only when the command runs; as text they tell cells apart all the same.
        text = OmegaConf.to_yaml(compose(cfg.command, overrides))
    except (HydraException, OmegaConfBaseException) as error:
        raise InputError(f"cell {index} ({' '.join(overrides)}): {one_line(error)}") from None
    return Cell(index, f"{cfg.command} {' '.join(chosen)}", cfg.command, overrides, digest(text))


def _processes(run: DictConfig) -> int:
    devices = run.trainer.devices
    if not isinstance(devices, int) or devices < 1:
        raise InputError(f"trainer.devices={devices}: a sweep needs a number, it asks SLURM for a process each")
    return devices


def digest(config: str) -> str:
    """Return the SHA-256 of a configuration."""
    return hashlib.sha256(config.encode()).hexdigest()


def write_manifest(path: Path, grid: list[Cell]) -> None:
    """Write the manifest.

    Raises:
        InputError: if there is one of another grid, whose lines the tasks of a waiting array may still read.
    """
    rows = [asdict(cell) for cell in grid]
    if not path.exists():
        write_jsonl(path, rows)
    elif read_jsonl(path) != rows:
        raise InputError(
            f"{path} is the manifest of another grid: give this one a name of its own (name=...), or remove the folder"
            " if no job waits for it; runs that are done stay done"
        )


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
