"""A sweep with `-m`: which of its jobs have ended and how, a bar over all of them, and the failed ones by name.

Hydra starts every job of a sweep whatever becomes of the others, then raises what the first failed one raised. Jobs end
in other processes (joblib) or on other machines (submitit), so each adds a line to a file in the sweep's folder.
"""

from __future__ import annotations

import json
import logging
import math
import sys
import threading
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig
from tqdm import tqdm

from vlit.common.errors import reason
from vlit.common.files import read_jsonl

INTERVAL = 0.5  # seconds between two looks at the file
_sweep: dict[str, Any] = {}  # of this process: file, and where the launcher asks for it, the bar


class Jobs(Callback):
    """Hydra's callback: in the process that sweeps, and in each job."""

    def __init__(self, bar: bool = False) -> None:
        self.bar = bar

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Begin a new file and the bar."""
        file = _file(config)
        file.unlink(missing_ok=True)
        overrides = OverridesParser.create().parse_overrides(list(config.hydra.overrides.task))
        several = [override for override in overrides if override.is_sweep_override()]
        swept = {override.get_key_element(): len(list(override.sweep_string_iterator())) for override in several}
        total = math.prod(swept.values())
        _sweep.update(file=file, total=total, swept=tuple(f"{key}=" for key in swept))
        if self.bar:
            _sweep.update(bar=tqdm(total=total, desc="runs", unit="run"), stop=threading.Event())
            _sweep["thread"] = threading.Thread(target=_watch, daemon=True)
            _sweep["thread"].start()

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Under a bar, let a job speak in its own file. Hydra composes logging after launchers, which can't say so."""
        if self.bar and config.hydra.mode == RunMode.MULTIRUN:
            handler = logging.FileHandler(Path(config.hydra.runtime.output_dir) / "job.log", encoding="utf-8")
            handler.setFormatter(logging.Formatter(config.hydra.job_logging.formatters.simple.format))
            logging.getLogger().handlers[:] = [handler]

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Add a line."""
        if config.hydra.mode != RunMode.MULTIRUN:
            return
        error = reason(job_return._return_value) if job_return.status == JobStatus.FAILED else None
        file = _file(config)
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps({"job": list(job_return.overrides or []), "error": error}) + "\n")


def failures() -> str | None:
    """The failed jobs of this process's sweep in one line, or None if there are none."""
    failed = [row for row in _ended() if row["error"] is not None]
    if not failed:
        return None
    listed = "; ".join(f"{_name(row['job'])}: {row['error']}" for row in failed)
    return f"{len(failed)} of {_sweep['total']} jobs failed: {listed}"


def _name(overrides: list[str]) -> str:
    return " ".join(override for override in overrides if override.startswith(_sweep["swept"]))


def close() -> None:
    """End the bar."""
    if "thread" in _sweep:
        _sweep["stop"].set()
        _sweep["thread"].join()
        _sweep["bar"].close()
    _sweep.clear()


def _file(config: DictConfig) -> Path:
    return Path(config.hydra.sweep.dir) / "jobs.jsonl"


def _ended() -> list[Any]:
    return read_jsonl(_sweep["file"]) if "file" in _sweep and _sweep["file"].exists() else []


def _watch() -> None:
    bar = _sweep["bar"]
    while not _sweep["stop"].wait(INTERVAL):
        _show(bar)
    _show(bar)


def _show(bar: Any) -> None:
    ended = _ended()
    bar.set_postfix(failed=sum(row["error"] is not None for row in ended), refresh=False)
    bar.update(len(ended) - bar.n)
    if sys.stderr.isatty():  # the clock goes on; in a log only what has ended is news
        bar.refresh()
