"""`sweep.py` and `status.py`: the manifest, the state of a cell, and sweeps of any command on this machine."""

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
from vlit.sweep.local import LocalJob, run_jobs
from vlit.sweep.machine import Machine, Resources, Share, preset, resources_of, shares, this_machine
from vlit.sweep.slurm import ArrayTask
from vlit.sweep.status import CellState, state


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True)


def cell(folder: Path) -> Cell:
    return Cell(3, "llava ours seed 0", "train", [], digest("seed: 0\n"), "llava", "ours", 0, str(folder))


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text("seed: 0\n")
    return tmp_path


def test_the_state_of_a_run_is_read_from_its_folder_and_slurms_queue(begun: Path) -> None:
    def state_of(folder: Path, tasks: dict[int, ArrayTask]) -> CellState:
        return state(cell(folder), begun, tasks)

    waiting = {3: ArrayTask("7_3", "PENDING", "Resources"), 4: ArrayTask("7_4", "RUNNING", "None")}
    assert state_of(begun / "nothing", {}) == CellState("missing")
    assert state_of(begun, {}) == CellState("missing", "stopped, no step yet")
    (begun / "metrics.jsonl").write_text("{}\n{}\n")
    (begun / "owner.json").write_text('{"host": "far", "pid": 3, "began": 1, "job": null}')
    assert state_of(begun, {}) == CellState("missing", "process 3 on far was killed, 2 steps")
    (begun / "failure.json").write_text('{"reason": "no such file", "job": "6_3"}')
    assert state_of(begun, {}) == CellState("failed", "no such file (SLURM job 6_3)")
    assert state_of(begun, waiting) == CellState("queued", "SLURM job 7_3: Resources")
    assert state_of(begun, {3: ArrayTask("7_3", "RUNNING", "None")}).word == "running"
    (begun / "result.json").write_text("{}")
    assert state_of(begun, {}).word == "failed"
    assert state_of(begun, waiting).word == "queued"
    (begun / "result.json").write_text('{"accuracy": {}, "counts": {"Overall": 0}}')
    assert state_of(begun, {}) == state_of(begun, waiting) == CellState("done")
    (begun / "config.yaml").write_text("seed: 1\n")
    assert state_of(begun, {}).note == f"{begun} holds a run with another configuration"


def test_the_state_of_another_command_is_how_it_ended(tmp_path: Path) -> None:
    assess = Cell(3, "assess data=ours", "assess", ["data=ours"], digest(""))
    place = assess.place(tmp_path)
    assert state(assess, tmp_path, {}) == CellState("missing")
    assert state(assess, tmp_path, {3: ArrayTask("7_3", "PENDING", "Priority")}).word == "queued"
    place.mkdir(parents=True)
    (place / "outcome.json").write_text('{"error": "no file here"}')
    assert state(assess, tmp_path, {}) == CellState("failed", "no file here")
    assert state(assess, tmp_path, {3: ArrayTask("7_3", "RUNNING", "None")}).word == "running"
    (place / "outcome.json").write_text('{"error": null}')
    assert state(assess, tmp_path, {}) == CellState("done")


def test_a_cell_that_is_worked_on_is_running(begun: Path) -> None:
    code = "from pathlib import Path; from vlit.sweep.status import *; from vlit.sweep.grid import *\n"
    code += f"it = Cell(3, 'x', 'train', [], digest('seed: 0\\n'), 'llava', 'ours', 0, {str(begun)!r})\n"
    code += f"print(state(it, Path({str(begun)!r}), {{}}).word)"
    with owned(begun):
        assert run("-c", code).stdout.strip() == "running"
    assert run("-c", code).stdout.strip() == "missing"


SMALL = Resources(None, 2, 1, 60)
LARGE = Resources("gpu:v100:8", 320, 5, 60)
GPUS = tuple(map(str, range(16)))


