"""What a command says at its end is true: status, message, and what is left running and on disk."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.conftest import ROOT, tiny_overrides
from vlit.common.errors import InputError
from vlit.evaluation.evaluate import Evaluation
from vlit.evaluation.seed_bench import Question, shuffled_images
from vlit.runs.folder import RunFolder

RUN = "mini/blip2/ours/seed0"


def train(cache: Path, runs: Path, *more: str) -> list[str]:
    return [
        sys.executable, "train.py", "model=blip2", "data=ours", *tiny_overrides(cache), f"paths.runs={runs}",
        "tuning.batch_size=4", "tuning.max_steps=12", "tuning.save_every=2", *more,
    ]  # fmt: skip


def wait_for(condition, process: subprocess.Popen | None = None, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process is None or process.poll() is None, "it ended too early"
        assert time.monotonic() < deadline
        time.sleep(0.02)


def lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


def outcome(folder: Path) -> tuple[str, list[float]]:
    steps = [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return (folder / "predictions.jsonl").read_text(), steps


@pytest.fixture(scope="module")
def undisturbed(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("undisturbed")
    done = subprocess.run(train(cache, runs), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return runs / RUN


def test_sigterm_in_training_is_status_143_with_a_line_and_the_run_resumes(
    undisturbed: Path, cache: Path, tmp_path: Path
) -> None:
    folder = tmp_path / RUN
    process = subprocess.Popen(
        train(cache, tmp_path), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: lines(folder / "metrics.jsonl") >= 3, process)
    process.terminate()
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 143, errors[-2000:]
    assert errors.strip().splitlines()[-1] == "ended by SIGTERM: the same command resumes from here"
    assert "Traceback" not in errors
    assert not (folder / "result.json").exists() and not (folder / "failure.json").exists()
    subprocess.run(train(cache, tmp_path), cwd=ROOT, check=True, capture_output=True)
    assert outcome(folder) == outcome(undisturbed)


def test_tables_ended_by_sigterm_leave_no_process(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "tables.py", f"output={tmp_path / 'tables'}"], cwd=ROOT, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip

    def members() -> list[int]:
        found = subprocess.run(["ps", "-o", "pid=,stat=", "-g", str(process.pid)], capture_output=True, text=True)
        rows = [row.split() for row in found.stdout.splitlines()]
        return [int(pid) for pid, state in rows if not state.startswith("Z")]

    wait_for(lambda: len(members()) > 1, process)
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 143
    wait_for(lambda: not members(), seconds=10)


def test_jobs_of_a_sweep_that_is_killed_end_with_it(cache: Path, tmp_path: Path) -> None:
    sweep = [
        sys.executable, "train.py", "-m", "model=llava", "data=ours_qc", *tiny_overrides(cache),
        f"paths.runs={tmp_path}", "tuning.batch_size=1", "tuning.epochs=50", f"hydra.sweep.dir={tmp_path / 'sweep'}",
    ]  # fmt: skip
    process = subprocess.Popen(sweep, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    folder = tmp_path / "mini/llava/ours_qc/seed0"
    wait_for(lambda: lines(folder / "metrics.jsonl") >= 1, process)
    job = json.loads((folder / "owner.json").read_text())["pid"]
    process.kill()
    process.wait()
    wait_for(lambda: not Path(f"/proc/{job}").exists() or "\tZ" in Path(f"/proc/{job}/status").read_text(), seconds=30)
    assert not (folder / "result.json").exists()


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '{"accuracy": {}}', '{"accuracy": 3, "counts": {"Overall": 1}}', '{"counts": {}}', "\x00"],
)
def test_a_result_that_is_not_whole_is_not_done(undisturbed: Path, content: str) -> None:
    folder, own = RunFolder(undisturbed), (undisturbed / "result.json").read_text()
    try:
        folder.result.write_text(content)
        assert not folder.done
        with pytest.raises(InputError, match=r"scores the run again|scores again"):
            folder.begin(folder.config.read_text(), force=False)
    finally:
        folder.result.write_text(own)
    assert folder.done and folder.fault(verify=True) is None


@pytest.mark.parametrize("damage", ["a line less", "another answer", "no file"])
def test_a_result_matches_its_predictions(undisturbed: Path, damage: str) -> None:
    folder, own = RunFolder(undisturbed), (undisturbed / "predictions.jsonl").read_text()
    rows = own.splitlines(keepends=True)
    try:
        if damage == "no file":
            folder.predictions.unlink()
        elif damage == "a line less":
            folder.predictions.write_text("".join(rows[:-1]))
        else:
            row = json.loads(rows[0])
            row["prediction"] = "B" if row["prediction"] == row["answer"] == "A" else row["answer"]
            if row["prediction"] == json.loads(rows[0])["prediction"]:
                row["prediction"] = "A" if row["answer"] != "A" else "B"
            folder.predictions.write_text("".join([json.dumps(row) + "\n", *rows[1:]]))
        assert folder.done and folder.fault(verify=True) is not None
    finally:
        folder.predictions.write_text(own)


def test_a_result_of_another_run_is_scored_again_once_it_is_removed(
    undisturbed: Path, cache: Path, tmp_path: Path
) -> None:
    runs = undisturbed.parents[3]
    own = (undisturbed / "result.json").read_text()
    (undisturbed / "result.json").write_text(own[: len(own) // 2])
    refused = subprocess.run(train(cache, runs), cwd=ROOT, capture_output=True, text=True, check=False)
    assert refused.returncode == 1 and refused.stderr.startswith("error: ") and refused.stderr.count("\n") == 1
    (undisturbed / "result.json").unlink()
    before = outcome(undisturbed)
    subprocess.run(train(cache, runs), cwd=ROOT, check=True, capture_output=True)
    assert outcome(undisturbed) == before
    assert json.loads((undisturbed / "result.json").read_text())["accuracy"] == json.loads(own)["accuracy"]


def test_force_never_empties_a_folder_that_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years")
    with pytest.raises(InputError, match="no folder of a run"):
        RunFolder(tmp_path).begin("seed: 0\n", force=True)
    assert (tmp_path / "thesis.tex").read_text() == "years"


def test_force_with_a_typo_keeps_the_finished_run(undisturbed: Path, cache: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in undisturbed.iterdir() if path.name != "owner.json"}
    for typo in ("data.annotations=/no/such/folder", "tuning.precision=16-mixed", "data.images=/no/such/folder"):
        refused = subprocess.run(
            train(cache, undisturbed.parents[3], "force=true", typo), cwd=ROOT, capture_output=True, text=True
        )
        assert refused.returncode == 1, refused.stderr
        after = {path.name: path.stat().st_mtime_ns for path in undisturbed.iterdir() if path.name != "owner.json"}
        assert after == before


def test_force_starts_again_and_leaves_nothing_of_the_earlier_run(undisturbed: Path, cache: Path) -> None:
    before = outcome(undisturbed)
    (undisturbed / "note.txt").write_text("of the earlier run")
    subprocess.run(train(cache, undisturbed.parents[3], "force=true"), cwd=ROOT, check=True, capture_output=True)
    assert outcome(undisturbed) == before
    assert not (undisturbed / "earlier").exists() and not (undisturbed / "note.txt").exists()


def test_a_refused_start_leaves_no_failure_in_a_finished_run(undisturbed: Path, cache: Path) -> None:
    refused = subprocess.run(
        train(cache, undisturbed.parents[3], "tuning.optimizer.lr=0.5"), cwd=ROOT, capture_output=True, text=True
    )
    assert refused.returncode == 1 and "another configuration" in refused.stderr
    assert not (undisturbed / "failure.json").exists()


def test_a_broken_benchmark_is_found_before_tuning_and_mended_without_tuning_again(
    undisturbed: Path, cache: Path, tmp_path: Path
) -> None:
    benchmark = cache / "world" / "seed_bench"
    questions = json.loads((benchmark / "SEED-Bench.json").read_text())
    mended, broken = tmp_path / "mended.json", tmp_path / "broken.json"
    questions["questions"][0]["question"] = "what is this? " * 400
    mended.write_text(json.dumps(questions))
    broken.write_text(json.dumps({**questions, "questions": [{"question_id": 1}]}))

    def start(annotations: Path, *more: str) -> subprocess.CompletedProcess[str]:
        named = [f"benchmark.annotations={annotations}", f"benchmark.images={benchmark / 'SEED-Bench-image'}"]
        return subprocess.run(train(cache, tmp_path, *named, *more), cwd=ROOT, capture_output=True, text=True)

    folder = tmp_path / RUN
    refused = start(broken)
    assert refused.returncode == 1 and "no usable image question" in refused.stderr
    assert not (folder / "metrics.jsonl").exists()
    done = start(mended, "benchmark.scoring.batch_size=7")
    assert done.returncode == 0, done.stderr[-2000:]
    assert outcome(folder)[1] == outcome(undisturbed)[1]
    rejected = (folder / "benchmark_rejects.jsonl").read_text()
    assert "question is too long" in rejected
    assert json.loads((folder / "result.json").read_text())["counts"]["Overall"] == len(questions["questions"]) - 1
    assert "done already" in start(mended, "benchmark.scoring.batch_size=9").stdout
    again = start(broken)
    assert again.returncode == 1 and "on another benchmark" in again.stderr and "evaluate.py run=" in again.stderr


def test_a_run_that_is_tuned_may_be_scored_on_another_benchmark_only_before_it_has_a_result(tmp_path: Path) -> None:
    folder, yaml = RunFolder(tmp_path), "seed: 0\nbenchmark:\n  annotations: {}\npaths:\n  seed_bench: {}\n"
    assert folder.begin(yaml.format("a", "a"), force=False)
    assert folder.begin(yaml.format("b", "b"), force=False)
    assert folder.config.read_text() == yaml.format("b", "b")
    with pytest.raises(InputError, match="another configuration"):
        folder.begin(yaml.format("b", "b").replace("seed: 0", "seed: 1"), force=False)
    folder.result.write_text("{}")
    with pytest.raises(InputError, match=r"on another benchmark .*evaluate\.py"):
        folder.begin(yaml.format("c", "c"), force=False)


def test_scores_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    row = {"question_id": "7", "mean": [float("nan")] * 4}
    evaluation = Evaluation(torch.nn.Linear(1, 1), lambda model, batch: [row], tmp_path / "part")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="question 7 has no finite score"):
        evaluation.predict_step(None, 0)  # type: ignore[arg-type]
    assert not (tmp_path / "part").exists()


def test_questions_about_one_image_have_no_blind_control() -> None:
    questions = [Question(str(n), "SU", "Where?", ("a", "b"), 0, Path("one.jpg")) for n in range(3)]
    with pytest.raises(InputError, match="all questions are about one image"):
        shuffled_images(questions, 0)


def test_no_step_is_no_tuning(cache: Path, tmp_path: Path) -> None:
    refused = subprocess.run(
        train(cache, tmp_path, "tuning.max_steps=0"), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: tuning.max_steps=0: it is -1") and refused.stderr.count("\n") == 1


def test_a_run_that_trains_still_is_not_scored_as_finished(compose, tmp_path: Path) -> None:
    from vlit.runs.upgrade import scored_config

    folder = tmp_path / "run"
    (folder / "checkpoints").mkdir(parents=True)
    for name in ("config.yaml", "provenance.json", "checkpoints/last.ckpt"):
        (folder / name).write_text("{}")
    with pytest.raises(InputError, match=r"no finished run: it has no result\.json"):
        scored_config(compose(f"run={folder}", config="evaluate", tiny=False))


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux alone")
def test_a_variable_of_an_ended_command_ends_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {**os.environ, "VLIT_PARENT": "1"}
    done = subprocess.run([sys.executable, "status.py", "--help"], cwd=ROOT, env=environment, capture_output=True)
    assert done.returncode == 0
    ended = subprocess.Popen(
        [sys.executable, "-c", "from vlit.common.processes import *; end_by_sigterm(); end_with_parent();"
         "import os, time; os.kill(os.getpid(), 15); time.sleep(60)"], cwd=ROOT, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert b"Terminated" in ended.communicate(timeout=60)[1] and ended.returncode in (1, -signal.SIGTERM)
