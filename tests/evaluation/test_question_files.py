"""Question files as people have them: every question is scored or rejected, alike for all families."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vlit.common.errors import InputError
from vlit.data.sample import Rejects
from vlit.evaluation.generation import read_answer
from vlit.evaluation.questions import read_questions
from vlit.evaluation.seed_bench import DIMENSIONS, Question

CASES = Path(__file__).resolve().parents[1] / "cases"


def read(name: str) -> tuple[list[Question], Rejects]:
    rejects = Rejects()
    questions = read_questions(CASES / name / "bench.json", CASES / name / "images", rejects)
    (count,) = rejects.sources
    assert count.rows == len(json.loads((CASES / name / "bench.json").read_text())["questions"])
    assert count.rows == len(questions) + count.rejected + count.noted
    return questions, rejects


@pytest.mark.parametrize(
    ("name", "kept", "fields"),
    [
        ("bench_answer_empty", 1, ["answer"] * 3),
        ("bench_answer_not_text", 1, ["answer"] * 3),
        ("bench_broken_image", 1, ["data_id"] * 2),
        ("bench_choice_empty", 1, ["choice_d"]),
        ("bench_question_null", 1, ["question"]),
        ("bench_question_type_name", 2, ["question_type_id"]),
        ("bench_special_token", 1, ["question", "choice_a"]),
    ],
)
def test_bad_questions_are_rejected_by_field(name: str, kept: int, fields: list[str]) -> None:
    questions, rejects = read(name)
    assert len(questions) == kept
    assert sorted(row.field for row in rejects.rows) == sorted(fields)


def test_null_and_nan_are_no_choices() -> None:
    questions, _ = read("bench_choice_null")
    assert {len(question.choices) for question in questions} == {3, 4}


def test_a_file_without_a_list_of_questions_is_one_line() -> None:
    with pytest.raises(InputError, match="no list `questions`"):
        read("bench_questions_null")


def test_the_files_own_table_of_types_decides(caplog: pytest.LogCaptureFixture) -> None:
    questions, _ = read("bench_question_type_swapped")
    table = json.loads((CASES / "bench_question_type_swapped" / "bench.json").read_text())
    by_id = {str(entry["question_id"]): entry["question_type_id"] for entry in table["questions"]}
    meaning = {3: "IL", 4: "IA"}
    assert all(question.dimension == meaning.get(by_id[question.id], question.dimension) for question in questions)
    assert "the table counts" in caplog.text


def test_seed_bench_2_calls_it_a_single_image() -> None:
    questions, _ = read("bench_v2_single_image")
    assert len(questions) > 1


def question(*choices: str, answer: int = 0) -> Question:
    return Question("1", DIMENSIONS[0].key, "What is it?", choices, answer, Path("x.jpg"))


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("A desert", "B"),
        ("a desert.", "B"),
        ("The answer is B.", "B"),
        ("The answer is a desert.", "B"),
        ("b", "B"),
        ("(C)", "C"),
        ("C. A forest", "C"),
        ("D because of the snow", "D"),
        ("It is a forest with trees", "C"),
        ("A", "A"),
        ("A: a beach", "A"),
        ("A nice picture", ""),
        ("a beach or a desert", ""),
        ("E", ""),
        ("", ""),
        ("no idea", ""),
    ],
)
def test_a_generated_answer_is_read_as_what_it_names(text: str, letter: str) -> None:
    assert read_answer(text, question("A beach", "A desert", "A forest", "Snow")) == letter


def test_a_word_that_contains_a_choice_does_not_name_it() -> None:
    assert read_answer("None", question("One", "Two", "Three", "Four")) == ""
    assert read_answer("twenty one", question("One", "Twenty one", "Two")) == "B"


def test_the_case_of_an_article() -> None:
    (asked,) = read("bench_generation_article")[0]
    assert read_answer((CASES / "bench_generation_article" / "reply.txt").read_text(), asked) == "B"
