"""Cells as processes of this machine: as many at once as fit, threads divided, one bar for all of them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from omegaconf import DictConfig
from tqdm import tqdm

from vlit.sweep import slurm
from vlit.sweep.grid import Cell
from vlit.sweep.machine import this_machine, together


def run(cfg: DictConfig, folder: Path, train: Sequence[Cell], evaluate: Sequence[Cell]) -> list[str]:
    """Train and evaluate cells, and evaluate others that only lack that.

    A cell that fails stops no other. Ctrl-C stops all of them; each goes on from its checkpoint when started again.

    Returns:
        The cells that failed, with their logs.
    """
    todo = [*train, *evaluate]
    if not todo:
        return []
    processes, threads = together([slurm.preset(cfg, cell.model) for cell in todo], this_machine(), len(todo))
    print(f"{processes} at once, {threads} threads each; their logs are in {folder / 'logs'}")
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    failed: list[str] = []
    jobs = _Jobs(cfg, folder, {**os.environ, "OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"})
    with ThreadPoolExecutor(processes) as pool, tqdm(total=len(todo), desc="cells", unit="cell") as bar:
        futures = {pool.submit(jobs.cell, cell, cell in train): cell for cell in todo}
        try:
            for future in as_completed(futures):
                if not future.result():
                    failed.append(f"{futures[future].name} (see {jobs.log(futures[future])})")
                bar.set_postfix(failed=len(failed))
                bar.update()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            jobs.stop()
            raise
    return failed


class _Jobs:
    """The processes that are at work."""

    def __init__(self, cfg: DictConfig, folder: Path, environment: dict[str, str]) -> None:
        self.cfg = cfg
        self.folder = folder
        self.environment = environment
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopping = False
        self._guard = threading.Lock()

    def log(self, cell: Cell) -> Path:
        return self.folder / "logs" / f"train-{cell.index}.log"

    def cell(self, cell: Cell, train: bool) -> bool:
        """Whether all of it went well."""
        with self.log(cell).open("ab") as log:
            if train and not self._process(["train.py", *cell.overrides], log):
                return False
            if self.cfg.control is None:
                return True
            return self._process(["evaluate.py", f"run={cell.run_folder}", f"control={self.cfg.control}"], log)

    def _process(self, command: Sequence[str], log: object) -> bool:
        with self._guard:
            if self._stopping:
                return False
            process = subprocess.Popen(
                [sys.executable, *command], cwd=self.cfg.paths.root, env=self.environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT,
            )  # type: ignore[call-overload]  # fmt: skip
            self._running.add(process)
        ended = process.wait() == 0
        self._running.discard(process)
        return bool(ended)

    def stop(self) -> None:
        """End them all."""
        with self._guard:
            self._stopping = True
            for process in list(self._running):
                process.terminate()