@pytest.mark.parametrize(
    ("runs", "machine", "at_once", "expected"),
    [
        ([SMALL] * 9, Machine(2, 20.0), None, [Share(1, ())] * 2),  # cores
        ([SMALL] * 9, Machine(64, 9.0), None, [Share(16, ())] * 4),  # memory, threads divided
        ([SMALL] * 3, Machine(8, 64.0), None, [Share(2, ())] * 3),  # no more than there are
        ([SMALL] * 9, Machine(8, 64.0), 2, [Share(4, ())] * 2),  # no more than is wanted
        ([SMALL, LARGE, LARGE], Machine(96, 1000.0, GPUS), None, [Share(48, GPUS[:8]), Share(48, GPUS[8:])]),
    ],
)
def test_a_machine_is_divided_among_as_many_runs_as_fit(runs, machine: Machine, at_once: int | None, expected) -> None:
    assert shares(runs, machine, at_once) == expected


def test_a_run_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="320 GiB and 8 GPUs"):
        shares([LARGE], Machine(96, 1000.0, GPUS[:4]))
    with pytest.raises(InputError, match="launch=slurm"):
        shares([SMALL], Machine(4, 1.5))


def test_this_machine_takes_at_least_one_mini_run(monkeypatch: pytest.MonkeyPatch) -> None:
    assert this_machine().cores >= 1 and this_machine().memory > 1
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert this_machine().gpus == ("2", "5")
    assert len(shares([SMALL], this_machine())) == 1


def test_a_new_family_and_every_command_has_resources() -> None:
    for scale in ("mini", "paper"):
        presets = OmegaConf.load(ROOT / "conf" / "slurm" / f"{scale}.yaml").resources
        assert resources_of(presets, "blip3") == Resources(**presets.default)
    assert resources_of(presets, "blip2").memory == presets.blip2.memory
    assert resources_of(presets, "blip2").gpus == 8
    with pytest.raises(InputError, match=r"slurm.resources.blip2: .*memmory"):
        resources_of({"default": presets.default, "blip2": {"memmory": 3}}, "blip2")


def test_the_presets_of_a_multirun_are_those_of_its_largest_model() -> None:
    presets = OmegaConf.load(ROOT / "conf" / "slurm" / "paper.yaml").resources
    assert preset("paper", ["model=blip2,llava", "seed=0,1"], "memory") == presets.default.memory
    assert preset("paper", ["model=blip2"], "memory") == presets.blip2.memory
    assert preset("paper", ["seed=0"], "gres") == "gpu:8"


def test_jobs_keep_to_their_shares_and_a_failure_stops_no_other(tmp_path: Path, capsys) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os, signal, sys, time\n"
        "time.sleep(0.2)\n"
        "print(os.environ['CUDA_VISIBLE_DEVICES'], os.environ['OMP_NUM_THREADS'])\n"
        "if sys.argv[1] == 'killed': os.kill(os.getpid(), signal.SIGKILL)\n"
        "sys.exit(int(sys.argv[1]))\n"
    )
    wanted = ["0", "3", "killed", "0"]
    jobs = [
        LocalJob(
            f"job {number}", [[str(script), what], [str(script), "0"]], tmp_path / f"{number}.log", tmp_path / "out"
        )
        for number, what in enumerate(wanted)
    ]
    failed = run_jobs(jobs, [Share(3, ("a",)), Share(3, ("b",))], tmp_path, "job")
    assert sorted(failed) == [
        f"job 1: exit status 3 (see {tmp_path / '1.log'})",
        f"job 2: killed (SIGKILL), perhaps because memory ran out (see {tmp_path / '2.log'})",
    ]
    printed = [(tmp_path / f"{number}.log").read_text().splitlines() for number in range(4)]
    assert {line for lines in printed for line in lines} == {"a 3", "b 3"}
    assert [len(lines) for lines in printed] == [2, 1, 1, 2]  # a step that fails is the last
    shown = capsys.readouterr()
    assert "job 1: failed: exit status 3" in shown.out and "jobs: 100%" in shown.err and "failed=2" in shown.err


@pytest.fixture
def arguments(cache: Path, tmp_path: Path):
    """`arguments(overrides)`: of a sweep in a folder of its own."""

    def made(*overrides: str) -> list[str]:
        quoted = ",".join(f"'{override}'" for override in [*tiny_overrides(cache), *overrides])
        return ["name=mine", f"folder={tmp_path / 'sweep'}", f"paths.runs={tmp_path / 'runs'}", f"overrides=[{quoted}]"]

    return made


