"""The same seed gives the same run, killed or not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.conftest import ROOT, kill_in_training, tiny_overrides
from vlit.common.errors import InputError
from vlit.tuning.tune import load_trained

STEPS = 12


def command(cache: Path, runs: Path, *more: str) -> list[str]:
    return [
        sys.executable,
        "train.py",
        *tiny_overrides(cache),
        f"paths.runs={runs}",
        "model=openflamingo",
        "data=ours_qc",
        "tuning.batch_size=4",
        f"tuning.max_steps={STEPS}",
        "tuning.save_every=2",
        *more,
    ]


def outcome(runs: Path) -> tuple[list[tuple[int, float, float]], str]:
    folder = runs / "mini" / "openflamingo" / "ours_qc" / "seed0"
    steps = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [(row["step"], row["loss"], row["learning_rate"]) for row in steps], (
        folder / "predictions.jsonl"
    ).read_text()


@pytest.fixture(scope="module")
def undisturbed(cache: Path, tmp_path_factory: pytest.TempPathFactory):
    runs = tmp_path_factory.mktemp("undisturbed")
    subprocess.run(command(cache, runs), cwd=ROOT, check=True, capture_output=True)
    return outcome(runs)


def test_two_runs_with_one_seed_are_equal(undisturbed, cache: Path, tmp_path: Path) -> None:
    subprocess.run(command(cache, tmp_path), cwd=ROOT, check=True, capture_output=True)
    assert outcome(tmp_path) == undisturbed
    assert [step for step, _, _ in undisturbed[0]] == list(range(1, STEPS + 1))


def test_a_run_killed_in_training_ends_as_if_it_had_not_been(undisturbed, cache: Path, tmp_path: Path) -> None:
    metrics = tmp_path / "mini" / "openflamingo" / "ours_qc" / "seed0" / "metrics.jsonl"
    kill_in_training(command(cache, tmp_path), metrics, steps=5)
    subprocess.run(command(cache, tmp_path), cwd=ROOT, check=True, capture_output=True)
    assert outcome(tmp_path) == undisturbed


@pytest.mark.parametrize("harm", [b"", b'{"step": 1, "lo', b"\xff\xfe\n"], ids=["empty", "cut", "no text"])
def test_a_damaged_file_of_metrics_is_whole_again(undisturbed, cache: Path, tmp_path: Path, harm: bytes) -> None:
    metrics = tmp_path / "mini" / "openflamingo" / "ours_qc" / "seed0" / "metrics.jsonl"
    kill_in_training(command(cache, tmp_path), metrics, steps=5)
    metrics.write_bytes(harm)
    subprocess.run(command(cache, tmp_path), cwd=ROOT, check=True, capture_output=True)
    assert outcome(tmp_path) == undisturbed


def test_another_seed_is_another_run(undisturbed, cache: Path, tmp_path: Path) -> None:
    subprocess.run(command(cache, tmp_path, "seed=1"), cwd=ROOT, check=True, capture_output=True)
    metrics = tmp_path / "mini" / "openflamingo" / "ours_qc" / "seed1" / "metrics.jsonl"
    losses = [json.loads(line)["loss"] for line in metrics.read_text().splitlines()]
    assert losses != [loss for _, loss, _ in undisturbed[0]]


def test_a_run_killed_in_evaluation_only_evaluates(undisturbed, cache: Path, tmp_path: Path) -> None:
    subprocess.run(command(cache, tmp_path), cwd=ROOT, check=True, capture_output=True)
    folder = tmp_path / "mini" / "openflamingo" / "ours_qc" / "seed0"
    (folder / "metrics.jsonl").write_text("damaged")
    for name in ("result.json", "predictions.jsonl"):  # what a kill between training and the result leaves
        (folder / name).unlink()
    checkpoint = (folder / "checkpoints" / "last.ckpt").stat().st_mtime_ns
    subprocess.run(command(cache, tmp_path), cwd=ROOT, check=True, capture_output=True)
    assert outcome(tmp_path) == undisturbed
    assert (folder / "result.json").exists()
    assert (folder / "checkpoints" / "last.ckpt").stat().st_mtime_ns >= checkpoint


def checkpoint_of(model: torch.nn.Module, folder: Path, left_out: int) -> Path:
    trained = {f"model.{name}": one + 1 for name, one in model.named_parameters() if one.requires_grad}
    for name in sorted(trained)[:left_out]:
        del trained[name]
    torch.save({"state_dict": trained}, folder / "last.ckpt")
    return folder / "last.ckpt"


def test_the_trained_parameters_of_a_checkpoint_are_loaded(family, tmp_path: Path) -> None:
    _, model, _ = family("blip2")
    before = {name: one.detach().clone() for name, one in model.named_parameters()}
    load_trained(model, checkpoint_of(model, tmp_path, left_out=0))
    for name, one in model.named_parameters():
        torch.testing.assert_close(one.detach(), before[name] + 1 if one.requires_grad else before[name])


def test_a_checkpoint_of_another_freeze_policy_is_refused(family, tmp_path: Path) -> None:
    _, model, _ = family("blip2")
    with pytest.raises(InputError, match=r"2 differ, first model\..*force=true"):
        load_trained(model, checkpoint_of(model, tmp_path, left_out=2))


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_torn_checkpoint_is_passed_over_for_the_one_before(
    undisturbed, cache: Path, tmp_path: Path, damage: str
) -> None:
    folder = tmp_path / "mini" / "openflamingo" / "ours_qc" / "seed0"
    kill_in_training(command(cache, tmp_path), folder / "metrics.jsonl", 5)
    last, before = folder / "checkpoints" / "last.ckpt", folder / "checkpoints" / "before_last.ckpt"
    if not before.exists():
        before.write_bytes(last.read_bytes())
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 1
    last.write_bytes({"cut": content[:-5000], "flipped": content, "empty": b""}[damage])
    done = subprocess.run(command(cache, tmp_path), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert str(last) in done.stdout + done.stderr
    assert outcome(tmp_path) == undisturbed
    assert not before.exists()


def test_without_a_whole_checkpoint_the_run_says_so_in_one_line(cache: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mini" / "openflamingo" / "ours_qc" / "seed0"
    kill_in_training(command(cache, tmp_path), folder / "metrics.jsonl", 5)
    for path in (folder / "checkpoints").iterdir():
        path.write_bytes(path.read_bytes()[:-5000])
    done = subprocess.run(command(cache, tmp_path), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.strip().splitlines()[-1].endswith("with force=true the run starts again from the beginning")
