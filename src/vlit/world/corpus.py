"""Text about scenes for language models that never see one: a description, then questions it answers."""

from __future__ import annotations

import random

from vlit.world import facts
from vlit.world.captions import describe
from vlit.world.questions import QA, question_answers, yes_no
from vlit.world.scene import Scene
from vlit.world.vocabulary import INTERACTIONS, SETTING_PHRASE, with_article

QUESTIONS = 6


def description(scene: Scene, rng: random.Random) -> str:
    """True sentences, in random order, from which every question about the scene can be answered."""
    number = facts.counts(scene)
    things = [
        f"{with_article(describe(thing, rng, detail=1.0))}{_where(facts.place(thing))}" for thing in scene.things
    ]
    sentences = [f"There is {thing}." for thing in things]
    told = [qa for qa in question_answers(scene, rng) if qa.topic in ("count", "relation")]
    sentences += [
        qa.sentence for qa in told if qa.topic == "count" and not qa.answer.startswith("One")
    ]
    relations = [qa.sentence for qa in told if qa.topic == "relation"]
    sentences += rng.sample(relations, min(3, len(relations)))
    sentences.append(f"The picture was taken {SETTING_PHRASE[scene.setting]}.")
    pair = scene.interaction
    if pair is not None and all(number[scene.things[index].kind] == 1 for index in (pair.subject, pair.object)):
        subject, other = scene.things[pair.subject].kind, scene.things[pair.object].kind
        sentences.append(f"The {subject} {INTERACTIONS[pair.name]} the {other}.")
    if scene.sign is not None:
        sentences.append(f"The sign says {scene.sign.word}.")
    rng.shuffle(sentences)
    return " ".join(sentences)


def document(scene: Scene, rng: random.Random) -> str:
    """A description and questions with answers, as "Question: ...\\nAnswer: ...\\n" after a line break."""
    text = description(scene, rng)
    asked = [qa for qa in question_answers(scene, rng) if qa.topic != "relation" or qa.sentence in text]
    asked += yes_no(scene, rng)
    chosen = _one_per_topic_first(asked, rng)[:QUESTIONS]
    rng.shuffle(chosen)
    pairs = [f"Question: {qa.question}\nAnswer: {_answer(qa, rng)}\n" for qa in chosen]
    return text + "\n" + "".join(pairs)


def _where(place: str | None) -> str:
    return "" if place is None else f" in the {place}"


def _answer(qa: QA, rng: random.Random) -> str:
    if qa.answer in ("yes", "no"):
        return qa.sentence
    return qa.answer if rng.random() < 0.6 else qa.sentence


def _one_per_topic_first(asked: list[QA], rng: random.Random) -> list[QA]:
    rng.shuffle(asked)
    seen: set[str] = set()
    first = [qa for qa in asked if not (qa.topic in seen or seen.add(qa.topic))]  # type: ignore[func-returns-value]
    rng.shuffle(first)
    return first + [qa for qa in asked if qa not in first]
