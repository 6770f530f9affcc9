"""Questions and answers about a scene: a fact in one of several wordings, and yes-or-no questions."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from vlit.mini.world.facts import COUNT_POOL, Fact, scene_facts
from vlit.mini.world.scene import Scene, place_of, referring_expression
from vlit.mini.world.vocabulary import (
    COLOURS,
    CONTAINER,
    ORDINARY_KINDS,
    PLACES,
    SETTING_PHRASE,
    TEXTURES,
    capitalised,
    in_place,
    with_article,
)
from vlit.mini.world.wordings import READ

YES_NO = ("Yes", "No")
_LONE_CHANCE = 0.25  # of a fact whose count is one: most kinds occur once, and people seldom count those


@dataclass(frozen=True)
class QA:
    """A question about a scene, in words.

    Attributes:
        question: the question.
        answer: short answer.
        sentence: the answer as a sentence.
        dimension: short name of a SEED-Bench dimension, or "" for a yes-or-no question.
        type: a key of `wordings.READ`, or "whether_..." for a yes-or-no question.
        pool: all answers the question could have.
    """

    question: str
    answer: str
    sentence: str
    dimension: str
    type: str
    pool: tuple[str, ...]


def worded(fact: Fact, wording: str) -> QA:
    """Return the question for a fact in a wording of `wordings`."""
    question = capitalised(wording.format(*fact.slots))
    return QA(question, fact.answer, fact.sentence, fact.dimension, fact.type, fact.pool)


def scene_questions(scene: Scene, rng: random.Random, yes_no: bool = False) -> list[QA]:
    """Return questions about the facts of a scene, each in a random wording of `READ`, in a fixed order of facts.

    Args:
        scene: the scene.
        rng: source of wordings and of yes-or-no questions.
        yes_no: add yes-or-no questions, about as many with the right answer "No" as with "Yes".
    """
    found = [worded(fact, rng.choice(READ[fact.type])) for fact in told_facts(scene, rng)]
    return found + (list(_yes_no(scene, rng)) if yes_no else [])


def told_facts(scene: Scene, rng: random.Random) -> list[Fact]:
    """Return the facts of a scene that people would speak of, in a fixed order."""
    return [fact for fact in scene_facts(scene) if not _is_lone(fact) or rng.random() < _LONE_CHANCE]


def _is_lone(fact: Fact) -> bool:
    """Return whether a fact is that there is one thing of a kind."""
    return fact.type == "count" and fact.answer == COUNT_POOL[0]


def _yes_no(scene: Scene, rng: random.Random) -> Iterator[QA]:
    where = SETTING_PHRASE[scene.setting]
    other = rng.choice([phrase for phrase in SETTING_PHRASE.values() if phrase != where])
    clause = f"this picture was taken {where}"
    yield _whether(_coin(rng), "taken", "Was this picture taken {}?", (where, other), clause)
    present = with_article(rng.choice([thing.kind for thing in scene.things]))
    absent = rng.choice([kind for kind in ORDINARY_KINDS if not scene.count(kind)])
    there = _coin(rng)
    clause = f"there is {present}" if there else f"there is no {absent}"
    yield _whether(there, "there", "Is there {} in the image?", (present, with_article(absent)), clause)
    clause = f"the sign says {scene.sign.word}" if scene.sign else "there is no sign"
    yield _answered("Is there a sign in the image?", scene.sign is not None, clause, "sign")
    for index in range(len(scene.things)):
        yield from _yes_no_of_thing(scene, index, rng)


def _yes_no_of_thing(scene: Scene, index: int, rng: random.Random) -> Iterator[QA]:
    thing = scene.things[index]
    for attribute, values in (("colour", COLOURS), ("texture", TEXTURES)):
        name = referring_expression(scene, index, without=(attribute,))
        if name is not None and thing.kind != CONTAINER:
            value = getattr(thing, attribute)
            wrong = rng.choice([other for other in values if other != value])
            yield _whether(_coin(rng), attribute, f"Is {name} {{}}?", (value, wrong), f"{name} is {value}")
    name, place = referring_expression(scene, index), place_of(thing)
    if name is not None and place is not None:
        right, wrong = in_place(place), in_place(rng.choice([other for other in PLACES if other != place]))
        yield _whether(_coin(rng), "location", f"Is {name} {{}}?", (right, wrong), f"{name} is {right}")


def _coin(rng: random.Random) -> bool:
    return rng.random() < 0.5


def _whether(true: bool, type: str, form: str, values: tuple[str, str], clause: str) -> QA:
    """Return a question about the first value, which is right, or about the second, which is wrong."""
    return _answered(form.format(values[0] if true else values[1]), true, clause, type)


def _answered(question: str, true: bool, clause: str, type: str) -> QA:
    answer = YES_NO[0] if true else YES_NO[1]
    return QA(question, answer, f"{answer}, {clause}.", "", f"whether_{type}", YES_NO)
