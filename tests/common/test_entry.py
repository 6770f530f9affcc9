"""How a command starts and ends, alone and as the jobs of a multirun (`-m`)."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT

COMMAND = '''
"""A command for tests."""
import os, signal, sys, time
from omegaconf import DictConfig
from vlit.common.entry import entry
from vlit.common.errors import InputError

@entry("plain", resolvers={"twice": lambda number: 2 * number})
def main(cfg: DictConfig) -> None:
    """End in the way that `value` chooses."""
    outcome, mine = os.environ.get("VLIT_OUTCOME"), cfg.get("mine", {})
    print("value", cfg.value, "double", cfg.double, "outcome", outcome, *mine, flush=True)
    if cfg.value == 2:
        raise InputError("value=2: choose another")
    if cfg.value == 3:
        raise ValueError("a bug\\nin two lines")
    if cfg.value == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    if cfg.value == -1:
        raise OSError(28, "No space left on device", "/data/part")
    if cfg.value == -2:
        raise MemoryError
    if cfg.value == -3:
        print("line\\n" * 1_000_000, flush=True)
    if cfg.value == -4:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(600)
    if cfg.value >= 5:
        time.sleep(600)

main()
'''


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A command in a folder below the one with `conf/`."""
    shutil.copytree(ROOT / "conf" / "hydra", tmp_path / "conf" / "hydra")
    shutil.copy(ROOT / "conf" / "command.yaml", tmp_path / "conf")
    (tmp_path / "conf" / "plain.yaml").write_text(
        "defaults: [_self_, command]\nvalue: 1\ndouble: ${twice:${value}}\nextra: null\n"
    )
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "command.py").write_text(COMMAND)
    return tmp_path / "scripts" / "command.py"


def run(script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "VLIT_OUTCOME": str(script.parent / "outcome.json")}
    command = [sys.executable, str(script), *arguments]
    return subprocess.run(command, cwd=script.parent, env=environment, capture_output=True, text=True)


def outcome(folder: Path) -> object:
    return json.loads((folder / "outcome.json").read_text())["error"]


def test_a_command_that_is_done(script: Path) -> None:
    done = run(script)
    assert (done.returncode, done.stdout, done.stderr) == (0, "value 1 double 2 outcome None\n", "")
    assert outcome(script.parent) is None


def test_bad_input_is_one_line(script: Path) -> None:
    done = run(script, "value=2")
    assert (done.returncode, done.stderr) == (1, "error: value=2: choose another\n")
    assert outcome(script.parent) == "value=2: choose another"
    done = run(script, "valeu=2")
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert "check its spelling" in done.stderr and "check its spelling" in str(outcome(script.parent))


@pytest.mark.parametrize(("value", "line"), [(-1, "/data/part: No space left on device"), (-2, "not enough memory")])
def test_a_machine_that_has_no_more_is_one_line(script: Path, value: int, line: str) -> None:
    done = run(script, f"value={value}")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: ") and line in done.stderr


def test_a_reader_that_has_enough_is_no_error(script: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, str(script), "value=-3"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == "" and process.wait(60) == 141


def test_sigterm_is_one_line_and_status_143(script: Path) -> None:
    done = run(script, "value=-4")
    assert (done.returncode, done.stderr) == (143, "ended by SIGTERM: the same command resumes from here\n")


def test_a_bug_keeps_its_traceback(script: Path) -> None:
    done = run(script, "value=3")
    assert done.returncode == 1
    assert "Traceback" in done.stderr and done.stderr.endswith("ValueError: a bug\nin two lines\n")
    assert outcome(script.parent) == "ValueError: a bug"


def test_a_command_that_is_killed_leaves_no_outcome(script: Path) -> None:
    assert run(script, "value=4").returncode == -signal.SIGKILL
    assert not (script.parent / "outcome.json").exists()


def test_a_multirun_names_what_failed_and_runs_the_rest(script: Path) -> None:
    (script.parent / "more" / "mine").mkdir(parents=True)
    (script.parent / "more" / "mine" / "seven.yaml").write_text("number: 7\n")
    done = run(
        script, "--config-dir", "more", "-m", "value=4,3,2,1", "+mine=seven", "extra=[1,'a=b']", "--config-name=plain"
    )
    assert done.returncode == 1, done.stderr
    line = done.stderr.splitlines()[-1]
    assert line.startswith("error: 3 of 4 jobs failed: ") and "Traceback" not in done.stderr
    for reason in ("value=4: killed (SIGKILL)", "value=3: ValueError: a bug", "value=2: value=2: choose another"):
        assert f"{reason}" in line and f"{reason.partition(': ')[0]}: failed" in done.stdout
    assert "value=1: value 1 double 2 outcome None number\n" in done.stdout
    assert "runs: 100%" in done.stderr and "4/4" in done.stderr
    logs = [(script.parent / "outputs" / "sweep" / str(job) / "job.log").read_text() for job in range(4)]
    assert [log.splitlines()[0].split()[1] for log in logs] == ["4", "3", "2", "1"]
    assert "Traceback" in logs[1]
    assert outcome(script.parent) == line.removeprefix("error: ")
    assert outcome(script.parent / "outputs" / "sweep" / "3") is None


def test_a_misspelt_override_of_a_multirun_is_one_line_before_anything_starts(script: Path) -> None:
    done = run(script, "-m", "value=1,2", "valeu=3")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1 and "check its spelling" in done.stderr
    assert not list(script.parent.glob("outputs/sweep/*/job.log"))


def test_ctrl_c_ends_all_jobs_of_a_multirun(script: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, str(script), "-m", "value=5,6,7"], cwd=script.parent, stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not any("value" in log.read_text() for log in script.parent.glob("outputs/sweep/*/job.log")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert errors.strip().splitlines()[-1] == "interrupted: the same command resumes from here"
    assert "Traceback" not in errors
    mark = str(script).encode()
    assert not [entry for entry in Path("/proc").glob("[0-9]*/cmdline") if mark in _read(entry)]


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""
