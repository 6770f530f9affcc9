"""Questions to SLURM and orders: which tasks of an array wait or run, and to take a job."""

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
from vlit.sweep.machine import resources_of


@dataclass(frozen=True)
class ArrayTask:
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
    """Return whether jobs can be submitted from here: SLURM's commands are installed and know of a cluster."""
    if shutil.which("sbatch") is None:
        return False
    probe = subprocess.run(["scontrol", "ping"], check=False, capture_output=True, text=True)
    return "configuration source" not in probe.stderr


def tasks(name: str, folder: Path) -> dict[int, ArrayTask]:
    """Return the tasks that have not ended, by index; none where there is no SLURM.

    Args:
        name: of the arrays (`job_name`).
        folder: from which they were submitted.

    Raises:
        InputError: if SLURM does not answer: without its answer, waiting tasks would be submitted again.
    """
    if not available():
        return {}
    command = ["squeue", "--noheader", "--array", f"--name={name}", "--format=%i|%K|%T|%Z|%r"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise InputError(f"SLURM does not answer ({_messages(done.stderr)}): try again when slurmctld is up")
    found = {}
    for line in done.stdout.splitlines():
        job, index, state, where, why = line.split("|", 4)
        if index.isdigit() and Path(where) == folder:
            found[int(index)] = ArrayTask(job, state, why)
    return found


def job_name(sweep: str, step: str = "") -> str:
    """Return the name by which `squeue` finds the arrays of a sweep.

    Args:
        sweep: name of the sweep.
        step: `evaluate` or `tables`, which follow the cells; empty for the cells themselves.
    """
    return f"vlit-{sweep}-{step}" if step else f"vlit-{sweep}"


def submit(
    cfg: DictConfig, manifest: Path, cells: Sequence[Cell], evaluate: Sequence[Cell], given: Sequence[str]
) -> list[str]:
    """Submit a sweep's cells and what follows runs.

    The evaluation of a run waits for its own cell (`aftercorr`) and is dropped if that fails; the tables wait for
    everything, however it ends, and name the cells they lack.

    Args:
        cfg: the sweep's configuration.
        manifest: its manifest.
        cells: cells to start.
        evaluate: runs that only lack their evaluation.
        given: overrides with which the sweep was started, for the tables.

    Returns:
        A line for each job that was submitted.
    """
    jobs, lines = [], []
    for group in _alike(cells):
        first = group[0]
        jobs.append(_array(cfg, manifest, group, "", []))
        started = jobs[-1]
        what = f"{len(group)} runs of {first.model}" if first.run else f"{len(group)} cells of {first.command}"
        lines.append(f"job {started}: {what}")
        if first.run and cfg.control is not None:
            after = [f"--dependency=aftercorr:{started}", "--kill-on-invalid-dep=yes"]
            jobs.append(_array(cfg, manifest, group, "evaluate", after))
            lines.append(f"job {jobs[-1]}: evaluates each of them when it is done ({cfg.control})")
    for group in _alike(evaluate):
        jobs.append(_array(cfg, manifest, group, "evaluate", []))
        lines.append(f"job {jobs[-1]}: evaluates {len(group)} runs that are done ({cfg.control})")
    if cfg.tables and any(cell.run for cell in [*cells, *evaluate]):
        lines.append(f"job {_tables(cfg, manifest, jobs, given)}: builds the tables when all have ended")
    return lines


def _alike(cells: Iterable[Cell]) -> list[list[Cell]]:
    groups = defaultdict(list)
    for cell in cells:
        groups[cell.kind, cell.nodes, cell.processes].append(cell)
    return list(groups.values())


def _array(cfg: DictConfig, manifest: Path, group: Sequence[Cell], step: str, more: Sequence[str]) -> str:
    first, resources = group[0], resources_of(cfg.slurm.resources, group[0].kind)
    limit = f"%{cfg.at_once}" if cfg.at_once else ""
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
    log = manifest.parent / "logs" / f"{step or first.command}-%a.log"
    after = [step, f"control={cfg.control}"] if step else []
    return _sbatch(cfg, job_name(cfg.name, step), log, [*arguments, "slurm/array.sbatch", str(manifest), *after])


def _tables(cfg: DictConfig, manifest: Path, jobs: Sequence[str], given: Sequence[str]) -> str:
    log = manifest.parent / "logs" / "tables.log"
    after = [f"--dependency=afterany:{':'.join(jobs)}", "--mem=4G", "--time=60"]
    return _sbatch(cfg, job_name(cfg.name, "tables"), log, [*after, "slurm/tables.sbatch", *given])


def _sbatch(cfg: DictConfig, name: str, log: Path, arguments: Sequence[str]) -> str:
    log.parent.mkdir(parents=True, exist_ok=True)
    chosen = [f"--{option}={cfg.slurm[option]}" for option in ("account", "partition") if cfg.slurm[option]]
    shared = [f"--job-name={name}", f"--chdir={cfg.paths.root}", f"--output={log}", *chosen, *cfg.slurm.options]
    return sbatch([*shared, *arguments])


def sbatch(arguments: Sequence[str]) -> str:
    """Submit a job and return its number.

    Raises:
        InputError: if there is no SLURM, or it refuses, with its message and the partitions it knows.
    """
    if not available():
        raise InputError("no SLURM here: start this on a machine of the cluster, or run the sweep here (launch=local)")
    # The interpreter that submits is the one that runs there.
    done = subprocess.run(
        ["sbatch", "--parsable", *arguments], check=False, capture_output=True, text=True,
        env={**os.environ, "VLIT_PYTHON": sys.executable},
    )  # fmt: skip
    if done.returncode != 0:
        raise InputError(
            f"SLURM takes no such job ({_messages(done.stderr)}): set slurm.partition (there is {partitions()}),"
            " slurm.account or slurm.resources"
        )
    return done.stdout.strip().partition(";")[0]


def partitions() -> str:
    """Return the partitions there are, for a message."""
    done = subprocess.run(["sinfo", "--noheader", "--format=%R"], check=False, capture_output=True, text=True)
    return ", ".join(sorted(set(done.stdout.split()))) or "none"


def _messages(errors: str) -> str:
    return "; ".join(re.sub(r"^\w+: (error: )?", "", line) for line in errors.strip().splitlines())
