"""The benchmark has SEED-Bench's format, its answers are true, and its text alone gives nothing away."""

from __future__ import annotations

import re
from collections import Counter, defaultdict

import pytest

from vlit.mini.world.build import BENCHMARK_DIMENSIONS, BenchmarkItem, benchmark_file, benchmark_items
from vlit.mini.world.facts import scene_facts
from vlit.mini.world.questions import worded
from vlit.mini.world.sample import FIRST_BENCHMARK_ID, FIRST_PRETRAINING_ID, training_scenes
from vlit.mini.world.wordings import TAUGHT, UNSEEN

GROUPS = 12
KEYS = {
    "answer",
    "choice_a",
    "choice_b",
    "choice_c",
    "choice_d",
    "data_id",
    "data_type",
    "question",
    "question_id",
    "question_type_id",
}


@pytest.fixture(scope="module")
def items() -> list[BenchmarkItem]:
    return list(benchmark_items(GROUPS, seed=0))


def choices(item: BenchmarkItem) -> tuple[str, ...]:
    return tuple(item.question[f"choice_{letter}"] for letter in "abcd")


def text(item: BenchmarkItem) -> tuple[str, tuple[str, ...]]:
    return item.question["question"], choices(item)


def test_schema(items: list[BenchmarkItem]) -> None:
    content = benchmark_file(items)
    assert content["question_type"]["Scene Understanding"] == 1
    assert sorted(content["question_type"].values()) == list(range(1, 10))
    for question in content["questions"]:
        assert set(question) == KEYS
        assert question["data_type"] == "image"
        assert question["answer"] in "ABCD"
        assert question["data_id"] == f"{question['question_id']}.jpg"


def test_ids_are_unique_and_differ_from_those_of_other_scenes(items: list[BenchmarkItem]) -> None:
    ids = [item.scene.id for item in items]
    assert len(set(ids)) == len(ids)
    assert min(ids) == FIRST_BENCHMARK_ID
    assert max(ids) < FIRST_PRETRAINING_ID
    contents = [(scene.setting, scene.things, scene.sign) for scene in (item.scene for item in items)]
    trained = {(scene.setting, scene.things, scene.sign) for scene in training_scenes(300, seed=0)}
    assert len(set(contents)) == len(contents)
    assert not trained & set(contents)


def test_each_dimension_has_its_groups_of_four(items: list[BenchmarkItem]) -> None:
    assert Counter(item.question["question_type_id"] for item in items) == dict.fromkeys(range(1, 10), 4 * GROUPS)
    for start in range(0, len(items), 4):
        group = items[start : start + 4]
        assert len({text(item) for item in group}) == 1
        assert len(set(choices(group[0]))) == 4
        assert sorted(item.question["answer"] for item in group) == ["A", "B", "C", "D"]


def test_the_best_guess_from_text_alone_is_right_in_exactly_a_quarter(items: list[BenchmarkItem]) -> None:
    by_text: defaultdict[object, Counter[str]] = defaultdict(Counter)
    for item in items:
        by_text[text(item)][item.question["answer"]] += 1
    best = sum(max(answers.values()) for answers in by_text.values())
    assert best * 4 == len(items)


def test_the_marked_choice_is_the_only_true_one(items: list[BenchmarkItem]) -> None:
    for item in items:
        answers = {
            worded(fact, wording).answer
            for fact in scene_facts(item.scene)
            for wording in (UNSEEN if item.unseen else TAUGHT)[fact.type]
            if worded(fact, wording).question == item.question["question"]
        }
        marked = item.question[f"choice_{item.question['answer'].lower()}"]
        assert answers == {marked}, item


def test_some_dimensions_by_independent_rules(items: list[BenchmarkItem]) -> None:
    numbers = ["Zero", "One", "Two", "Three", "Four", "Five", "Six"]
    checked: Counter[int] = Counter()
    for item in items:
        marked = item.question[f"choice_{item.question['answer'].lower()}"]
        question, scene = item.question["question"], item.scene
        match item.question["question_type_id"]:
            case 1:
                assert scene.setting in marked.lower()
            case 3 if question.startswith(("Can you tell me the color of the", "Of which color is the")):
                kind = question.rstrip("?.").split()[-1]
                assert [thing.colour for thing in scene.things if thing.kind == kind] == [marked.lower()]
            case 5:
                assert sum(f" {thing.kind}s" in question for thing in scene.things) == numbers.index(marked)
            case 9:
                assert scene.sign is not None
                assert scene.sign.word == marked
            case _:
                continue
        checked[item.question["question_type_id"]] += 1
    assert set(checked) == {1, 3, 5, 9}


def test_every_question_type_is_used(items: list[BenchmarkItem]) -> None:
    texts = {item.question["question"] for item in items}
    for dimension, (_, _, types) in BENCHMARK_DIMENSIONS.items():
        for kind in types:
            forms = [
                re.escape(form).replace(r"\{0\}", ".+").replace(r"\{1\}", ".+")
                for form in (*TAUGHT[kind], *UNSEEN[kind])
            ]
            assert any(re.fullmatch("|".join(forms), text, re.IGNORECASE) for text in texts), (dimension, kind)


def test_half_of_the_questions_of_a_dimension_have_wordings_that_nothing_else_uses(items: list[BenchmarkItem]) -> None:
    unseen = Counter(item.question["question_type_id"] for item in items if item.unseen)
    assert unseen == dict.fromkeys(range(1, 10), 2 * GROUPS)


def test_same_seed_same_benchmark(items: list[BenchmarkItem]) -> None:
    assert list(benchmark_items(1, seed=0)) == list(benchmark_items(1, seed=0))
    assert next(benchmark_items(1, seed=1)) != items[0]
