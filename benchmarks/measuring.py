"""Measure a task: wall and processor time, and peak memory in a process of its own."""

from __future__ import annotations

import functools
import multiprocessing
import resource
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

import psutil

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Spent:
    """Seconds of a task.

    Attributes:
        wall: by the clock.
        cpu: of processors, user and system, child processes that have ended included.
    """

    wall: float
    cpu: float


def spent(task: Callable[[], Result]) -> tuple[Spent, Result]:
    """Run a task and return its time and its result."""
    wall, cpu = time.perf_counter(), _cpu()
    found = task()
    return Spent(time.perf_counter() - wall, _cpu() - cpu), found


def peak(
    task: Callable[Arguments, Result], *arguments: Arguments.args, **keywords: Arguments.kwargs
) -> tuple[Result, float]:
    """Run a task in a process of its own and return its result and its peak memory in MiB.

    The peak is the sum over the process and its children, though their peaks need not have come at the same time.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(_measured, functools.partial(task, *arguments, **keywords)).result()


def _measured(task: Callable[[], Result]) -> tuple[Result, float]:
    peaks: dict[int, int] = {}
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            for child in psutil.Process().children(recursive=True):
                with suppress(OSError):
                    peaks[child.pid] = _high_water(child.pid)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    found = task()
    done.set()
    watcher.join()
    return found, (_high_water("self") + sum(peaks.values())) / 1024


def _high_water(pid: int | str) -> int:
    """Return the largest resident size of a process in KiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1])
    return 0


def _cpu() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
