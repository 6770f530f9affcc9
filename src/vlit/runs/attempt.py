"""One start of a run: alone in its folder, requeued when SLURM stops it, and with its reason on disk if it fails.

Before a time limit or a preemption SLURM sends a signal (`sbatch --signal=USR1@...`; submitit sends USR2), which only
this file handles:

- Lightning's own handler (`SLURMEnvironment(auto_requeue=True)`) saves wherever the signal finds it, in the middle of
  an accumulated batch too, and into a file of its own that it later prefers to any other. A requeued run would then
  end with other numbers. It is switched off where trainers are made (`setup.trainer`).
- submitit's handler requeues without a checkpoint. Ours is registered later, for the same signal, and so replaces it.

Here the signal is recorded; the next complete optimiser step, or the next batch of questions, ends the work. Where
neither is in progress (reading, curating, loading) the work ends at once: all files are written whole or not at all.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from vlit.common.errors import InputError, reason, storage_error
from vlit.common.processes import Terminated
from vlit.runs.folder import RunFolder
from vlit.runs.owner import is_first_process, owned, slurm_job

SIGNALS = (signal.SIGUSR1, signal.SIGUSR2)
ENDED_BY_SLURM = 300  # seconds within which SLURM ends a job that it requeues
OTHERS_LATER = 10  # seconds by which the other processes of a run let the first finish its file
EXIT_STATUS = 75  # of a job that asked to be requeued and was not ended

log = logging.getLogger(__name__)
_state = {"requested": False, "deferred": False}


class Preempted(BaseException):
    """Raised where the work ends because SLURM asked for it. Like Ctrl-C it is no error to be caught."""


@contextmanager
def attempt(folder: RunFolder) -> Iterator[bool]:
    """Work on a run; yield whether this is a requeued job that resumes its own earlier start.

    Any exception leaves `failure.json`; Ctrl-C and signals do not. What `force=true` has set aside is put back where
    this start ends before it trains.

    Raises:
        InputError: if another process works on the run, or its folder cannot be written to.
    """
    with requeued(), owned(folder.path) as left:
        try:
            yield left is not None and left.job is not None and left.job == slurm_job()
        except (KeyboardInterrupt, Terminated):
            folder.restore()
            raise
        except Exception as error:
            if isinstance(error, OSError):
                error = storage_error(error, folder.path) or error
            folder.restore()
            with suppress(InputError):  # a disk that is full cannot store the reason either
                folder.record_failure(reason(error))
            raise error


@contextmanager
def requeued() -> Iterator[None]:
    """Handle SLURM's signal, and have the job requeued if the work ended because of it; nothing outside SLURM.

    Raises:
        InputError: if SLURM refuses.
    """
    job = os.environ.get("SLURM_JOB_ID")
    if job is None:
        yield
        return
    _state["requested"] = False
    process = os.getpid()

    def record(signum: int, frame: FrameType | None) -> None:
        if os.getpid() != process:
            return  # a data loader's process, which inherits this handler
        _state["requested"] = True
        if not _state["deferred"]:
            raise Preempted

    before = {number: signal.signal(number, record) for number in SIGNALS}
    try:
        yield
    except Preempted:
        _state["deferred"] = True  # a second signal must not interrupt the requeueing
        _requeue(job)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def deferred() -> Iterator[None]:
    """Let the work inside choose where to stop: it checks `preemption_requested` and raises `Preempted`."""
    _state["deferred"] = True
    try:
        yield
    finally:
        _state["deferred"] = False
    if preemption_requested():
        raise Preempted


def preemption_requested() -> bool:
    """Return whether SLURM's signal has arrived."""
    return _state["requested"]


def _requeue(job: str) -> None:
    if not is_first_process():
        time.sleep(OTHERS_LATER)
    log.info("asking SLURM to requeue job %s", slurm_job())  # which ends this process before its answer is read
    refused = subprocess.run(["scontrol", "requeue", job], check=False, capture_output=True, text=True)
    if refused.returncode != 0 and is_first_process():
        raise InputError(
            f"job {slurm_job()} stopped before its time limit, and SLURM does not requeue it"
            f" ({refused.stderr.strip()}): submit it again, it resumes where it stopped"
        )
    time.sleep(ENDED_BY_SLURM)
    raise SystemExit(EXIT_STATUS)
