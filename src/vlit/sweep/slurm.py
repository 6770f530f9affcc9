"""What is asked of SLURM: which tasks of an array wait or run, and to take a job."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from vlit.common.errors import InputError
from vlit.sweep.grid import Cell


@dataclass(frozen=True)
class Task:
    """A task of an array that has not ended.

    Attributes:
        job: `123_4`.
        state: as `squeue` names it: PENDING, RUNNING, COMPLETING, ...
        reason: why it waits.
    """

    job: str
    state: str
    reason: str


@functools.cache
def available() -> bool:
    """Whether jobs can be submitted from here: SLURM's commands are installed and know of a cluster."""
    if shutil.which("sbatch") is None:
        return False
    probe = subprocess.run(["scontrol", "ping"], check=False, capture_output=True, text=True)
    return "configuration source" not in probe.stderr


def tasks(name: str, folder: Path) -> dict[int, Task]:
    """Tasks by index, of all arrays with a name that were submitted from a folder; none where there is no SLURM.

    Raises:
        InputError: if SLURM does not answer: who does not know what waits would submit it again.
    """
    if not available():
        return {}
    listing = _asked("squeue", "--noheader", "--array", f"--name={name}", "--format=%i|%K|%T|%Z|%r")
    found = {}
    for line in listing.splitlines():
        job, index, state, where, why = line.split("|", 4)
        if index.isdigit() and Path(where) == folder:
            found[int(index)] = Task(job, state, why)
    return found


def sbatch(arguments: Sequence[str]) -> str:
    """Submit a job and return its number.

    Raises:
        InputError: if there is no SLURM, or it refuses, with what it says and the partitions it knows.
    """
    if not available():
        raise InputError("no SLURM here: start this on a machine of the cluster, or run the sweep here (launch=local)")
    # The interpreter that is asked for here is the one that runs there.
    done = subprocess.run(
        ["sbatch", "--parsable", *arguments], check=False, capture_output=True, text=True,
        env={**os.environ, "VLIT_PYTHON": sys.executable},
    )  # fmt: skip
    if done.returncode != 0:
        raise InputError(
            f"SLURM takes no such job ({_told(done.stderr)}): set slurm.partition (there is {partitions()}),"
            " slurm.account or slurm.resources"
        )
    return done.stdout.strip().partition(";")[0]


def partitions() -> str:
    """The partitions there are, for a message."""
    done = subprocess.run(["sinfo", "--noheader", "--format=%R"], check=False, capture_output=True, text=True)
    return ", ".join(sorted(set(done.stdout.split()))) or "none"


def _asked(*command: str) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise InputError(f"SLURM does not answer ({_told(done.stderr)}): try again when slurmctld is up")
    return done.stdout


def _told(errors: str) -> str:
    return "; ".join(re.sub(r"^\w+: (error: )?", "", line) for line in errors.strip().splitlines())


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
    return sbatch([*shared, *arguments])
