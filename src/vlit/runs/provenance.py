"""Where a run's numbers come from: commit, package versions, hardware, data and times."""

from __future__ import annotations

import datetime
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "hydra-core", "omegaconf", "torch", "lightning", "transformers", "peft", "open_clip_torch", "salesforce-lavis",
    "open-flamingo", "wandb", "scipy", "pingouin", "numpy",
)  # fmt: skip


def provenance(
    data_fingerprint: str, hardware: Mapping[str, Any], curation: Mapping[str, Any] | None, earlier: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the content of `provenance.json` at the start of a run.

    Args:
        data_fingerprint: hash of the samples.
        hardware: what the run runs on, without the name of the machine.
        curation: rules and digest of the curated list the samples were drawn from, or None.
        earlier: what an interrupted start wrote; its time stays the start, this one is appended to `resumed`. Empty
            for a new run.
    """
    return {
        "commit": commit(),
        "dirty": dirty(),
        "packages": {name: _version(name) for name in PACKAGES},
        "data_fingerprint": data_fingerprint,
        "curation": None if curation is None else dict(curation),
        "hardware": dict(hardware),
        "start": earlier.get("start", now()),
        "resumed": [*earlier.get("resumed", []), now()] if earlier else [],
        "end": None,
    }


def commit() -> str | None:
    """Return the commit of the code that runs, or None outside a checkout."""
    return _git_output("rev-parse", "HEAD")


def dirty() -> bool | None:
    """Return whether tracked files differ from that commit, or None outside a checkout."""
    changed = _git_output("status", "--porcelain", "--untracked-files=no")
    return None if changed is None else bool(changed)


def now() -> str:
    """Return the time in UTC, to the second, in ISO 8601."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _git_output(*arguments: str) -> str | None:
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
