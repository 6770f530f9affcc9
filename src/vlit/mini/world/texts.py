"""Captions as people write them: short, true, and each leaving something out."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from dataclasses import replace

from vlit.mini.world.facts import described, place_of, relation
from vlit.mini.world.questions import QA, question_answers
from vlit.mini.world.scene import Scene
from vlit.mini.world.vocabulary import (
    INTERACTIONS,
    NUMBERS,
    RELATIONS,
    SETTING_KNOWLEDGE,
    SETTING_PHRASE,
    plural,
    with_article,
)
from vlit.mini.world.wording import (
    SETTING_NOUN,
    counted,
    in_place,
    interaction_clause,
    listed,
    mention,
    name_of,
    sentence,
    some_attributes,
    thing_sentence,
)

PER_IMAGE = 5  # as in COCO
Caption = str | None  # None: the scene has no such fact


def captions(scene: Scene, rng: random.Random) -> list[str]:
    """Return five different true captions of a scene in random order, one of them naming most of it."""
    chosen = [_whole(scene, rng)]
    facts = [_interaction, _sign] + [_thing, _count, _relation, _place, _setting] * 2
    rng.shuffle(facts)
    # The rarer facts come first in half of the scenes, else the many plain captions would crowd them out.
    if rng.random() < 0.5:
        facts.sort(key=lambda fact: fact not in (_interaction, _sign))
    while len(chosen) < PER_IMAGE:
        for fact in facts:
            caption = fact(scene, rng)
            if caption is not None and caption not in chosen and len(chosen) < PER_IMAGE:
                chosen.append(caption)
    rng.shuffle(chosen)
    return chosen


def _thing(scene: Scene, rng: random.Random) -> Caption:
    phrase = mention(rng.choice(scene.things), some_attributes(rng, 0.6))
    forms = (
        phrase,
        phrase,
        f"there is {phrase}",
        f"a picture of {phrase}",
        f"{phrase} {SETTING_PHRASE[scene.setting]}",
    )
    return sentence(rng.choice(forms))


def _count(scene: Scene, rng: random.Random) -> Caption:
    attributes = some_attributes(rng, 0.3)
    counts = Counter((described(thing, attributes), thing.kind) for thing in scene.things)
    several = [(noun, kind, count) for (noun, kind), count in counts.items() if count > 1]
    if not several:
        return None
    noun, kind, count = rng.choice(several)
    form = rng.choice(("{}", "there are {}", "{} " + SETTING_PHRASE[scene.setting]))
    return sentence(form.format(counted(count, noun, kind)))


def _relation(scene: Scene, rng: random.Random) -> Caption:
    pairs = [
        (first, second, name)
        for first in scene.things
        for second in scene.things
        if first.kind != second.kind and (name := relation(first, second)) is not None
    ]
    if not pairs:
        return None
    first, second, name = rng.choice(pairs)
    phrases = mention(first, some_attributes(rng, 0.3)), mention(second, some_attributes(rng, 0.3))
    return sentence(f"{phrases[0]} {rng.choice(('', 'is '))}{RELATIONS[name]} {phrases[1]}")


def _place(scene: Scene, rng: random.Random) -> Caption:
    placed = [(thing, place) for thing in scene.things if (place := place_of(thing)) is not None]
    if not placed:
        return None
    thing, place = rng.choice(placed)
    phrase = mention(thing, some_attributes(rng, 0.4))
    return sentence(f"{phrase} {rng.choice(('', 'is '))}{in_place(place)}")


def _interaction(scene: Scene, rng: random.Random) -> Caption:
    if scene.interaction is None:
        return None
    subject = mention(scene.things[scene.interaction.subject], some_attributes(rng, 0.4))
    other = mention(scene.things[scene.interaction.object], some_attributes(rng, 0.4))
    return sentence(f"{subject} {INTERACTIONS[scene.interaction.name]} {other}")


def _sign(scene: Scene, rng: random.Random) -> Caption:
    if scene.sign is None:
        return None
    where = SETTING_PHRASE[scene.setting]
    form = rng.choice(("a sign that says {}", "a sign with the word {}", "a sign " + where + " says {}"))
    return sentence(form.format(scene.sign.word))


def _setting(scene: Scene, rng: random.Random) -> Caption:
    kind = rng.choice(scene.things).kind
    count = scene.count(kind)
    phrase = with_article(kind) if count == 1 else f"{NUMBERS[count]} {plural(kind)}"
    return sentence(
        rng.choice((f"{with_article(scene.setting)} scene with {phrase}", f"{phrase} {SETTING_PHRASE[scene.setting]}"))
    )


def _whole(scene: Scene, rng: random.Random) -> str:
    """Return the long caption: the setting, the things with their colours, counted, and the sign."""
    attributes = ["colour", *(name for name in ("size", "texture") if rng.random() < 0.3)]
    counts = Counter((described(thing, attributes), thing.kind) for thing in scene.things)
    phrases = [counted(count, noun, kind) for (noun, kind), count in counts.items()]
    rng.shuffle(phrases)
    if scene.sign is not None:
        phrases.append(f"a sign that says {scene.sign.word}")
    things = listed(phrases)
    forms = (
        f"{with_article(scene.setting)} scene with {things}",
        f"{things} {SETTING_PHRASE[scene.setting]}",
        f"a picture of {things}",
    )
    return sentence(rng.choice(forms))


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
