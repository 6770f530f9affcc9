"""`train.py` as a user runs it: all combinations, bad input, and runs that are done."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import DATASETS, FAMILIES, ROOT, tiny_overrides

COLUMNS = {"Overall", "SU", "II", "IL", "IA", "IC", "SR", "IIR", "VR", "TR"}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True)


@pytest.fixture(scope="module")
def grid(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All 12 combinations at two steps each, as one sweep."""
    runs = tmp_path_factory.mktemp("grid")
    done = run(
        "train.py", "-m", f"model={','.join(FAMILIES)}", f"data={','.join(DATASETS)}", *tiny_overrides(cache),
        f"paths.runs={runs}", "tuning.batch_size=4", "tuning.max_steps=2",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return runs


@pytest.mark.parametrize("model", FAMILIES)
@pytest.mark.parametrize("data", DATASETS)
def test_every_combination_runs_to_a_result(grid: Path, model: str, data: str) -> None:
    folder = grid / "mini" / model / data / "seed0"
    result = json.loads((folder / "result.json").read_text())
    assert (result["model"], result["data"], result["scale"], result["seed"]) == (model, data, "mini", 0)
    assert result["scoring"] == "ranking_mean"
    assert set(result["accuracy"]) == set(result["counts"]) == set(result["interval95"]) == COLUMNS
    assert result["counts"]["Overall"] == 36
    predictions = [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]
    right = sum(row["prediction"] == row["answer"] for row in predictions)
    assert result["accuracy"]["Overall"] == pytest.approx(100 * right / 36)
    assert all(len(row["sum"]) == len(row["mean"]) == 4 for row in predictions)
    for name in ("config.yaml", "provenance.json", "metrics.jsonl", "rejects.jsonl", "checkpoints/last.ckpt"):
        assert (folder / name).is_file(), name


def test_the_compared_datasets_are_brought_to_the_size_of_the_smallest(grid: Path, compose) -> None:
    from vlit.data.sample import Rejects
    from vlit.tuning.samples import run_samples

    sizes = {data: len(run_samples(compose(f"data={data}"), Rejects()).samples) for data in DATASETS}
    assert len(set(sizes.values())) == 1
    assert sizes["ours_qc"] < 60


def test_a_done_run_says_so_and_is_left_alone(grid: Path, cache: Path) -> None:
    result = grid / "mini" / "blip2" / "ours_qc" / "seed0" / "result.json"
    before = result.stat().st_mtime_ns
    again = run(
        "train.py", "model=blip2", "data=ours_qc", *tiny_overrides(cache), f"paths.runs={grid}",
        "tuning.batch_size=4", "tuning.max_steps=2",
    )  # fmt: skip
    assert again.returncode == 0
    assert "done already" in again.stdout
    assert result.stat().st_mtime_ns == before


def test_a_finished_run_is_scored_blind(grid: Path) -> None:
    folder = grid / "mini" / "blip2" / "ours" / "seed0"
    before = (folder / "result.json").read_bytes()
    done = run("evaluate.py", f"run={folder}", "control=shuffled_images")
    assert done.returncode == 0, done.stderr
    (written,) = folder.glob("evaluations/SEED-Bench-ranking_mean-shuffled_images-*/result.json")
    blind = json.loads(written.read_text())
    assert blind["control"] == "shuffled_images"
    assert blind["counts"]["Overall"] == 36
    assert (folder / "result.json").read_bytes() == before


def test_scoring_a_run_again_gives_its_own_predictions(grid: Path) -> None:
    folder = grid / "mini" / "llava" / "ours" / "seed0"
    done = run("evaluate.py", f"run={folder}")
    assert done.returncode == 0, done.stderr
    (again,) = (
        found
        for found in folder.glob("evaluations/SEED-Bench-ranking_mean-*/predictions.jsonl")
        if "shuffled" not in str(found)
    )
    assert again.read_text() == (folder / "predictions.jsonl").read_text()


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("model=blip3", "model/blip3"),
        ("data.annotatons=x", "annotatons"),
        ("sed=1", "sed"),
        ("tuning.epochs=many", "many"),
    ],
)
def test_a_broken_option_is_one_line_and_a_failure(override: str, says: str) -> None:
    done = run("train.py", override)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert done.stderr.startswith("error: ")
    assert says in done.stderr


