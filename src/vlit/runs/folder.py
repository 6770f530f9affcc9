"""The folder of a run: its deterministic name, what it holds, and where its numbers come from."""

from __future__ import annotations

import datetime
import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from vlit.common.errors import InputError
from vlit.common.files import read_json, write_json, write_text
from vlit.runs import owner
from vlit.runs.owner import is_first_process

PACKAGES = (
    "hydra-core", "omegaconf", "torch", "lightning", "transformers", "peft", "open_clip_torch", "salesforce-lavis",
    "open-flamingo", "wandb", "scipy", "pingouin", "numpy",
)  # fmt: skip


@dataclass(frozen=True)
class RunFolder:
    """`results/runs/{scale}/{model}/{data}/seed{seed}/`: no timestamp, so that a requeued run finds its own.

    A run with a `result.json` is done.
    """

    path: Path

    @property
    def result(self) -> Path:
        """Written last, whole or not at all."""
        return self.path / "result.json"

    @property
    def predictions(self) -> Path:
        """One line a question."""
        return self.path / "predictions.jsonl"

    @property
    def rejects(self) -> Path:
        """Samples that were set aside, with reasons."""
        return self.path / "rejects.jsonl"

    @property
    def metrics(self) -> Path:
        """One line a training step."""
        return self.path / "metrics.jsonl"

    @property
    def checkpoint(self) -> Path:
        """The trained parameters and all that resuming needs."""
        return self.path / "checkpoints" / "last.ckpt"

    @property
    def evaluations(self) -> Path:
        """What `evaluate.py` measured of the run again, a folder each."""
        return self.path / "evaluations"

    @property
    def config(self) -> Path:
        """The resolved configuration."""
        return self.path / "config.yaml"

    @property
    def failure(self) -> Path:
        """Why the run failed, until it goes on."""
        return self.path / "failure.json"

    @property
    def done(self) -> bool:
        """Whether the run has its result."""
        return self.result.exists()

    def begin(self, config: str, force: bool) -> bool:
        """Make the folder ready; return False when the run is done already.

        A half-finished run goes on only under the configuration it began with, else it would be neither of the two.

        Raises:
            InputError: if the folder holds a run of another configuration.
        """
        if force and not is_first_process():
            return True  # the first process is at work in the folder, whatever was there before
        if force and self.path.exists():
            self._clear()
        if self.config.exists() and self.config.read_text(encoding="utf-8") != config:
            changed = _first_difference(self.config.read_text(encoding="utf-8"), config)
            raise InputError(
                f"{self.path} holds a run with another configuration ({changed}): add force=true to start it anew, or"
                " set paths.runs to another folder"
            )
        if self.done:
            return False
        if is_first_process():
            write_text(self.config, config)
        return True

    def _clear(self) -> None:
        for entry in self.path.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name != owner.NAME:  # we hold it
                entry.unlink()

    def record_start(self, data_fingerprint: str, curation: dict[str, Any] | None = None) -> None:
        """Write `provenance.json`; a resumed run keeps its first start and adds this one. It has not failed so far.

        Args:
            data_fingerprint: of the samples tuned on.
            curation: rules and digest of the curated list they were drawn from, or None.
        """
        if not is_first_process():
            return
        self.failure.unlink(missing_ok=True)
        file = self.path / "provenance.json"
        earlier = read_json(file) if file.exists() else {}
        write_json(
            file,
            {
                "commit": commit(),
                "dirty": dirty(),
                "packages": {name: _version(name) for name in PACKAGES},
                "data_fingerprint": data_fingerprint,
                "curation": curation,
                "hardware": hardware(),
                "start": earlier.get("start", _now()),
                "resumed": [*earlier.get("resumed", []), _now()] if earlier else [],
                "end": None,
            },
        )

    def record_failure(self, reason: str) -> None:
        """Write `failure.json`; of several processes the first one's word counts, which is told what went wrong."""
        if is_first_process() or not self.failure.exists():
            write_json(self.failure, {"reason": reason, "time": _now(), "job": owner.slurm_job(), "commit": commit()})

    def record_end(self) -> None:
        """Add the end to `provenance.json`."""
        if not is_first_process():
            return
        file = self.path / "provenance.json"
        write_json(file, {**read_json(file), "end": _now()})


def resolved(cfg: DictConfig) -> str:
    """The configuration that a run's results depend on, with nothing left to resolve, as YAML."""
    plain = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(plain, dict)
    return OmegaConf.to_yaml(
        OmegaConf.create({key: value for key, value in plain.items() if key not in ("force", "plan")})
    )


def commit() -> str | None:
    """The commit of the code that runs, or None outside a checkout."""
    return _git("rev-parse", "HEAD")


def dirty() -> bool | None:
    """Whether tracked files differ from that commit."""
    status = _git("status", "--porcelain", "--untracked-files=no")
    return None if status is None else bool(status)


def hardware() -> dict[str, Any]:
    """What the run ran on, without naming the machine."""
    import torch

    return {
        "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())],
        "python": platform.python_version(),
    }


def _git(*arguments: str) -> str | None:
    here = Path(__file__).resolve().parent
    try:
        done = subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _first_difference(old: str, new: str) -> str:
    for before, after in zip(old.splitlines(), new.splitlines(), strict=False):
        if before != after:
            return f"was `{before.strip()}`, now `{after.strip()}`"
    return "some lines are new or gone"