def test_a_manifest_has_a_line_for_each_cell_that_train_takes(arguments, tmp_path: Path) -> None:
    done = run("sweep.py", *arguments("tuning.max_steps=2"), "seeds=[0,1]")
    assert done.returncode == 0, done.stderr
    assert "24 cells, 0 done, 24 to start" in done.stdout
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
    ("override", "message"),
    [
        ("overrides=['tuning.nothing=1']", "cell 0"),
        ("overrides=['force=true']", "no place in a sweep"),
        ("launch=somewhere", "none, local, slurm, tables"),
        ("models=[blip3]", "blip3"),
        ("seeds=[]", "the grid is empty"),
        ("datasets=[ours,ours]", "are the same"),
        ("grid={tuning.nothing:[1]}", "cell 0"),
        ("grid={seed:3}", "each a list"),
        ("command=sweep", "command=sweep"),
        ("command=assessed", "command=assessed"),
        ("command=assess", "the grid is empty"),
    ],
)
def test_a_broken_grid_is_one_line(tmp_path: Path, override: str, message: str) -> None:
    done = run("sweep.py", f"folder={tmp_path}", override)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: ") and message in line
    assert not (tmp_path / "manifest.jsonl").exists()


def test_the_status_of_no_sweep_is_one_line(tmp_path: Path) -> None:
    done = run("status.py", f"folder={tmp_path / 'sweep'}")
    assert done.returncode == 1 and "python sweep.py name=... writes one" in done.stderr


def test_a_local_sweep_goes_on_after_a_failure_and_finishes_when_given_again(arguments, tmp_path: Path) -> None:
    command = ["sweep.py", "launch=local", *arguments("tuning.batch_size=4", "tuning.max_steps=2"), "models=[llava]"]
    command += ["datasets=[ours,[llava,'tuning.save_every=0']]"]
    done = run(*command)
    assert done.returncode == 1
    assert "1 of 2 cells failed: llava llava seed 0: tuning.save_every=0: it is" in done.stderr.splitlines()[-1]
    assert "cells: 100%" in done.stderr
    page = run("status.py", "name=mine", f"folder={tmp_path / 'sweep'}").stdout
    assert "2 cells: 1 done, 1 failed" in page and "failed: tuning.save_every=0: it is a whole number" in page
    folder = tmp_path / "runs/mini/llava/ours/seed0"
    assert list(folder.glob("evaluations/*-shuffled_images-*/result.json"))
    assert list((tmp_path / "sweep" / "tables").glob("table03.*")), done.stdout
    assert "not evaluated" not in page
    next(folder.glob("evaluations/*-shuffled_images-*/result.json")).unlink()
    page = run("status.py", "name=mine", f"folder={tmp_path / 'sweep'}").stdout
    assert "done but not evaluated: llava ours seed 0\n" in page
    before = (folder / "result.json").stat().st_mtime_ns
    assert "2 cells, 1 done, 1 to start" in run(*command).stdout
    assert list(folder.glob("evaluations/*-shuffled_images-*/result.json"))
    assert (folder / "result.json").stat().st_mtime_ns == before


def test_a_grid_of_another_command_is_run_and_finished_when_given_again(arguments, tmp_path: Path) -> None:
    command = ["sweep.py", "command=evaluate", "launch=local", "name=mine", f"folder={tmp_path / 'sweep'}"]
    command += [f"grid={{run:[{tmp_path / 'a'},{tmp_path / 'b'}]}}", "overrides=['mode=generation']"]
    done = run(*command)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    rows = [json.loads(line) for line in (tmp_path / "sweep" / "manifest.jsonl").read_text().splitlines()]
    assert [row["overrides"] for row in rows] == [[f"run={tmp_path / name}", "mode=generation"] for name in ("a", "b")]
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: 2 of 2 cells failed: evaluate run=")
    page = run("status.py", "name=mine", f"folder={tmp_path / 'sweep'}").stdout
    assert f"evaluate run={tmp_path / 'a'} failed" in page and "2 cells: 2 failed" in page
    outcome = tmp_path / "sweep" / "cells" / rows[0]["digest"][:16] / "outcome.json"
    assert json.loads(outcome.read_text())["error"] in last
    outcome.write_text('{"error": null}')
    again = run(*command)
    assert "2 cells, 1 done, 1 to start" in again.stdout
    assert "error: 1 of 1 cells failed" in again.stderr
    assert json.loads(outcome.read_text()) == {"error": None}
