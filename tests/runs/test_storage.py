"""A full disk, a read-only folder, a clock that jumps: one line, and earlier results as they were."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, kill_in_training, tiny_overrides

RUN = "mini/llava/ours_qc/seed0"


def train(cache: Path, runs: Path, *more: str) -> list[str]:
    return [
        sys.executable, "train.py", "model=llava", "data=ours_qc", *tiny_overrides(cache), f"paths.runs={runs}",
        "tuning.batch_size=4", "tuning.max_steps=6", "tuning.save_every=2", *more,
    ]  # fmt: skip


def started(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def outcome(folder: Path) -> tuple[str, list[tuple[int, float]]]:
    steps = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return (folder / "predictions.jsonl").read_text(), [(row["step"], row["loss"]) for row in steps]


@pytest.fixture(scope="module")
def undisturbed(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("undisturbed")
    done = started(train(cache, runs))
    assert done.returncode == 0, done.stderr[-2000:]
    return runs / RUN


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """`mounted(options)`: a small file system of its own, where the system lets us mount one."""
    folder = tmp_path / "mounted"
    folder.mkdir()

    def mount(options: str) -> Path:
        again = "remount," if os.path.ismount(folder) else ""
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", again + options, "tmpfs", str(folder)], capture_output=True, text=True
        )
        if done.returncode != 0:
            pytest.skip(f"mounting a file system is not allowed here: {done.stderr.strip()}")
        return folder

    yield mount
    if os.path.ismount(folder):
        subprocess.run(["umount", str(folder)], check=True)


def the_error(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    return line


def test_a_full_disk_is_one_line_and_the_run_resumes_when_there_is_space(
    undisturbed: Path, cache: Path, mounted: Callable[..., Path]
) -> None:
    disk = mounted("size=2m")  # the checkpoint alone is larger
    earlier = disk / "mini/llava/ours/seed0/result.json"
    earlier.parent.mkdir(parents=True)
    earlier.write_text("{}\n" * 1000)
    line = the_error(started(train(cache, disk)))
    assert "No space left on device" in line and "free space" in line and str(disk) in line
    assert earlier.read_text() == "{}\n" * 1000
    assert not list(disk.rglob("*.part"))
    assert not (disk / RUN / "result.json").exists()
    failure = json.loads((disk / RUN / "failure.json").read_text())
    assert "No space left on device" in failure["reason"]
    mounted("size=100m")
    done = started(train(cache, disk))
    assert done.returncode == 0, done.stderr[-2000:]
    assert outcome(disk / RUN) == outcome(undisturbed)
    assert not (disk / RUN / "failure.json").exists()


def test_a_disk_without_a_single_free_block_is_one_line(cache: Path, mounted: Callable[..., Path]) -> None:
    disk = mounted("size=64k")
    (disk / "mini").mkdir()
    earlier = disk / "earlier.json"
    with earlier.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(b"x" * 512)
    before = earlier.read_bytes()
    assert "No space left on device" in the_error(started(train(cache, disk)))
    assert earlier.read_bytes() == before


def test_a_read_only_folder_is_one_line(undisturbed: Path, cache: Path, mounted: Callable[..., Path]) -> None:
    disk = mounted("size=100m")
    assert started(train(cache, disk)).returncode == 0
    before = {path: path.read_bytes() for path in disk.rglob("*") if path.is_file()}
    mounted("ro")
    for more in ([], ["force=true"], ["seed=1"]):
        line = the_error(started(train(cache, disk, *more)))
        assert "Read-only file system" in line and str(disk) in line
    assert {path: path.read_bytes() for path in disk.rglob("*") if path.is_file()} == before


def test_a_clock_that_jumped_changes_nothing(undisturbed: Path, cache: Path, tmp_path: Path) -> None:
    folder = tmp_path / RUN
    kill_in_training(train(cache, tmp_path), folder / "metrics.jsonl", steps=3)
    for path in tmp_path.rglob("*"):
        os.utime(path, (4e9, 4e9))  # the year 2096: what is there is younger than all that follows
    provenance = json.loads((folder / "provenance.json").read_text())
    (folder / "provenance.json").write_text(json.dumps({**provenance, "start": "2096-10-02T07:06:40+00:00"}))
    done = started(train(cache, tmp_path))
    assert done.returncode == 0, done.stderr[-2000:]
    assert outcome(folder) == outcome(undisturbed)
    assert "done already" in started(train(cache, tmp_path)).stdout
