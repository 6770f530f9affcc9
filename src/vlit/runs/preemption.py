"""SLURM's warning before a time limit or a preemption: write a checkpoint, ask to be requeued, and go on from there.

The signal (`sbatch --signal=USR1@...`; submitit sends USR2) has one owner, this file:

- Lightning's own handler (`SLURMEnvironment(auto_requeue=True)`) saves wherever the signal finds it, in the middle of
  an accumulated batch too, and into a file of its own that it later prefers to any other. A run that was requeued
  would then not end as one that was not. It is switched off where trainers are made (`setup.trainer`).
- submitit's requeues without a checkpoint. Ours is registered after it, for the same signal, and so replaces it.

Here the signal is noted; the next optimiser step that is complete, or the next batch of questions, ends the work.
Where neither is under way (reading, curating, loading) the work ends at once: it is all written whole or not at all.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from vlit.common.errors import InputError
from vlit.runs.owner import is_first_process, slurm_job

SIGNALS = (signal.SIGUSR1, signal.SIGUSR2)
ENDED_BY_SLURM = 300  # seconds within which SLURM ends a job that it requeues
OTHERS_LATER = 10  # seconds by which other processes of a run let the first finish its file
EXIT_STATUS = 75  # of a job that asked to be requeued and was not ended

log = logging.getLogger(__name__)
_state = {"asked": False, "deferred": False}


class Preempted(BaseException):
    """The work ends here because SLURM asked. Like Ctrl-C it is no error that anybody should catch."""


def asked() -> bool:
    """Whether the signal has come."""
    return _state["asked"]


@contextmanager
def deferred() -> Iterator[None]:
    """Let the work in here find its own place to stop: it looks at `asked` and raises `Preempted`."""
    _state["deferred"] = True
    try:
        yield
    finally:
        _state["deferred"] = False
    if asked():
        raise Preempted


@contextmanager
def requeued() -> Iterator[None]:
    """In a SLURM job own the signal, and have the job requeued when the work ended because of it.

    Raises:
        InputError: if SLURM refuses.
    """
    job = os.environ.get("SLURM_JOB_ID")
    if job is None:
        yield
        return
    _state["asked"] = False
    mine = os.getpid()

    def note(signum: int, frame: FrameType | None) -> None:
        if os.getpid() != mine:
            return  # a loader process, which inherits this
        _state["asked"] = True
        if not _state["deferred"]:
            raise Preempted

    before = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield
    except Preempted:
        _state["deferred"] = True  # one signal is enough
        _requeue(job)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _requeue(job: str) -> None:
    if not is_first_process():
        time.sleep(OTHERS_LATER)
    log.info("asking SLURM to requeue job %s", slurm_job())  # which ends this process before its answer is read
    refused = subprocess.run(["scontrol", "requeue", job], check=False, capture_output=True, text=True)
    if refused.returncode != 0 and is_first_process():
        raise InputError(
            f"job {slurm_job()} stopped before its time limit, and SLURM does not requeue it"
            f" ({refused.stderr.strip()}): submit it again, it goes on where it stopped"
        )
    time.sleep(ENDED_BY_SLURM)
    raise SystemExit(EXIT_STATUS)
