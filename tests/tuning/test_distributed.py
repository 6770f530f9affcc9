"""Two processes over gloo are one process with the same global batch: losses, scores, and every question once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import FAMILIES, ROOT, kill_in_training, tiny_overrides
from vlit.common.files import read_jsonl

STEPS = 3


def command(cache: Path, runs: Path, model: str, *more: str) -> list[str]:
    return [
        sys.executable, "train.py", *tiny_overrides(cache), f"paths.runs={runs}", f"model={model}", "data=llava",
        f"tuning.max_steps={STEPS}", "+tuning.global_batch=8", *more,
    ]  # fmt: skip


def outcome(cache: Path, runs: Path, model: str, *more: str) -> tuple[list[dict], list[dict]]:
    done = subprocess.run(command(cache, runs, model, *more), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    folder = runs / "mini" / model / "llava" / "seed0"
    assert json.loads((folder / "result.json").read_text())["counts"]["Overall"] == 36
    return read_jsonl(folder / "metrics.jsonl"), read_jsonl(folder / "predictions.jsonl")


@pytest.mark.slow
@pytest.mark.parametrize("model", FAMILIES)
def test_two_processes_equal_one(cache: Path, tmp_path: Path, model: str) -> None:
    one = outcome(cache, tmp_path / "one", model, "tuning.batch_size=8")
    two = outcome(cache, tmp_path / "two", model, "tuning.batch_size=4", "trainer.devices=2", "trainer.strategy=ddp")
    assert [row["step"] for row in two[0]] == list(range(1, STEPS + 1))
    assert [row["loss"] for row in two[0]] == pytest.approx([row["loss"] for row in one[0]], rel=1e-4)
    assert [row["question_id"] for row in two[1]] == [row["question_id"] for row in one[1]]  # none twice, none lost
    for ours, expected in zip(two[1], one[1], strict=True):
        assert ours["mean"] == pytest.approx(expected["mean"], rel=1e-3, abs=1e-3)


SHARDED = (
    "trainer.devices=2",
    "trainer.strategy={_target_:lightning.pytorch.strategies.ModelParallelStrategy,data_parallel_size:2,"
    "tensor_parallel_size:1,save_distributed_checkpoint:false,process_group_backend:gloo}",
)


@pytest.mark.slow
@pytest.mark.parametrize("model", FAMILIES)
def test_two_sharded_processes_equal_one(cache: Path, tmp_path: Path, model: str) -> None:
    recompute = f"model.build.gradient_checkpointing={str(model != 'openflamingo').lower()}"
    one = outcome(cache, tmp_path / "one", model, "tuning.batch_size=8")
    two = outcome(cache, tmp_path / "two", model, "tuning.batch_size=4", recompute, *SHARDED)
    assert [row["step"] for row in two[0]] == list(range(1, STEPS + 1))
    assert [row["loss"] for row in two[0]] == pytest.approx([row["loss"] for row in one[0]], rel=1e-4)
    assert [row["question_id"] for row in two[1]] == [row["question_id"] for row in one[1]]
    for ours, expected in zip(two[1], one[1], strict=True):
        assert ours["mean"] == pytest.approx(expected["mean"], rel=1e-3, abs=1e-3)


@pytest.mark.slow
def test_a_sharded_run_that_was_killed_ends_as_if_it_had_not_been(cache: Path, tmp_path: Path) -> None:
    more = ("tuning.batch_size=4", "tuning.max_steps=6", "tuning.save_every=2", *SHARDED)
    expected = outcome(cache, tmp_path / "whole", "llava", *more)
    metrics = tmp_path / "cut" / "mini" / "llava" / "llava" / "seed0" / "metrics.jsonl"
    kill_in_training(command(cache, tmp_path / "cut", "llava", *more), metrics, steps=4)
    steps, predictions = outcome(cache, tmp_path / "cut", "llava", *more)
    assert [row["step"] for row in steps] == list(range(1, 7))
    assert [row["loss"] for row in steps] == [row["loss"] for row in expected[0]]
    assert predictions == expected[1]


@pytest.mark.slow
def test_two_processes_with_another_global_batch_are_refused(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="global_batch=8"):
        outcome(cache, tmp_path, "blip2", "tuning.batch_size=8", "trainer.devices=2", "trainer.strategy=ddp")


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["copies", "sharded"])
@pytest.mark.parametrize("model", FAMILIES)
def test_a_process_that_has_text_alone_trains_too(cache: Path, tmp_path: Path, model: str, layout: str) -> None:
    picture = sorted((cache / "world" / "coco" / "train2014").iterdir())[0].name
    turns = [{"from": "human", "value": "What color is the sky?"}, {"from": "gpt", "value": "Blue, most of the time."}]
    rows = [{"conversations": turns} for _ in range(5)]
    rows.append({"image": picture, "conversations": turns})  # every step has one sample of text alone, most have two
    (tmp_path / "data.json").write_text(json.dumps(rows))
    mine = (f"data.annotations={tmp_path / 'data.json'}", "data_size=all", "tuning.global_batch=2")
    two = ("trainer.devices=2", "trainer.strategy=ddp") if layout == "copies" else SHARDED
    one = outcome(cache, tmp_path / "one", model, *mine, "tuning.batch_size=2")
    both = outcome(cache, tmp_path / "two", model, *mine, "tuning.batch_size=1", *two)
    assert [row["loss"] for row in both[0]] == pytest.approx([row["loss"] for row in one[0]], rel=1e-4)
    for ours, expected in zip(both[1], one[1], strict=True):
        assert ours["mean"] == pytest.approx(expected["mean"], rel=1e-3, abs=1e-3)