def bad_annotations(tmp_path: Path, kind: str) -> Path:
    file = tmp_path / "mine.json"
    if kind == "truncated":
        file.write_text('[{"id": "1", "image": "a.jpg", "conversations": [{"from": "hum')
    elif kind == "empty":
        file.write_text("[]")
    return file


@pytest.mark.parametrize(
    ("kind", "says"), [("absent", "1 file is missing"), ("truncated", "not valid JSON"), ("empty", "no usable sample")]
)
def test_bad_data_is_one_line_and_leaves_no_result(cache: Path, tmp_path: Path, kind: str, says: str) -> None:
    file = bad_annotations(tmp_path, kind)
    done = run(
        "train.py", "model=llava", "data=llava", *tiny_overrides(cache), f"paths.runs={tmp_path / 'runs'}",
        f"data.annotations={file}", f"data.images={tmp_path}",
    )  # fmt: skip
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert says in errors[0]
    assert str(file) in errors[0]
    assert not list((tmp_path / "runs").rglob("result.json"))


def test_a_users_own_file_is_tuned_on_and_its_bad_samples_are_counted(cache: Path, tmp_path: Path) -> None:
    images = cache / "world" / "coco" / "train2014"
    names = sorted(path.name for path in images.iterdir())[:10]
    (tmp_path / "images").mkdir()
    for name in names:
        (tmp_path / "images" / name).write_bytes((images / name).read_bytes())
    (tmp_path / "images" / names[3]).write_bytes(b"not a picture")
    turns = [{"from": "human", "value": "<image>\nWhat is it?"}, {"from": "gpt", "value": "A picture."}]
    entries = [{"id": name, "image": name, "conversations": turns} for name in names]
    entries[5]["image"] = "gone.jpg"
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(entries))
    done = run(
        "train.py", "model=llava", "data=llava", *tiny_overrides(cache), f"paths.runs={tmp_path / 'runs'}",
        f"data.annotations={file}", f"data.images={tmp_path / 'images'}", "data_size=all", "tuning.batch_size=4",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    folder = tmp_path / "runs/mini/llava/llava/seed0"
    count, *rejects = [json.loads(line) for line in (folder / "rejects.jsonl").read_text().splitlines()]
    assert (count["rows"], count["kept"], count["rejected"]) == (10, 8, 2)
    assert sorted(row["sample_id"] for row in rejects) == ["llava/000003", "llava/000005"]
    assert len({row["reason"] for row in rejects}) == 2
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 2  # 8 samples in batches of 4


def test_missing_weights_at_paper_scale_are_named_with_their_source(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text(
        json.dumps(
            [{"id": "1", "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello."}]}]
        )
    )
    done = run(
        "train.py", "scale=paper", "model=llava", "data=llava", "trainer=mini", f"paths.runs={tmp_path / 'runs'}",
        f"data.annotations={file}", "data_size=all",
    )  # fmt: skip
    assert done.returncode == 1
    assert "huggingface.co/openai/clip-vit-large-patch14" in done.stderr


@pytest.mark.parametrize("script", ["train.py", "evaluate.py"])
def test_help_does_not_wait_for_torch(script: str) -> None:
    code = (
        "import sys, runpy; sys.argv = [sys.argv[1], '--help']\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit: pass\n"
        "assert 'torch' not in sys.modules"
    )
    done = run("-c", code, script)
    assert done.returncode == 0, done.stderr


def test_the_untuned_model_is_a_run_of_its_own(cache: Path, tmp_path: Path) -> None:
    done = run("train.py", "model=blip2", "data=none", *tiny_overrides(cache), f"paths.runs={tmp_path}")
    assert done.returncode == 0, done.stderr[-2000:]
    folder = tmp_path / "mini/blip2/none/seed0"
    result, provenance = (json.loads((folder / name).read_text()) for name in ("result.json", "provenance.json"))
    assert result["data"] == provenance["data_fingerprint"] == "none"
    assert not (folder / "checkpoints").exists() and not (folder / "metrics.jsonl").exists()
    assert "Overall by score: mean " in done.stdout
    again = run("evaluate.py", f"run={folder}", "normalisation=without_image")
    assert again.returncode == 0, again.stderr[-2000:]
    (written,) = folder.glob("evaluations/SEED-Bench-ranking_without_image-*/predictions.jsonl")
    rows = [
        [json.loads(line) for line in path.read_text().splitlines()] for path in (folder / "predictions.jsonl", written)
    ]
    assert [row["sum"] for row in rows[0]] == [row["sum"] for row in rows[1]]  # nothing was tuned
