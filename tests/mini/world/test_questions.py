"""Questions and answers are true by rules written from the question's words alone."""

from __future__ import annotations

import re
from collections import Counter
from itertools import chain

import pytest

from vlit.mini.world.facts import scene_facts
from vlit.mini.world.questions import QA, scene_questions, worded
from vlit.mini.world.sample import stream, training_scenes
from vlit.mini.world.scene import Scene, Thing
from vlit.mini.world.wordings import READ, TAUGHT, UNSEEN

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
def questioned() -> list[tuple[Scene, list[QA]]]:
    return [
        (scene, scene_questions(scene, stream(0, scene.id, "qa"), yes_no=True)) for scene in training_scenes(150, 2)
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
            kinds_named = [name.split()[-1] for name in names_in(qa.answer.lower())]
            order = [scene.things[pair.subject].kind, scene.things[pair.object].kind]
            verb = {"inside": "inside", "touching": "is touching", "holding": "holding up", "apart": "not touching"}
            symmetric = pair.name in ("touching", "apart")
            return verb[pair.name] in qa.answer and (kinds_named == order or (symmetric and kinds_named == order[::-1]))
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
    """Decide whether the right answer to a yes-or-no question is yes."""
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


def test_every_answer_is_true(questioned: list[tuple[Scene, list[QA]]]) -> None:
    for scene, qas in questioned:
        for qa in qas:
            if qa.dimension:
                assert is_true(scene, qa), (qa, scene)
            else:
                assert yes_no_is_true(scene, qa) == (qa.answer == "Yes"), (qa, scene)


def test_all_dimensions_types_and_both_truths_occur(questioned: list[tuple[Scene, list[QA]]]) -> None:
    qas = [qa for _, found in questioned for qa in found]
    assert {qa.dimension for qa in qas} == DIMENSIONS | {""}
    assert {qa.type for qa in qas if qa.dimension} == set(READ)
    answers = Counter(qa.answer for qa in qas if not qa.dimension)
    assert 0.4 < answers["No"] / answers.total() < 0.6


def test_the_form_of_questions_and_answers(questioned: list[tuple[Scene, list[QA]]]) -> None:
    for _, qas in questioned:
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


def test_each_table_has_wordings_of_its_own_for_every_type() -> None:
    assert READ.keys() == TAUGHT.keys() == UNSEEN.keys()
    for type in READ:
        tables = [table[type] for table in (READ, TAUGHT, UNSEEN)]
        assert len(set(chain(*tables))) == sum(map(len, tables)), type
        assert [len(table) >= least for table, least in zip(tables, (3, 4, 2), strict=True)] == [True] * 3, type
        slots = {frozenset(re.findall(r"\{\d\}", wording)) for wording in chain(*tables)}
        assert len(slots) == 1, type


def test_a_question_has_one_answer_in_a_scene(questioned: list[tuple[Scene, list[QA]]]) -> None:
    for scene, _ in questioned:
        answers: dict[str, str] = {}
        for fact in scene_facts(scene):
            for wording in chain(READ[fact.type], TAUGHT[fact.type], UNSEEN[fact.type]):
                qa = worded(fact, wording)
                assert answers.setdefault(qa.question, qa.answer) == qa.answer, (qa, scene)
