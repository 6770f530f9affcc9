"""Two starts of one run at a time, owners that were killed, and what a failure leaves behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.conftest import ROOT, tiny_overrides
from vlit.common.errors import InputError
from vlit.runs import owner
from vlit.runs.attempt import attempt
from vlit.runs.folder import RunFolder
from vlit.runs.owner import Owner, owned

OWN = """
import sys, time
from pathlib import Path
from vlit.runs.owner import owned
with owned(Path(sys.argv[1])):
    print("owned", flush=True)
    time.sleep(600)
"""
LOOK = """
import sys, time
from pathlib import Path
from vlit.runs.owner import owner
print("looks", flush=True)
end = time.monotonic() + 3
while time.monotonic() < end:
    owner(Path(sys.argv[1]))
"""


@pytest.fixture
def holder(tmp_path: Path):
    """A process that works in `tmp_path / "run"`."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWN, str(tmp_path / "run")], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "owned\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_process_is_refused_in_one_line_that_names_the_first(holder, tmp_path: Path) -> None:
    assert owner.owner(tmp_path / "run")[1]
    named = f"process {holder.pid} on {socket.gethostname()}"
    with pytest.raises(InputError, match=named) as refused, owned(tmp_path / "run"):
        pass
    assert len(str(refused.value).splitlines()) == 1
    assert owner.owner(tmp_path / "run") == (owner.owner(tmp_path / "run")[0], True)  # it is still at work


def test_an_owner_that_was_killed_is_recognised(holder, tmp_path: Path) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    named, at_work = owner.owner(tmp_path / "run")
    assert named is not None and named.pid == holder.pid and not at_work
    with owned(tmp_path / "run") as left:
        assert left == named
        assert owner.owner(tmp_path / "elsewhere") == (None, False)
    assert (tmp_path / "run" / owner.NAME).read_text() == ""  # released


def test_a_process_that_only_looks_does_not_stop_a_start(tmp_path: Path) -> None:
    with owned(tmp_path):
        pass
    process = subprocess.Popen([sys.executable, "-c", LOOK, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "looks\n"
    for _ in range(20):
        with owned(tmp_path):
            pass
    process.kill()
    process.communicate()


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`slurm(text)`: a `squeue` that answers with it, as SLURM does for a job that runs (or has ended: nothing)."""

    def answers(text: str) -> None:
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / "squeue").write_text(f"#!/bin/sh\nprintf '%s' '{text}'\n")
        (tmp_path / "bin" / "squeue").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")

    return answers


def left_by(folder: Path, **other: object) -> Owner:
    left = Owner(**{**asdict(Owner("another-node", 7, 1, "41_3")), **other})  # type: ignore[arg-type]
    folder.mkdir()
    (folder / owner.NAME).write_text(json.dumps(asdict(left)))
    return left


def test_a_job_that_runs_on_another_node_is_believed_where_locks_do_not_reach(slurm, tmp_path: Path) -> None:
    left = left_by(tmp_path / "run")
    slurm("41_3")
    with pytest.raises(InputError, match="another-node, SLURM job 41_3"), owned(tmp_path / "run"):
        pass
    slurm("")
    with owned(tmp_path / "run") as gone:
        assert gone == left


def test_a_requeued_job_takes_over_from_its_own_start(slurm, tmp_path: Path, monkeypatch) -> None:
    left_by(tmp_path / "run", job="55")
    slurm("55")
    monkeypatch.setenv("SLURM_JOB_ID", "55")
    with attempt(RunFolder(tmp_path / "run")) as requeued:
        assert requeued  # so that force=true does not start again from the beginning each time


def test_without_locks_the_named_process_decides(tmp_path: Path, monkeypatch) -> None:
    def none(*arguments: object) -> None:
        raise OSError(owner.errno.ENOLCK, "No locks available")

    monkeypatch.setattr(owner.fcntl, "lockf", none)
    began = owner._began(os.getpid())
    alive = left_by(tmp_path / "alive", host=socket.gethostname(), pid=os.getpid(), began=began, job=None)
    with pytest.raises(InputError, match=f"process {alive.pid}"), owned(tmp_path / "alive"):
        pass
    left_by(tmp_path / "reused", host=socket.gethostname(), pid=os.getpid(), began=1, job=None)  # another's id now
    with owned(tmp_path / "reused"):
        pass
    left_by(tmp_path / "far", job=None)
    with pytest.raises(InputError, match=r"another-node.*remove"), owned(tmp_path / "far"):
        pass


def test_a_failure_leaves_its_reason_and_a_success_removes_it(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(ZeroDivisionError), attempt(folder):
        raise ZeroDivisionError("division by zero\nand more")
    failure = json.loads(folder.failure.read_text())
    assert failure["reason"] == "ZeroDivisionError: division by zero"
    assert set(failure) == {"reason", "time", "job", "commit"}
    with pytest.raises(KeyboardInterrupt), attempt(folder):
        raise KeyboardInterrupt
    assert json.loads(folder.failure.read_text()) == failure
    with attempt(folder):
        folder.begin("a: 1\n", force=False)
        folder.record_start("abc", "w", {})
    assert not folder.failure.exists()


def test_a_run_started_twice_runs_once(cache: Path, tmp_path: Path) -> None:
    command = [
        sys.executable, "train.py", "model=llava", "data=ours_qc", *tiny_overrides(cache), f"paths.runs={tmp_path}",
        "tuning.batch_size=4", "tuning.epochs=20", "tuning.max_steps=100", "force=true",  # longer than the second waits
    ]  # fmt: skip
    both = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    errors = [process.communicate(timeout=300)[1] for process in both]
    assert sorted(process.returncode for process in both) == [0, 1], errors
    refused = next(text for process, text in zip(both, errors, strict=True) if process.returncode == 1)
    assert len(refused.strip().splitlines()) == 1 and "is being worked on by process" in refused
    folder = tmp_path / "mini/llava/ours_qc/seed0"
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 100
    assert (folder / "result.json").exists() and not (folder / "failure.json").exists()
