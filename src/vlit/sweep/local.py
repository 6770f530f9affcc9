"""Runs commands as processes of this machine: as many at once as fit, threads and GPUs divided, one bar for all.

`sweep.py launch=local` and Hydra's `-m` (`hydra_plugins.vlit_launcher`) both start their jobs here.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import IO

from tqdm import tqdm

from vlit.common.entry import OUTCOME
from vlit.common.errors import InputError, printable, storage_error
from vlit.common.files import read_json
from vlit.common.processes import INTERRUPTED, TERMINATED
from vlit.runs.owner import owned
from vlit.sweep.machine import Share


@dataclass(frozen=True)
class LocalJob:
    """A job of a sweep.

    Attributes:
        name: by which a person knows it.
        steps: command lines after the interpreter (`["train.py", "seed=1"]`), one after the other until one fails.
        log: file that all steps print to; what it contained is kept.
        outcome: file in which each step leaves how it ended (`vlit.common.entry.OUTCOME`).
        lock: folder that only one process may work in, or None if the command sees to that.
    """

    name: str
    steps: Sequence[Sequence[str]]
    log: Path
    outcome: Path
    lock: Path | None = None


def run_jobs(jobs: Sequence[LocalJob], shares: Sequence[Share], root: Path, unit: str) -> list[str]:
    """Run all jobs, with a line on stdout as each ends and a bar on stderr.

    A job that fails stops no other. Ctrl-C ends all of them.

    Args:
        jobs: what to run.
        shares: of the machine, one for each job that is at work at the same time.
        root: folder of the scripts.
        unit: what the bar counts.

    Returns:
        A line for each job that failed: its name, the reason and its log.
    """
    failed: list[str] = []
    processes = _Processes(root, shares)
    with ThreadPoolExecutor(len(shares)) as pool, tqdm(total=len(jobs), desc=f"{unit}s", unit=unit) as bar:
        futures = {pool.submit(processes.run, job): job for job in jobs}
        try:
            for future in as_completed(futures):
                job, reason = futures[future], future.result()
                if reason is not None:
                    failed.append(f"{job.name}: {reason} (see {job.log})")
                bar.write(f"{job.name}: {_last_line(job.log) if reason is None else f'failed: {reason}'}")
                bar.set_postfix(failed=len(failed))
                bar.update()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            processes.end()
            raise
    return failed


class _Processes:
    """The processes that are at work."""

    def __init__(self, root: Path, shares: Sequence[Share]) -> None:
        self._root = root
        self._free: SimpleQueue[Share] = SimpleQueue()
        for share in shares:
            self._free.put(share)
        self._running: set[subprocess.Popen[bytes]] = set()
        self._ending = False
        self._guard = threading.Lock()

    def run(self, job: LocalJob) -> str | None:
        """Run a job in a free share of the machine; return why it failed, or None."""
        share = self._free.get()
        try:
            with owned(job.lock) if job.lock is not None else nullcontext():
                job.log.parent.mkdir(parents=True, exist_ok=True)
                job.outcome.parent.mkdir(parents=True, exist_ok=True)
                job.outcome.unlink(missing_ok=True)
                with job.log.open("ab") as log:
                    for step in job.steps:
                        if (reason := self._step(job, step, share.environment, log)) is not None:
                            return reason
            return None
        except InputError as error:
            return str(error)
        except OSError as error:
            return str(storage_error(error, job.log) or error)
        finally:
            self._free.put(share)

    def _step(self, job: LocalJob, command: Sequence[str], share: Mapping[str, str], log: IO[bytes]) -> str | None:
        environment = {**os.environ, **share, "TQDM_DISABLE": "1", OUTCOME: str(job.outcome.resolve())}
        with self._guard:
            if self._ending:
                return "ended before it began"
            process = subprocess.Popen(
                [sys.executable, *command], cwd=self._root, env=environment, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT,
            )  # fmt: skip
            self._running.add(process)
        status = process.wait()
        self._running.discard(process)
        return None if status == 0 else failure(job.outcome, status)

    def end(self) -> None:
        """End all processes, and start no more."""
        with self._guard:
            self._ending = True
            for process in list(self._running):
                process.terminate()


def failure(outcome: Path, status: int) -> str:
    """Return why a command failed: the line it left, else its exit status.

    Args:
        outcome: file that the command was given for it.
        status: exit status; negative for the signal that ended it.
    """
    error = read_json(outcome)["error"] if outcome.exists() else None
    if error is not None:
        return printable(str(error))
    if status == -signal.SIGKILL:
        return "killed (SIGKILL), perhaps because memory ran out"
    if status in (TERMINATED, INTERRUPTED):
        return f"ended by {signal.Signals(status - 128).name}"
    return f"ended by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"


def _last_line(log: Path) -> str:
    """Return the last line of a log: a command's last line names what it wrote."""
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return printable(next((line.strip() for line in reversed(lines) if line.strip()), "done"))
