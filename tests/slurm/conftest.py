"""One SLURM for all tests of this folder, and sweeps on it."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, tiny_overrides
from tests.slurm.cluster import Cluster, missing

PATIENCE = 3600  # seconds for jobs, on a machine that others use too


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A running SLURM; skips where there can be none."""
    if why := missing():
        pytest.skip(why)
    with tempfile.TemporaryDirectory(prefix="slurm") as folder:  # short: sockets' names are
        made = Cluster(Path(folder) / "cluster")
        try:
            made.start()
            yield made
        finally:
            made.stop()


@dataclass
class Sweep:
    """A sweep as a user starts it."""

    cluster: Cluster
    name: str
    folder: Path
    arguments: list[str]

    def start(self, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`python sweep.py launch=slurm ...`."""
        return self.cluster.run(sys.executable, "sweep.py", *self.arguments, check=check, cwd=ROOT)

    def status(self) -> str:
        """`python status.py`."""
        command = [sys.executable, "status.py", f"name={self.name}", f"folder={self.folder}"]
        return self.cluster.run(*command, cwd=ROOT).stdout

    def finish(self) -> None:
        """The one command that the status page gives, word for word."""
        page = self.status()
        command = shlex.split(page[page.index("finish it with") :].splitlines()[1])
        assert command[0] == "python"
        self.cluster.run(sys.executable, *command[1:], cwd=ROOT)

    def tasks(self) -> dict[int, tuple[str, str]]:
        """Index -> (job, state) of tasks that have not ended."""
        listing = self.cluster.run(
            "squeue",
            "-h",
            "-r",
            f"--name=vlit-{self.name},vlit-{self.name}-evaluate,vlit-{self.name}-tables",
            "--format=%K|%i|%T",
        ).stdout.split()
        rows = [line.split("|") for line in listing]
        return {int(row[0]) if row[0].isdigit() else -1: (row[1], row[2]) for row in rows}

    def wait(self) -> None:
        """Until nothing waits or runs."""
        Cluster.until(lambda: not self.tasks(), PATIENCE, 1)

    def cells(self) -> list[dict[str, Any]]:
        """The manifest."""
        return [json.loads(line) for line in (self.folder / "manifest.jsonl").read_text().splitlines()]

    def outcome(self) -> dict[str, Any]:
        """What each cell ended with, by model, dataset and seed."""
        found = {}
        for cell in self.cells():
            folder = Path(cell["run_folder"])
            steps = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
            found[cell["model"], cell["data"], cell["seed"]] = (
                json.loads((folder / "result.json").read_text()),
                (folder / "predictions.jsonl").read_text(),
                [(row["step"], row["loss"], row["learning_rate"]) for row in steps],
            )
        return found

    def log(self, name: str) -> str:
        """What a task printed."""
        return (self.folder / "logs" / name).read_text()


@pytest.fixture(scope="session")
def sweep(cluster: Cluster, cache: Path, tmp_path_factory: pytest.TempPathFactory):
    """`sweep(name, overrides of runs, arguments)`: a sweep at mini scale on the tiny world, not started."""

    def made(name: str, overrides: list[str], *arguments: str) -> Sweep:
        home = tmp_path_factory.mktemp(name)
        quoted = ",".join(f"'{override}'" for override in [*tiny_overrides(cache), "tuning.batch_size=4", *overrides])
        folder = home / "results" / "sweeps" / name
        places = [f"folder={folder}", f"paths.runs={home / 'runs'}"]
        return Sweep(
            cluster, name, folder, ["launch=slurm", f"name={name}", *places, f"overrides=[{quoted}]", *arguments]
        )

    return made
