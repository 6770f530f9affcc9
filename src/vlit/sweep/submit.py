"""The cells of a grid as SLURM arrays: one for each kind of resources, evaluations and tables after them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from omegaconf import DictConfig

from vlit.errors import InputError
from vlit.sweep import slurm
from vlit.sweep.grid import Cell


def job_name(sweep: str, command: str = "train") -> str:
    """By which `squeue` finds the arrays of a sweep."""
    return f"vlit-{sweep}" if command == "train" else f"vlit-{sweep}-{command}"


def preset(cfg: DictConfig, model: str) -> DictConfig:
    """Resources of a model.

    Raises:
        InputError: if there are none.
    """
    if model not in cfg.slurm.resources:
        raise InputError(
            f"slurm.resources has no preset for {model}: add one (it has {', '.join(cfg.slurm.resources)})"
        )
    found: DictConfig = cfg.slurm.resources[model]
    return found


def submit(
    cfg: DictConfig, manifest: Path, train: Sequence[Cell], evaluate: Sequence[Cell], given: Sequence[str]
) -> list[str]:
    """Submit cells to be trained, cells that only lack their evaluation, and the tables.

    An evaluation waits for the training of its own cell (`aftercorr`) and goes with it if that fails; the tables wait
    for everything, however it ends, and say which cells they lack. `given`: overrides of this sweep.

    Returns:
        What was submitted, in words.
    """
    jobs, said = [], []
    for group in _alike(cfg, train):
        trained = _array(cfg, manifest, group, "train", [])
        jobs.append(trained)
        said.append(f"job {trained}: {len(group)} runs of {group[0].model}")
        if cfg.control is not None:
            after = [f"--dependency=aftercorr:{trained}", "--kill-on-invalid-dep=yes"]
            jobs.append(_array(cfg, manifest, group, "evaluate", after))
            said.append(f"job {jobs[-1]}: evaluates each of them when it is done ({cfg.control})")
    for group in _alike(cfg, evaluate):
        jobs.append(_array(cfg, manifest, group, "evaluate", []))
        said.append(f"job {jobs[-1]}: evaluates {len(group)} runs that are done ({cfg.control})")
    if cfg.tables and jobs:
        said.append(f"job {_tables(cfg, manifest, jobs, given)}: builds the tables when all have ended")
    return said


def _alike(cfg: DictConfig, cells: Iterable[Cell]) -> list[list[Cell]]:
    groups = defaultdict(list)
    for cell in cells:
        groups[cell.model, cell.nodes, cell.processes].append(cell)
    return list(groups.values())


def _array(cfg: DictConfig, manifest: Path, group: Sequence[Cell], command: str, more: Sequence[str]) -> str:
    first, resources = group[0], preset(cfg, group[0].model)
    limit = f"%{cfg.slurm.at_once}" if cfg.slurm.at_once else ""
    arguments = [
        f"--array={','.join(str(cell.index) for cell in group)}{limit}",
        f"--nodes={first.nodes}",
        f"--ntasks-per-node={first.processes}",
        f"--cpus-per-task={resources.cpus}",
        f"--mem={resources.memory}G",
        f"--time={resources.minutes}",
        f"--signal=USR1@{cfg.slurm.warning}",
        *([f"--gres={resources.gres}"] if resources.gres else []),
        *more,
    ]
    log = manifest.parent / "logs" / f"{command}-%a.log"
    after = [] if command == "train" else [command, f"control={cfg.control}"]
    return _sbatch(cfg, job_name(cfg.name, command), log, [*arguments, "slurm/array.sbatch", str(manifest), *after])


def _tables(cfg: DictConfig, manifest: Path, jobs: Sequence[str], given: Sequence[str]) -> str:
    log = manifest.parent / "logs" / "tables.log"
    after = [f"--dependency=afterany:{':'.join(jobs)}", "--mem=4G", "--time=60"]
    return _sbatch(cfg, job_name(cfg.name, "tables"), log, [*after, "slurm/tables.sbatch", *given])


def _sbatch(cfg: DictConfig, name: str, log: Path, arguments: Sequence[str]) -> str:
    log.parent.mkdir(parents=True, exist_ok=True)
    chosen = [f"--{option}={cfg.slurm[option]}" for option in ("account", "partition") if cfg.slurm[option]]
    shared = [f"--job-name={name}", f"--chdir={cfg.paths.root}", f"--output={log}", *chosen, *cfg.slurm.options]
    return slurm.sbatch([*shared, *arguments])
