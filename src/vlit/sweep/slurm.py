"""What is asked of SLURM: which tasks of an array wait or run, and to take a job."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vlit.errors import InputError


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
