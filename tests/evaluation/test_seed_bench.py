"""Reading SEED-Bench files, good and bad."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from vlit.common.errors import InputError
from vlit.data.sample import Rejects
from vlit.evaluation.questions import read_questions
from vlit.evaluation.seed_bench import COLUMNS, DIMENSIONS, shuffled_images

PICTURE = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///ywAAAAAAQABAAACAUwAOw==")  # a GIF of one pixel


def question(number: int, **changes: Any) -> dict[str, Any]:
    entry = {
        "answer": "B",
        "choice_a": "One",
        "choice_b": "Two",
        "choice_c": "Three",
        "choice_d": "Four",
        "data_id": f"{number}.jpg",
        "data_type": "image",
        "question": "How many?",
        "question_id": str(number),
        "question_type_id": 5,
    }
    return {**entry, **changes}


def write(folder: Path, entries: list[dict[str, Any]]) -> Path:
    for entry in entries:
        if "data_id" in entry and entry["data_id"] != "absent.jpg":
            (folder / entry["data_id"]).write_bytes(PICTURE)
    file = folder / "SEED-Bench.json"
    file.write_text(json.dumps({"questions": entries, "question_type": {"Instances Counting": 5}}))
    return file


def test_image_questions_are_read_and_video_questions_left(tmp_path: Path) -> None:
    file = write(tmp_path, [question(1), question(2, data_type="video", question_type_id=10, question_id="v2")])
    rejects = Rejects()
    (read,) = read_questions(file, tmp_path, rejects)
    assert (read.id, read.dimension, read.answer, read.choices[read.answer]) == ("1", "IC", 1, "Two")
    assert len(rejects) == 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"data_id": "absent.jpg"}, "image absent"),
        ({"answer": "E"}, "answer is none of A, B, C, D"),
        ({"question_type_id": 11}, "not an image dimension"),
        ({"question_id": "1"}, "question id occurs twice"),
    ],
)
def test_a_bad_question_is_set_aside_with_its_reason(tmp_path: Path, changes: dict, reason: str) -> None:
    rejects = Rejects()
    read = read_questions(write(tmp_path, [question(1), question(2, **changes)]), tmp_path, rejects)
    assert [item.id for item in read] == ["1"]
    assert rejects.counts() == {reason: 1}


def test_a_missing_choice_is_set_aside(tmp_path: Path) -> None:
    broken = question(2)
    del broken["choice_c"]
    rejects = Rejects()
    read_questions(write(tmp_path, [question(1), broken]), tmp_path, rejects)
    assert rejects.counts() == {"choice absent": 1}


def test_a_truncated_file_is_one_clear_line(tmp_path: Path) -> None:
    file = write(tmp_path, [question(1)])
    file.write_text(file.read_text()[:-30])
    with pytest.raises(InputError, match=r"SEED-Bench.json is not valid JSON") as caught:
        read_questions(file, tmp_path, Rejects())
    assert "\n" not in str(caught.value)


def test_a_file_without_a_usable_question_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no usable image question"):
        read_questions(write(tmp_path, [question(1, answer="E")]), tmp_path, Rejects())


def test_shuffled_images_are_those_of_other_questions_and_all_used_once(cache: Path) -> None:
    questions = read_questions(
        cache / "world/seed_bench/SEED-Bench.json", cache / "world/seed_bench/SEED-Bench-image", Rejects()
    )
    shuffled = shuffled_images(questions, seed=1)
    assert all(before.image != after.image for before, after in zip(questions, shuffled, strict=True))
    assert sorted(item.image for item in shuffled) == sorted(item.image for item in questions)
    assert [item.choices for item in shuffled] == [item.choices for item in questions]
    assert shuffled_images(questions, seed=1) == shuffled
    assert shuffled_images(questions, seed=2) != shuffled


def test_the_dimensions_are_the_nine_of_images_with_all_their_questions() -> None:
    assert sorted(dimension.id for dimension in DIMENSIONS) == list(range(1, 10))
    assert sum(dimension.questions for dimension in DIMENSIONS) == 14_233  # SEED-Bench-1's image questions
    assert COLUMNS == ("Overall", "SU", "II", "IL", "IA", "IC", "SR", "IIR", "VR", "TR")  # Table 3


def test_names_and_accuracies_do_without_torch() -> None:
    code = "import sys, vlit.evaluation.questions, vlit.evaluation.seed_bench; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
