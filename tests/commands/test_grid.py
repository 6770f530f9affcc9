"""`sweep.py` and `status.py`: the manifest, what a cell's folder says of it, and sweeps on this machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from tests.conftest import ROOT, tiny_overrides
from vlit.common.errors import InputError
from vlit.runs.owner import owned
from vlit.sweep.grid import Cell, digest
from vlit.sweep.machine import Machine, fitting, preset_of_sweep, this_machine, together
from vlit.sweep.slurm import Task
from vlit.sweep.state import State, state


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True)


def cell(folder: Path) -> Cell:
    return Cell(3, "llava", "ours", 0, [], str(folder), digest("seed: 0\n"))


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text("seed: 0\n")
    return tmp_path


def test_the_state_of_a_cell_is_what_its_folder_and_slurm_say(begun: Path) -> None:
    waiting = {3: Task("7_3", "PENDING", "Resources"), 4: Task("7_4", "RUNNING", "None")}
    assert state(cell(begun / "nothing"), {}) == State("missing")
    assert state(cell(begun), {}) == State("missing", "stopped, no step yet")
    (begun / "metrics.jsonl").write_text("{}\n{}\n")
    (begun / "owner.json").write_text('{"host": "far", "pid": 3, "began": 1, "job": null}')
    assert state(cell(begun), {}) == State("missing", "process 3 on far was killed, 2 steps")
    (begun / "failure.json").write_text('{"reason": "no such file", "job": "6_3"}')
    assert state(cell(begun), {}) == State("failed", "no such file (SLURM job 6_3)")
    assert state(cell(begun), waiting) == State("queued", "SLURM job 7_3: Resources")
    assert state(cell(begun), {3: Task("7_3", "RUNNING", "None")}).word == "running"
    (begun / "result.json").write_text("{}")
    assert state(cell(begun), {}) == state(cell(begun), waiting) == State("done")
    (begun / "config.yaml").write_text("seed: 1\n")
    assert state(cell(begun), {}).note == f"{begun} holds a run with another configuration"


def test_a_cell_that_is_worked_on_is_running(begun: Path) -> None:
    code = "import sys; from pathlib import Path; from vlit.sweep.state import *; from vlit.sweep.grid import *\n"
    code += f"print(state(Cell(3, 'llava', 'ours', 0, [], {str(begun)!r}, digest('seed: 0\\n')), {{}}).word)"
    with owned(begun):
        assert run("-c", code).stdout.strip() == "running"
    assert run("-c", code).stdout.strip() == "missing"


SMALL = {"gres": None, "memory": 2, "cpus": 1}
LARGE = {"gres": "gpu:v100:8", "memory": 320, "cpus": 5}


@pytest.mark.parametrize(
    ("presets", "machine", "jobs", "expected"),
    [
        ([SMALL], Machine(2, 20.0, 0), None, (2, 1)),  # cores
        ([SMALL], Machine(64, 9.0, 0), None, (4, 16)),  # memory, threads divided
        ([SMALL], Machine(8, 64.0, 0), 3, (3, 2)),  # no more than there are
        ([SMALL, LARGE], Machine(96, 1000.0, 16), None, (2, 48)),  # GPUs of the largest
    ],
)
def test_as_many_runs_as_fit(presets, machine: Machine, jobs: int | None, expected: tuple[int, int]) -> None:
    assert together(presets, machine, jobs) == expected


def test_a_run_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="320 GiB and 8 GPUs"):
        together([LARGE], Machine(96, 1000.0, 4))
    with pytest.raises(InputError, match="launch=slurm"):
        together([SMALL], Machine(4, 1.5, 0))


def test_this_machine_takes_at_least_one_mini_run() -> None:
    assert this_machine().cores >= 1 and this_machine().memory > 1
    assert fitting("mini", ["model=llava,blip2"], "processes") >= 1


def test_the_presets_of_a_sweep_are_those_of_its_largest_model() -> None:
    presets = OmegaConf.load(ROOT / "conf" / "slurm" / "paper.yaml").resources
    assert preset_of_sweep("paper", ["model=blip2,llava", "seed=0,1"], "memory") == presets.llava.memory
    assert preset_of_sweep("paper", ["model=blip2"], "memory") == presets.blip2.memory
    assert all(presets[model].gres == "gpu:8" for model in presets)


@pytest.fixture
def arguments(cache: Path, tmp_path: Path):
    """`arguments(overrides)`: of a sweep in a folder of its own."""

    def made(*overrides: str) -> list[str]:
        quoted = ",".join(f"'{override}'" for override in [*tiny_overrides(cache), *overrides])
        return ["name=mine", f"folder={tmp_path / 'sweep'}", f"paths.runs={tmp_path / 'runs'}", f"overrides=[{quoted}]"]

    return made


def test_a_manifest_has_a_line_for_each_cell_that_train_takes(arguments, tmp_path: Path) -> None:
    said = run("sweep.py", *arguments("tuning.max_steps=2"), "seeds=[0,1]")
    assert said.returncode == 0, said.stderr
    assert "24 cells, 0 done, 24 to start" in said.stdout
    rows = [json.loads(line) for line in (tmp_path / "sweep" / "manifest.jsonl").read_text().splitlines()]
    assert [row["index"] for row in rows] == list(range(24))
    assert len({(row["model"], row["data"], row["seed"]) for row in rows}) == 24
    shown = run("train.py", *rows[13]["overrides"], "--cfg", "job").stdout
    assert "max_steps: 2" in shown and f"seed: {rows[13]['seed']}" in shown
    other = run("sweep.py", *arguments("tuning.max_steps=3"), "seeds=[0,1]")
    assert other.returncode == 1 and "manifest of another grid" in other.stderr
    page = run("status.py", "name=mine", f"folder={tmp_path / 'sweep'}").stdout
    assert "24 cells: 24 missing" in page and "finish it with\n  python sweep.py name=mine" in page


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("overrides=['tuning.nothing=1']", "cell 0"),
        ("overrides=['force=true']", "no place in a sweep"),
        ("launch=somewhere", "none, local, slurm, tables"),
        ("models=[blip3]", "blip3"),
        ("seeds=[]", "the grid is empty"),
        ("datasets=[ours,ours]", "are one run"),
    ],
)
def test_a_broken_grid_is_one_line(tmp_path: Path, override: str, says: str) -> None:
    done = run("sweep.py", f"folder={tmp_path}", override)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: ") and says in line
    assert not (tmp_path / "manifest.jsonl").exists()


def test_the_status_of_no_sweep_is_one_line(tmp_path: Path) -> None:
    done = run("status.py", f"folder={tmp_path / 'sweep'}")
    assert done.returncode == 1 and "python sweep.py name=... writes one" in done.stderr


def test_a_local_sweep_goes_on_after_a_failure_and_finishes_when_given_again(arguments, tmp_path: Path) -> None:
    command = ["sweep.py", "launch=local", *arguments("tuning.batch_size=4", "tuning.max_steps=2"), "models=[llava]"]
    command += ["datasets=[ours,[llava,'tuning.save_every=0']]"]
    done = run(*command)
    assert done.returncode == 1
    assert "1 of 2 cells failed: llava llava seed 0 (see " in done.stderr.splitlines()[-1]
    assert "cells: 100%" in done.stderr
    page = run("status.py", "name=mine", f"folder={tmp_path / 'sweep'}").stdout
    assert "2 cells: 1 done, 1 failed" in page and "failed: tuning.save_every=0: it is a whole number" in page
    folder = tmp_path / "runs/mini/llava/ours/seed0"
    assert list(folder.glob("evaluations/*-shuffled_images/result.json"))
    assert list((tmp_path / "sweep" / "tables").glob("table03.*")), done.stdout
    assert "not evaluated" not in page
    next(folder.glob("evaluations/*-shuffled_images/result.json")).unlink()
    page = run("status.py", "name=mine", f"folder={tmp_path / 'sweep'}").stdout
    assert "done but not evaluated: llava ours seed 0\n" in page
    before = (folder / "result.json").stat().st_mtime_ns
    assert "2 cells, 1 done, 1 to start" in run(*command).stdout
    assert list(folder.glob("evaluations/*-shuffled_images/result.json"))
    assert (folder / "result.json").stat().st_mtime_ns == before
