"""Text without pictures for the language model's pre-training: a scene in full, then questions the text answers."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from dataclasses import replace

from vlit.world.questions import QA, question_answers
from vlit.world.scene import Scene
from vlit.world.vocabulary import NUMBERS, SETTING_KNOWLEDGE, SETTING_PHRASE, plural
from vlit.world.wording import SETTING_NOUN, interaction_clause, name_of, sentence, thing_sentence

LONGEST = 9  # sentences in the paragraph; a second relation that is asked for may be one more
PER_DIMENSION = 2  # questions after it at most, of each of the benchmark's dimensions
QUESTIONS = (6, 12)  # least and most in all
SHORT_THINGS = (1, 2)  # least and most things a short document tells of
SHORT_QUESTIONS = (2, 4)
EXTRA_CHANCE = 0.4  # of each sentence that tells what follows from others


def short_document(scene: Scene, rng: random.Random) -> str:
    """Return a document, as `document` does, about a scene with one or two of this one's things and few questions.

    Looking things up is learned in texts this short within a thousand small batches, in long ones not within many.
    """
    kept = set(rng.sample(range(len(scene.things)), min(rng.randint(*SHORT_THINGS), len(scene.things))))
    things = tuple(thing for index, thing in enumerate(scene.things) if index in kept)
    return document(replace(scene, things=things, interaction=None), rng, SHORT_QUESTIONS)


def document(scene: Scene, rng: random.Random, questions: tuple[int, int] = QUESTIONS) -> str:
    """Return a paragraph of true sentences on a scene, then questions with answers on it.

    `questions` are the least and the most in all. Every fact a question asks for is told in the paragraph, or follows
    from it as it does from the picture: how many things of a kind there are, or would be without some of them, and what
    is useful in a setting.
    """
    paragraph = _description(scene, rng)
    by_dimension: defaultdict[str, list[QA]] = defaultdict(list)
    for qa in question_answers(scene, rng):
        by_dimension[qa.dimension].append(qa)
    if len(paragraph) == LONGEST:
        by_dimension.pop("SR", None)  # no room to tell where things are relative to each other
    asked = [qa for qas in by_dimension.values() for qa in rng.sample(qas, min(PER_DIMENSION, len(qas)))]
    rng.shuffle(asked)
    asked = asked[: rng.randint(*questions)]
    paragraph += dict.fromkeys(qa.sentence for qa in asked if qa.dimension == "SR")
    paragraph += [text for text in _extras(scene) if rng.random() < EXTRA_CHANCE][: max(0, LONGEST - len(paragraph))]
    rng.shuffle(paragraph)
    return " ".join(paragraph) + "\n" + "".join(_asked(qa, rng) for qa in asked)


def _description(scene: Scene, rng: random.Random) -> list[str]:
    """Return the sentences that tell a scene whole; at most `LONGEST`, as a scene has at most six things."""
    noun, where = SETTING_NOUN[scene.setting], SETTING_PHRASE[scene.setting]
    told = [rng.choice((f"The setting is {noun}.", f"This picture was taken {where}.", f"The scene is {where}."))]
    told += [thing_sentence(thing, rng) for thing in scene.things]
    if scene.interaction is not None:
        subject, other = name_of(scene, scene.interaction.subject), name_of(scene, scene.interaction.object)
        told.append(sentence(interaction_clause(subject, scene.interaction.name, other)))
    if scene.sign is not None:
        word = scene.sign.word
        told.append(
            rng.choice((f"A sign says {word}.", f"There is a sign that says {word}.", f"The sign says {word}."))
        )
    return told


def _extras(scene: Scene) -> list[str]:
    """Return sentences that follow from the description."""
    told = [sentence(f"{SETTING_KNOWLEDGE[scene.setting]} is most useful {SETTING_PHRASE[scene.setting]}")]
    counts = Counter(thing.kind for thing in scene.things)
    told += [f"There are {NUMBERS[count]} {plural(kind)}." for kind, count in counts.items() if count > 1]
    return told


def _asked(qa: QA, rng: random.Random) -> str:
    return f"Question: {qa.question}\nAnswer: {rng.choice((qa.answer, qa.sentence))}\n"
