"""Questions and answers, checked by rules written from the question's words alone."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from vlit.mini.world.askable import askable
from vlit.mini.world.questions import BENCHMARK_WORDINGS, QA, WORDINGS, question_answers, worded
from vlit.mini.world.sample import pretraining_scenes, stream, training_scenes
from vlit.mini.world.scene import Scene, Thing
from vlit.mini.world.texts import SHORT_QUESTIONS, SHORT_THINGS, document, short_document
from vlit.mini.world.vocabulary import COLOURS

NUMBERS = ["Zero", "One", "Two", "Three", "Four", "Five", "Six"]
DIMENSIONS = {"SU", "II", "IA", "IL", "IC", "SR", "IIR", "VR", "TR"}
KNOWLEDGE = {
    "beach": "swimsuit",
    "forest": "boots",
    "street": "ticket",
    "kitchen": "apron",
    "desert": "water",
    "snow": "coat",
    "ocean": "jacket",
    "night": "flashlight",
}
ARTICLES = ("a", "an", "the", "on", "in", "under")


@pytest.fixture(scope="module")
def asked() -> list[tuple[Scene, list[QA]]]:
    return [
        (scene, question_answers(scene, stream(0, scene.id, "qa"), yes_no=True)) for scene in training_scenes(150, 2)
    ]


def named(scene: Scene, phrase: str) -> Thing:
    """Return the one thing "the small red cup" names."""
    *words, kind = phrase.removeprefix("the ").split()
    found = [t for t in scene.things if t.kind == kind and set(words) <= {t.size, t.texture, t.colour}]
    assert len(found) == 1, (phrase, scene)
    return found[0]


def names_in(question: str) -> list[str]:
    looks = "small|large|plain|striped|dotted|checkered|red|green|blue|yellow|purple|orange|black|white"
    kinds = "car|boat|bird|cat|umbrella|kite|bottle|cup|apple|chair|book|clock|box"
    return re.findall(rf"the (?:(?:{looks}) )*(?:{kinds})\b", question)


def place_is(thing: Thing, place: str) -> bool:
    x, y = thing.centre
    if place.lower().endswith("center"):
        return 22 < x < 42 and 22 < y < 42
    return ("left" in place) == (x < 32) and ("upper" in place) == (y < 32) and abs(x - 32) > 8 < abs(y - 32)


def is_true(scene: Scene, qa: QA) -> bool:  # noqa: PLR0911, PLR0912
    """Decide whether an answer is right from the question's text and the scene's data."""
    kinds = Counter(thing.kind for thing in scene.things)
    match qa.type:
        case "setting" | "taken":
            return scene.setting in qa.answer.lower()
        case "at":
            place = re.findall(r"(?:upper|lower) (?:left|right)|center", qa.question)[0]
            return [t.kind for t in scene.things if place_is(t, place)] == [qa.answer.split()[-1]]
        case "coloured":
            return [t.kind for t in scene.things if f" {t.colour}" in qa.question] == [qa.answer.split()[-1]]
        case "colour" | "texture" | "size":
            return str(getattr(named(scene, names_in(qa.question)[-1]), qa.type)).capitalize() == qa.answer
        case "look":
            thing = named(scene, names_in(qa.question)[-1])
            return qa.answer == f"{thing.size.capitalize()} and {thing.colour}"
        case "location":
            return place_is(named(scene, names_in(qa.question)[-1]), qa.answer)
        case "count":
            kind = next(kind for kind in kinds if re.search(rf"\b{kind}(e?s)\b", qa.question))
            return NUMBERS[kinds[kind]] == qa.answer
        case "relation":
            first, second = (named(scene, name).centre for name in names_in(qa.question))
            dx, dy = first[0] - second[0], first[1] - second[1]
            word = ("left" if dx < 0 else "right") if abs(dx) > abs(dy) else ("above" if dy < 0 else "below")
            return word in qa.answer.lower()
        case "interaction":
            pair = scene.interaction
            assert pair is not None
            kinds_said = [name.split()[-1] for name in names_in(qa.answer.lower())]
            order = [scene.things[pair.subject].kind, scene.things[pair.object].kind]
            verb = {"inside": "inside", "touching": "is touching", "holding": "holding up", "apart": "not touching"}
            symmetric = pair.name in ("touching", "apart")
            return verb[pair.name] in qa.answer and (kinds_said == order or (symmetric and kinds_said == order[::-1]))
        case "most":
            (first, count), *rest = kinds.most_common()
            return qa.answer.lower() in (f"{first}s", f"{first}es") and all(other < count for _, other in rest)
        case "useful":
            return KNOWLEDGE[scene.setting] in qa.answer
        case "left":
            return NUMBERS[sum(f" {thing.colour}" not in qa.question for thing in scene.things)] == qa.answer
        case "word":
            return scene.sign is not None and scene.sign.word == qa.answer
    raise AssertionError(f"no rule for {qa.type}")


def yes_no_is_true(scene: Scene, qa: QA) -> bool:
    """The same for questions with the answers yes and no."""
    words = qa.question.rstrip("?")
    if qa.type == "whether_taken":
        return scene.setting in words
    if qa.type == "whether_there":
        return any(re.search(rf"\b{thing.kind}\b", words) for thing in scene.things)
    if qa.type == "whether_sign":
        return scene.sign is not None
    thing = named(scene, names_in(words)[0])
    if qa.type == "whether_location":
        return place_is(thing, words.partition(" in the ")[2])
    return words.split()[-1] in (thing.colour, thing.texture)


def test_every_answer_is_true(asked: list[tuple[Scene, list[QA]]]) -> None:
    for scene, qas in asked:
        for qa in qas:
            if qa.dimension:
                assert is_true(scene, qa), (qa, scene)
            else:
                assert yes_no_is_true(scene, qa) == (qa.answer == "Yes"), (qa, scene)


def test_all_dimensions_types_and_both_truths_occur(asked: list[tuple[Scene, list[QA]]]) -> None:
    qas = [qa for _, found in asked for qa in found]
    assert {qa.dimension for qa in qas} == DIMENSIONS | {""}
    assert {qa.type for qa in qas if qa.dimension} == set(WORDINGS)
    answers = Counter(qa.answer for qa in qas if not qa.dimension)
    assert 0.4 < answers["No"] / answers.total() < 0.6


def test_the_form_of_questions_and_answers(asked: list[tuple[Scene, list[QA]]]) -> None:
    for _, qas in asked:
        for qa in qas:
            assert re.fullmatch(r"[A-Z][A-Za-z ]*\?", qa.question), qa
            assert re.fullmatch(r"[A-Z][A-Za-z ]*", qa.answer), qa
            assert re.fullmatch(r"[A-Z][A-Za-z, ]*\.", qa.sentence), qa
            assert "colour" not in (qa.question + qa.sentence).lower()
            assert qa.answer in qa.pool
            assert len(set(qa.pool)) == len(qa.pool)
            assert qa.pool == ("Yes", "No") or len(qa.pool) >= (2 if qa.type == "size" else 4)
            if qa.type not in ("most", "taken"):  # their sentence has the answer in other words
                words = [word for word in qa.answer.lower().split() if word not in ARTICLES]
                assert all(word in qa.sentence.lower() for word in words), qa


def test_each_type_has_three_to_five_wordings() -> None:
    for type, wordings in WORDINGS.items():
        assert 3 <= len(set(wordings)) == len(wordings) <= 5, type
        assert len(wordings) > BENCHMARK_WORDINGS


def test_a_question_has_one_answer_in_a_scene(asked: list[tuple[Scene, list[QA]]]) -> None:
    for scene, _ in asked:
        answers: dict[str, str] = {}
        for fact in askable(scene):
            for wording in range(len(WORDINGS[fact.type])):
                qa = worded(fact, wording)
                assert answers.setdefault(qa.question, qa.answer) == qa.answer, (qa, scene)


def test_documents_tell_what_they_ask() -> None:
    for scene in pretraining_scenes(80, seed=0):
        text = document(scene, stream(0, scene.id, "document"))
        assert text == document(scene, stream(0, scene.id, "document"))
        paragraph, *lines = text.splitlines()
        sentences = re.findall(r"[A-Z][^.]*\.", paragraph)
        assert " ".join(sentences) == paragraph
        assert len(scene.things) + 1 <= len(sentences) <= 10
        assert text.endswith("\n")
        questions, answers = lines[::2], lines[1::2]
        assert 3 <= len(questions) == len(answers) <= 12
        facts = {worded(f, w).question: worded(f, w) for f in askable(scene) for w in range(len(WORDINGS[f.type]))}
        for question, answer in zip(questions, answers, strict=True):
            qa = facts[question.removeprefix("Question: ")]
            assert answer in (f"Answer: {qa.answer}", f"Answer: {qa.sentence}")
            if qa.dimension in ("SR", "IIR"):
                assert qa.sentence in paragraph or qa.type == "interaction"
            if qa.dimension == "TR":
                assert qa.answer in paragraph
        for thing in scene.things:
            assert f"{thing.size} {thing.texture} {thing.colour} {thing.kind}" in paragraph.lower()
        if scene.interaction is not None:
            assert re.search(r"is (inside|touching|not touching|holding up)", paragraph)


def test_short_documents_are_about_few_things_and_answer_from_them() -> None:
    things = []
    for scene in pretraining_scenes(120, seed=0):
        text = short_document(scene, stream(0, scene.id, "document"))
        assert text == short_document(scene, stream(0, scene.id, "document"))
        paragraph, *lines = text.splitlines()
        whole = [f"{thing.size} {thing.texture} {thing.colour} {thing.kind}" for thing in scene.things]
        told = [words for words in whole if words in paragraph.lower()]
        things.append(sum(paragraph.lower().count(words) for words in set(whole)))
        assert SHORT_QUESTIONS[0] <= len(lines) / 2 <= SHORT_QUESTIONS[1]
        for question, answer in zip(lines[::2], lines[1::2], strict=True):
            value = answer.removeprefix("Answer: ")
            asked = question.removesuffix(" in the image?").removesuffix("?").removesuffix(" have").split()
            if "color" in asked and "size" not in asked and value.lower() in COLOURS:
                assert any(words.endswith(f"{value.lower()} {asked[-1]}") for words in told), text
            if "sign" in question:
                assert re.search(rf"says {value.removeprefix('The sign says ').removesuffix('.')}\.", paragraph), text
    assert {SHORT_THINGS[0], SHORT_THINGS[1]} == set(things)
