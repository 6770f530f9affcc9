"""The paper's grid as an array with eight GPUs a job: undisturbed, and with everything that goes wrong on a cluster."""

from __future__ import annotations

import itertools
import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster
from tests.slurm.conftest import PATIENCE, Sweep

pytestmark = pytest.mark.slurm

STEPS = 6
RUNS = ["tuning.save_every=2", f"tuning.max_steps={STEPS}"]
ARGUMENTS = ["control=null", "tables=false", "slurm.resources.default.gres=gpu:8"]
CELLS = 12
TIMES = 2  # each kind of disturbance
SEED = 20240817


@pytest.fixture(scope="module")
def undisturbed(sweep) -> Sweep:
    made: Sweep = sweep("undisturbed", RUNS, *ARGUMENTS)
    made.start()
    made.wait()
    return made


def test_twelve_cells_with_eight_gpus_each_complete(undisturbed: Sweep, cluster: Cluster) -> None:
    outcome = undisturbed.outcome()
    assert len(outcome) == CELLS
    assert all([step for step, _, _ in steps] == list(range(1, STEPS + 1)) for _, _, steps in outcome.values())
    assert f"{CELLS} cells: {CELLS} done" in undisturbed.status()
    completed = (cluster.folder / "log" / "completed").read_text().splitlines()
    lines = [line for line in completed if "Name=vlit-undisturbed " in line]
    assert len(lines) == CELLS and all("JobState=COMPLETED" in line for line in lines)
    tasks = [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in lines]
    names = {f"{task['ArrayJobId']}_{task['ArrayTaskId']}" for task in tasks}  # a bare number means the whole array
    assert len(names) == CELLS and all("gpu:8" in cluster.show(name)["TresPerNode"] for name in names)
    times = sorted((task["StartTime"], task["EndTime"]) for task in tasks)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(times))  # eight GPUs are all there are


def test_a_sweep_that_is_done_starts_nothing(undisturbed: Sweep) -> None:
    assert f"{CELLS} cells, {CELLS} done, 0 to start" in undisturbed.start().stdout
    assert not undisturbed.tasks()


def disturb(sweep: Sweep, chance: random.Random, done: dict[str, int], what: str) -> None:
    running = [(index, job) for index, (job, state) in sweep.tasks().items() if state == "RUNNING"]
    if not running:
        return
    index, job = chance.choice(running)
    if what == "scancel":
        sweep.cluster.run("scancel", job, check=False)
    elif what == "requeue":
        sweep.cluster.run("scontrol", "requeue", job, check=False)
    elif what == "SIGKILL":
        folder = next(cell["run_folder"] for cell in sweep.cells() if cell["index"] == index)
        processes = [entry for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        pids = [int(entry.name) for entry in processes if belongs(entry, folder, job)]
        if not pids:
            return
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
    else:
        sweep.cluster.stop_controller()
        time.sleep(2)
        sweep.cluster.start_controller()
    done[what] = done.get(what, 0) + 1


def belongs(process: Path, folder: str, job: str) -> bool:
    """Whether a process is the training of this job: only those of our own are killed."""
    try:
        command, environment = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
    except OSError:
        return False
    array, _, task = job.partition("_")
    marks = {f"SLURM_ARRAY_JOB_ID={array}".encode(), f"SLURM_ARRAY_TASK_ID={task}".encode()}
    ours = folder.encode().rpartition(b"/mini/")[0]
    return b"train.py" in command and ours in command and marks <= set(environment.split(b"\0"))


def test_cancelled_requeued_killed_and_without_controller_it_ends_the_same(undisturbed: Sweep, sweep) -> None:
    disturbed: Sweep = sweep("disturbed", RUNS, *ARGUMENTS)
    disturbed.start()
    chance, done, results = random.Random(SEED), {}, {}
    deadline = time.monotonic() + PATIENCE
    plan = ["requeue", "SIGKILL", "slurmctld", "scancel"] * TIMES
    chance.shuffle(plan)
    files = [Path(cell["run_folder"], "result.json") for cell in disturbed.cells()]
    while disturbed.tasks() or not all(file.exists() for file in files):
        assert time.monotonic() < deadline, disturbed.status()
        for file in files:
            if file.exists():
                results.setdefault(file, file.stat().st_mtime_ns)
        if not disturbed.tasks():
            disturbed.finish()
        elif plan:
            before = dict(done)
            disturb(disturbed, chance, done, plan[0])
            if done != before:
                plan.pop(0)
        time.sleep(chance.uniform(1, 8))
    assert not plan and set(done) == {"requeue", "SIGKILL", "slurmctld", "scancel"}, done
    assert disturbed.outcome() == undisturbed.outcome()
    now = {file: file.stat().st_mtime_ns for file in files}
    assert {file: now[file] for file in results} == results  # none was done twice
    assert f"{CELLS} cells: {CELLS} done" in disturbed.status()
