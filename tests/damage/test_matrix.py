"""Every file that a run reads, damaged in every way: the run ends as if undisturbed, or in one line that names it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT, kill_in_training, tiny_overrides

RUN = "runs/mini/openflamingo/ours_qc/seed0"
TRAIN = ("train.py", "model=openflamingo", "data=ours_qc", "tuning.batch_size=4", "tuning.max_steps=8",
         "tuning.save_every=2")  # fmt: skip


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) * 3 // 5] ^= 1
    path.write_bytes(content)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def no_rights(path: Path) -> None:
    path.chmod(0)


HARMS: tuple[Callable[[Path], None], ...] = (cut, empty, flip, folder, no_rights)
CACHE = (  # read by a run that begins
    "world/world.json", "world/SHA256SUMS", "world/coco/train2014/COCO_train2014_000000000001.jpg",
    "world/coco/annotations/instances_train2014.json", "world/coco/annotations/captions_train2014.json",
    "world/coco/COCO_Text.json", "world/coco/cocottributes.json", "world/seed_bench/SEED-Bench.json",
    "world/seed_bench/SEED-Bench-image/*.jpg", "data/build.json", "data/SHA256SUMS", "data/ours/global.json",
    "data/ours/region_images.zip", "data/llava/llava_instruct_150k.json", "data/mimic_it/DC.json", "weights/.unpacked",
    "weights/SHA256SUMS", "weights/clip.safetensors", "weights/openflamingo.safetensors",
    "weights/opt/model.safetensors", "weights/opt/config.json", "weights/tokenizer/tokenizer.json",
    "quality/sizes.json", "quality/image_features.sqlite", "quality/ours/kept_ids.json",
    "quality/ours/*/MD-*/part-000000.parquet", "quality/ours/*/MD-*/key.txt",
)  # fmt: skip
KILLED = (  # read by a run that goes on
    "checkpoints/last.ckpt", "metrics.jsonl", "config.yaml", "provenance.json", "owner.json", "rejects.jsonl",
)  # fmt: skip
FINISHED = ("result.json", "predictions.jsonl", "checkpoints/last.ckpt", "config.yaml", "provenance.json")


@dataclass(frozen=True)
class Stage:
    """A folder with a cache and a run, and how the run ends where nothing is damaged."""

    folder: Path
    expected: tuple[str, list[float]]


def started(work: Path) -> list[str]:
    return [sys.executable, TRAIN[0], *tiny_overrides(work / "cache"), *TRAIN[1:], f"paths.runs={work / 'runs'}"]


def outcome(work: Path) -> tuple[str, list[float]]:
    losses = [json.loads(line)["loss"] for line in (work / RUN / "metrics.jsonl").read_text().splitlines()]
    return (work / RUN / "predictions.jsonl").read_text(), losses


@pytest.fixture(scope="module")
def finished(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    work = tmp_path_factory.mktemp("finished")
    shutil.copytree(cache, work / "cache")
    subprocess.run(started(work), cwd=ROOT, check=True, capture_output=True)
    return Stage(work, outcome(work))


@pytest.fixture(scope="module")
def killed(finished: Stage, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    work = tmp_path_factory.mktemp("killed")
    shutil.copytree(finished.folder / "cache", work / "cache")
    kill_in_training(started(work), work / RUN / "metrics.jsonl", 5)
    return Stage(work, finished.expected)


def check(stage: Stage, work: Path, command: list[str], damaged: Path) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
    if done.returncode == 0:
        assert outcome(work) == stage.expected, f"{damaged} changed the run in silence"
    else:
        assert done.returncode == 1
        last = done.stderr.strip().splitlines()[-1]
        assert last.startswith("error: ") and len(last) < 1000
        assert damaged.name in last or damaged.parent.name in last, last


def harmed(stage: Stage, work: Path, within: str, pattern: str, harm: Callable[[Path], None]) -> Path:
    if harm is no_rights and os.geteuid() == 0:
        pytest.skip("root may read everything")
    shutil.copytree(stage.folder, work, dirs_exist_ok=True)
    config = work / RUN / "config.yaml"
    config.write_text(config.read_text().replace(str(stage.folder), str(work)))
    path = min((work / within).glob(pattern))
    harm(path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.__name__)
@pytest.mark.parametrize("pattern", CACHE)
def test_of_the_cache(finished: Stage, tmp_path: Path, pattern: str, harm: Callable[[Path], None]) -> None:
    path = harmed(finished, tmp_path, "cache", pattern, harm)
    shutil.rmtree(tmp_path / "runs")
    check(finished, tmp_path, started(tmp_path), path)


@pytest.mark.slow
@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.__name__)
@pytest.mark.parametrize("name", KILLED)
def test_of_a_killed_run(killed: Stage, tmp_path: Path, name: str, harm: Callable[[Path], None]) -> None:
    path = harmed(killed, tmp_path, RUN, name, harm)
    check(killed, tmp_path, started(tmp_path), path)


@pytest.mark.slow
@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.__name__)
@pytest.mark.parametrize("name", FINISHED)
def test_of_a_finished_run_that_is_scored_again(
    finished: Stage, tmp_path: Path, name: str, harm: Callable[[Path], None]
) -> None:
    path = harmed(finished, tmp_path, RUN, name, harm)
    done = subprocess.run(
        [sys.executable, "evaluate.py", f"run={tmp_path / RUN}"], cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
    if done.returncode == 0:
        (scored,) = (tmp_path / RUN / "evaluations").glob("*/predictions.jsonl")
        assert scored.read_text() == finished.expected[0]
    else:
        last = done.stderr.strip().splitlines()[-1]
        assert last.startswith("error: ") and path.name in last, last
