"""Cases of old state and odd data by the commands themselves."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import FAMILIES, ROOT, kill_in_training, tiny_overrides
from vlit.common.files import read_json, read_jsonl

CASES = ROOT / "tests" / "cases"


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True)


def training(cache: Path, runs: Path, case: Path, model: str, *more: str) -> list[str]:
    return [
        "train.py", f"model={model}", "data=llava", *tiny_overrides(cache), f"data.annotations={case / 'data.json'}",
        f"data.images={case / 'images'}", "data_size=all", f"paths.runs={runs}", *more,
    ]  # fmt: skip


def test_a_run_that_began_with_other_data_is_refused_until_it_is_forced(cache: Path, tmp_path: Path) -> None:
    case = shutil.copytree(CASES / "train_resume_changed_data", tmp_path / "case")
    shutil.copy(case / "first.json", case / "data.json")
    more = ("tuning.epochs=30", "tuning.batch_size=3", "tuning.save_every=1", "seed=1")
    command = training(cache, tmp_path / "runs", case, "openflamingo", *more)
    folder = tmp_path / "runs/mini/openflamingo/llava/seed1"
    kill_in_training([sys.executable, *command], folder / "metrics.jsonl", steps=3)
    shutil.copy(case / "mended.json", case / "data.json")
    done = run(command)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "began with other data" in done.stderr and "force=true" in done.stderr
    assert not (folder / "result.json").exists()
    assert run([*command, "force=true"]).returncode == 0
    assert read_json(folder / "provenance.json")["resumed"] == []


@pytest.mark.parametrize("model", FAMILIES)
def test_batches_of_text_alone_train(cache: Path, tmp_path: Path, model: str) -> None:
    case = CASES / "train_text_only_batch"
    done = run(training(cache, tmp_path, case, model, "tuning.max_steps=4", "tuning.batch_size=4"))
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(read_jsonl(tmp_path / f"mini/{model}/llava/seed0/metrics.jsonl")) == 4


def test_answers_to_an_older_file_are_not_taken_for_those_to_the_new_one(cache: Path, tmp_path: Path) -> None:
    case = shutil.copytree(CASES / "bench_stale_answers", tmp_path / "case")
    trained = CASES / "train_no_id"
    assert run(training(cache, tmp_path / "runs", trained, "blip2", "tuning.max_steps=1")).returncode == 0
    folder = tmp_path / "runs/mini/blip2/llava/seed0"
    command = ["evaluate.py", f"run={folder}", f"benchmark={case / 'mine.json'}", f"images={case / 'images'}"]
    shutil.copy(case / "first.json", case / "mine.json")
    assert run(command).returncode == 0  # the question on a broken picture is a reject
    (first,) = (folder / "evaluations").iterdir()
    assert [row["reason"] for row in read_jsonl(first / "rejects.jsonl") if "reason" in row] == ["unreadable image"]
    shutil.copy(case / "images" / "38.jpg", case / "images" / "39.jpg")
    shutil.copy(case / "mended.json", case / "mine.json")
    assert run(command).returncode == 0
    second = next(one for one in (folder / "evaluations").iterdir() if one != first)
    rows = read_jsonl(second / "predictions.jsonl")
    assert len(rows) == 40 and {row["answer"] for row in rows} == {"A"}
    accuracy = read_json(second / "result.json")["accuracy"]["Overall"]
    assert accuracy == pytest.approx(100 * sum(row["prediction"] == "A" for row in rows) / 40)
