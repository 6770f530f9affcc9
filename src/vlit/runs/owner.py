"""The process that works in a run's folder: one at a time, even if a run is started twice.

The kernel's lock on `owner.json` decides (`fcntl.lockf`). The system releases it when its process ends, however it
ends, and data loader processes do not inherit it, so that a killed run leaves no stale lock. On NFS the server keeps
it, for all nodes of a cluster. Two kinds of file systems need more, for which `owner.json` names the process: some
parallel ones lock on each node separately (Lustre's `localflock`), where SLURM is asked whether the named job still
runs; some have no locks at all, where the named process or job must have ended.

`filelock`, which `vlit.common.files.locked` uses, has no shared lock to look without taking, and knows no SLURM.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from vlit.common.errors import InputError, storage_error

NAME = "owner.json"
PATIENCE = 2.0  # seconds to wait: a process that only looks (`owner`) releases the lock by then
ENDING = 60.0  # seconds to wait for the killed start of a requeued job to end
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}


@dataclass(frozen=True)
class Owner:
    """A process that works in a folder.

    Attributes:
        host: name of its machine.
        pid: process id on that machine.
        began: start time in clock ticks since boot, which no later process with the same id has.
        job: SLURM job, `123` or `123_4`, or None.
    """

    host: str
    pid: int
    began: int
    job: str | None

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}" + (f", SLURM job {self.job}" if self.job else "")


def is_first_process() -> bool:
    """Return whether this is the process of a run that writes its files; Lightning or srun start the others."""
    return all(int(os.environ.get(name) or 0) == 0 for name in ("RANK", "NODE_RANK", "LOCAL_RANK", "SLURM_PROCID"))


def slurm_job() -> str | None:
    """Return this process's SLURM job, `123` or `123_4` in an array, or None outside SLURM."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID")


@contextmanager
def owned(folder: Path) -> Iterator[Owner | None]:
    """Work alone in a folder, which is created; yield the owner that was killed there, or None.

    Raises:
        InputError: if another process works there, or the folder cannot be written to.
    """
    if not is_first_process():
        yield None
        return
    file = folder / NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Never through a link: what it points to would be emptied.
        descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        handle = os.fdopen(descriptor, "a+", encoding="utf-8")
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise InputError(f"{file} is a link, through which nothing is written: remove it") from None
        raise (storage_error(error, file) or error) from None
    with handle:
        left = _take(handle, file)
        handle.truncate(0)
        try:
            os.write(handle.fileno(), (json.dumps(asdict(_this_process())) + "\n").encode())
        except OSError as error:
            raise (storage_error(error, file) or error) from None
        try:
            yield left
        finally:
            handle.truncate(0)


def owner(folder: Path) -> tuple[Owner | None, bool]:
    """Return the owner named in a folder, and whether it is at work: has the lock, or is a job that runs elsewhere."""
    try:
        with (folder / NAME).open(encoding="utf-8") as handle:
            named = _named(handle)
            try:
                fcntl.lockf(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError as error:
                return named, error.errno not in NO_LOCKS or (named is not None and not _gone(named, locked=False))
            return named, named is not None and not _gone(named, locked=True)
    except OSError:  # no such file, or not readable
        return None, False


def _take(handle: TextIO, file: Path) -> Owner | None:
    start = time.monotonic()
    locked = True
    while True:
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError as error:
            if error.errno in NO_LOCKS:
                locked = False
                break
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                raise
        holder = _named(handle)
        own = holder is not None and holder.job is not None and holder.job == slurm_job()
        if time.monotonic() - start > (ENDING if own else PATIENCE):
            raise _refusal(file, holder)
        time.sleep(0.1)
    left = _named(handle)
    if left is not None and not _gone(left, locked):
        raise _refusal(file, left)
    return left


def _refusal(file: Path, holder: Owner | None) -> InputError:
    return InputError(
        f"{file.parent} is being worked on by {holder or 'another process'}: wait until it has ended, or end it; if it"
        f" is gone for certain, remove {file}"
    )


def _named(handle: TextIO) -> Owner | None:
    handle.seek(0)
    try:
        return Owner(**json.loads(handle.read()))
    except (json.JSONDecodeError, TypeError, UnicodeDecodeError):  # empty: released; cut off: the disk was full
        return None


def _gone(named: Owner, locked: bool) -> bool:
    """Return whether a named owner has ended; `locked`: whether the kernel gave its lock to this process."""
    if named.job is not None and named.job == slurm_job():
        return True  # the earlier start of this very job
    if named.host == socket.gethostname():
        return locked or _began(named.pid) != named.began
    if named.job is not None and (running := job_is_running(named.job)) is not None:
        return not running
    return locked


def job_is_running(job: str) -> bool | None:
    """Return whether SLURM runs a job, or None where no SLURM answers."""
    try:
        listing = subprocess.run(
            ["squeue", "--noheader", "--states=RUNNING,COMPLETING,SUSPENDED", "--format=%i", f"--jobs={job}"],
            check=False, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    if listing.returncode != 0:
        return False if "Invalid job id" in listing.stderr else None
    return bool(listing.stdout.strip())


def _this_process() -> Owner:
    return Owner(socket.gethostname(), os.getpid(), _began(os.getpid()) or 0, slurm_job())


def _began(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return None
