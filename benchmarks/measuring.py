"""Wall and processor time of a task, and the peak of memory of a task in a process of its own."""

from __future__ import annotations

import multiprocessing
import resource
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil


@dataclass(frozen=True)
class Spent:
    """Seconds of a task: on the wall, and of processors (user and system, children that have ended among them)."""

    wall: float
    cpu: float


def spent(task: Callable[[], Any]) -> tuple[Spent, Any]:
    """Time and result."""
    wall, cpu = time.perf_counter(), _cpu()
    found = task()
    return Spent(time.perf_counter() - wall, _cpu() - cpu), found


def peak(task: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    """Result of a task in a process of its own, and the peak of memory in MiB.

    That is the sum over the process and its children, though their peaks need not have come at the same time.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(_measured, task, arguments).result()


def _measured(task: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[Any, float]:
    peaks: dict[int, int] = {}
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            for child in psutil.Process().children(recursive=True):
                with suppress(OSError):
                    peaks[child.pid] = _high_water(child.pid)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    found = task(*arguments)
    done.set()
    watcher.join()
    return found, (_high_water("self") + sum(peaks.values())) / 1024


def _high_water(pid: int | str) -> int:
    """KiB a process has had resident at most."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1])
    return 0


def _cpu() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
