"""Multiruns (`-m`), logging without an account, and Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.conftest import ROOT, tiny_overrides


def test_a_multirun_with_wandb_offline_gives_the_runs_of_single_commands(cache: Path, tmp_path: Path) -> None:
    shared = ["model=llava", "data=ours_qc", *tiny_overrides(cache), "tuning.batch_size=4", "tuning.max_steps=2"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    environment |= {"HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}  # no account, no key

    def run(*mode: str) -> None:
        command = [sys.executable, "train.py", *mode, *shared]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr[-3000:]

    sweep = [f"hydra.sweep.dir={tmp_path / 'sweep'}"]
    run("-m", "seed=0,1", *sweep, "logger=wandb", f"paths.runs={tmp_path / 'swept'}")
    run("seed=1", f"paths.runs={tmp_path / 'single'}")
    folders = [tmp_path / "swept/mini/llava/ours_qc" / f"seed{seed}" for seed in (0, 1)]
    assert [json.loads((folder / "result.json").read_text())["seed"] for folder in folders] == [0, 1]
    assert all(list(folder.glob("wandb/offline-run-*/*.wandb")) for folder in folders)
    alone = tmp_path / "single/mini/llava/ours_qc/seed1/predictions.jsonl"
    assert (folders[1] / "predictions.jsonl").read_text() == alone.read_text()


def test_ctrl_c_prints_how_to_resume_and_leaves_no_result(cache: Path, tmp_path: Path) -> None:
    command = [
        sys.executable, "train.py", "model=llava", "data=ours_qc", *tiny_overrides(cache), f"paths.runs={tmp_path}",
        "tuning.batch_size=1", "tuning.epochs=50",
    ]  # fmt: skip
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    folder = tmp_path / "mini/llava/ours_qc/seed0"
    metrics = folder / "metrics.jsonl"
    deadline = time.monotonic() + 500
    while not (metrics.exists() and len(metrics.read_text().splitlines()) > 3):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130, errors[-2000:]
    assert errors.strip().splitlines()[-1] == "interrupted: the same command resumes from here"
    assert "Traceback" not in errors
    assert not (folder / "result.json").exists()


def test_a_multirun_has_one_bar_and_names_what_failed(cache: Path, tmp_path: Path) -> None:
    command = [
        sys.executable, "train.py", "-m", "model=llava", "data=ours_qc", *tiny_overrides(cache), "tuning.batch_size=4",
        "tuning.max_steps=2", "seed=-1,0", f"paths.runs={tmp_path}",
        f"hydra.sweep.dir={tmp_path / 'sweep'}",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("error: 1 of 2 jobs failed: seed=-1: seed=-1: it is")
    assert "runs: 100%" in done.stderr and "2/2" in done.stderr
    assert "questions" not in done.stderr and "Epoch" not in done.stderr  # the runs' own bars
    assert (tmp_path / "mini/llava/ours_qc/seed0/result.json").exists()
    assert "wrote" in (tmp_path / "sweep/1/job.log").read_text()
