"""What a sweep on SLURM does with a cell that fails, a time limit, a second start, bad options, ranks and submitit."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, tiny_overrides
from tests.slurm.cluster import Cluster
from tests.slurm.conftest import PATIENCE, Sweep

pytestmark = pytest.mark.slurm

ONE = ["models=[llava]", "datasets=[ours]", "control=null", "tables=false"]


def test_a_failing_cell_stops_no_other_and_its_reason_is_on_the_status_page(sweep) -> None:
    grid: Sweep = sweep(
        "failing", ["tuning.max_steps=2"], "models=[llava]", "datasets=[llava,[ours,'tuning.save_every=0']]"
    )
    started = grid.start().stdout
    assert "2 cells, 0 done, 2 to start" in started and "builds the tables" in started
    again = grid.start().stdout
    assert "2 cells, 0 done, 0 to start" in again  # what waits is not submitted a second time
    grid.wait()
    page = grid.status()
    assert "2 cells: 1 done, 1 failed" in page
    assert re.search(r"llava ours seed 0 failed: tuning.save_every=0: it is a whole number.*\(SLURM job \d+_1\)", page)
    good, bad = (Path(cell["run_folder"]) for cell in grid.cells())
    assert list(good.glob("evaluations/*-shuffled_images-*/result.json"))  # its evaluation waited for it alone
    assert not (bad / "evaluations").exists()
    assert list((grid.folder / "tables").glob("*.csv")), grid.log("tables.log")
    assert "finish it with\n  python sweep.py launch=slurm" in page


def test_before_the_time_limit_a_run_is_checkpointed_and_requeued(sweep, cluster: Cluster) -> None:
    steps = 150
    overrides = ["tuning.save_every=10000", f"tuning.max_steps={steps}", "tuning.epochs=100"]
    alone: Sweep = sweep("unwarned", overrides, *ONE)
    alone.start()
    warned: Sweep = sweep("warned", overrides, *ONE)
    warned.start()
    ((job, _),) = warned.tasks().values()
    metrics = Path(warned.cells()[0]["run_folder"], "metrics.jsonl")
    for seen in (3, 20):  # the very signal of --signal, to the steps and not to the batch script, twice
        Cluster.until(lambda: metrics.exists() and len(metrics.read_text().splitlines()) >= seen, PATIENCE, 0.05)  # noqa: B023
        cluster.run("scancel", "--signal=USR1", job)
        Cluster.until(lambda: cluster.show(job)["Restarts"] == str(1 if seen == 3 else 2), PATIENCE)  # noqa: B023
    warned.wait()
    alone.wait()
    assert warned.outcome() == alone.outcome()
    assert warned.log("train-0.log").count("asking SLURM to requeue") == 2
    assert warned.log("train-0.log").count("resumed from") == 2
    provenance = json.loads(metrics.with_name("provenance.json").read_text())
    assert len(provenance["resumed"]) == 2


def test_slurm_itself_warns_before_the_time_limit(sweep, cluster: Cluster) -> None:
    endless = ["tuning.save_every=100000", "tuning.epochs=100000", "tuning.max_steps=100000"]
    grid: Sweep = sweep("limit", endless, *ONE, "slurm.resources.default.minutes=3", "slurm.warning=60")
    grid.start()
    ((job, _),) = grid.tasks().values()
    Cluster.until(lambda: cluster.show(job)["Restarts"] != "0", 400)
    folder = Path(grid.cells()[0]["run_folder"])
    assert (folder / "checkpoints" / "last.ckpt").exists()
    assert "asking SLURM to requeue" in grid.log("train-0.log")
    cluster.run("scancel", job)
    grid.wait()
    assert "1 missing" in grid.status()


@pytest.mark.parametrize(
    ("option", "message"),
    [("slurm.partition=nowhere", "there is debug"), ("slurm.resources.default.gres=gpu:9", "slurm.resources")],
)
def test_what_slurm_refuses_is_one_line(sweep, option: str, message: str) -> None:
    done = sweep("refused", [], *ONE, option).start(check=False)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: SLURM takes no such job (") and message in line


def test_two_ranks_of_one_job_train_as_one_run(sweep) -> None:
    ranks = ["trainer.devices=2", "trainer.strategy=ddp", "tuning.max_steps=3"]
    grid: Sweep = sweep("ranks", ranks, *ONE)
    grid.start()
    grid.wait()
    ((_, predictions, steps),) = grid.outcome().values()
    assert [step for step, _, _ in steps] == [1, 2, 3]
    assert len(predictions.splitlines()) == 36
    provenance = json.loads(Path(grid.cells()[0]["run_folder"], "provenance.json").read_text())
    assert provenance["resumed"] == [] and provenance["end"] is not None


def test_hydras_submitit_launcher_runs_a_sweep(cluster: Cluster, cache: Path, tmp_path: Path) -> None:
    cluster.run(
        sys.executable, "train.py", "-m", "model=llava", "data=ours", "seed=0,1", *tiny_overrides(cache),
        "tuning.batch_size=4", "tuning.max_steps=2", f"paths.runs={tmp_path / 'runs'}", "hydra/launcher=submitit_slurm",
        "hydra.launcher.gres=gpu:8", f"hydra.sweep.dir={tmp_path / 'sweep'}", cwd=ROOT, timeout=PATIENCE,
    )  # fmt: skip
    folders = [tmp_path / "runs/mini/llava/ours" / f"seed{seed}" for seed in (0, 1)]
    assert [json.loads((folder / "result.json").read_text())["seed"] for folder in folders] == [0, 1]


def test_an_array_of_another_command_leaves_how_it_ended(cluster: Cluster, cache: Path, tmp_path: Path) -> None:
    run = tmp_path / "runs/mini/llava/ours/seed0"
    train = [sys.executable, "train.py", "model=llava", "data=ours", *tiny_overrides(cache), "tuning.max_steps=2"]
    cluster.run(*train, "tuning.batch_size=4", f"paths.runs={tmp_path / 'runs'}", cwd=ROOT)
    arguments = ["launch=slurm", "command=evaluate", f"grid={{run:[{run},{tmp_path / 'none'}]}}"]
    grid = Sweep(cluster, "scoring", tmp_path / "sweep", ["name=scoring", f"folder={tmp_path / 'sweep'}", *arguments])
    assert "2 cells of evaluate" in grid.start().stdout
    grid.wait()
    page = grid.status()
    assert "2 cells: 1 done, 1 failed" in page
    assert re.search(rf"evaluate run={tmp_path / 'none'} failed: \S+", page)
    assert list(run.glob("evaluations/*/result.json"))
    assert "2 cells, 1 done, 1 to start" in grid.start().stdout
    grid.wait()
