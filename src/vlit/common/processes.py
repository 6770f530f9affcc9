"""How a process ends: by SIGTERM with a line and status 143, and with the process that started it."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from types import FrameType

TERMINATED = 128 + signal.SIGTERM  # exit status, as a shell names it
INTERRUPTED = 128 + signal.SIGINT
PARENT = "VLIT_PARENT"  # environment variable: process that started this one and that it ends with
_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux's prctl


class Terminated(BaseException):
    """Raised where SIGTERM finds the work. Like Ctrl-C it is no error to be caught."""


def end_by_sigterm() -> None:
    """Raise `Terminated` in this process when SIGTERM arrives; a second one ends it at once.

    Without this, Lightning takes the signal for the end of training: status 0, without a result.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    process = os.getpid()

    def end(signum: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if os.getpid() != process:  # a worker, which inherits this handler
            os.kill(os.getpid(), signal.SIGTERM)
            return
        raise Terminated

    signal.signal(signal.SIGTERM, end)


def end_with_parent() -> None:
    """End with the process that started this one, if that is a command of ours, however it ends; on Linux.

    What this process starts ends with it in the same way.
    """
    if os.environ.get(PARENT) == str(os.getppid()):  # not in a SLURM job, which only inherits the variable
        _end_with_parent(os.getppid())
    os.environ[PARENT] = str(os.getpid())


def _end_with_parent(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGTERM)
        if os.getppid() != parent:  # it ended in between
            sys.exit(TERMINATED)


@contextmanager
def process_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of processes that end with this one, and at once where the work inside fails or is interrupted."""
    pool = ProcessPoolExecutor(workers, initializer=_end_with_parent, initargs=(os.getpid(),))
    try:
        yield pool
    except BaseException:
        for child in multiprocessing.active_children():
            child.terminate()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
