"""Texts about a scene: captions as people write them, and documents that describe a scene whole and ask about it.

Captions are short, true, and each leaves something out. Documents are what the language models are pre-trained on: a
scene in full, then questions that the text answers. Sentences are capitalised and end in a full stop.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from vlit.mini.world.facts import Fact
from vlit.mini.world.questions import told_facts, worded
from vlit.mini.world.scene import (
    THING_ATTRIBUTES,
    Scene,
    Thing,
    described,
    place_of,
    referring_expression,
    relation_between,
)
from vlit.mini.world.statements import stated
from vlit.mini.world.vocabulary import (
    INTERACTIONS,
    NUMBERS,
    RELATIONS,
    SETTING_KNOWLEDGE,
    SETTING_NOUN,
    SETTING_PHRASE,
    capitalised,
    in_place,
    interaction_clause,
    listed,
    plural,
    sentence,
    with_article,
)
from vlit.mini.world.wordings import READ

CAPTIONS = 5  # of an image, as in COCO
Caption = str | None  # None: the scene has no such fact


def scene_captions(scene: Scene, rng: random.Random) -> list[str]:
    """Return five different true captions of a scene in random order, one of them naming most of it."""
    chosen = [_whole(scene, rng)]
    facts = [_interaction, _sign] + [_thing, _count, _relation, _place, _setting] * 2
    rng.shuffle(facts)
    # The rarer facts come first in half of the scenes, else the many plain captions would crowd them out.
    if rng.random() < 0.5:
        facts.sort(key=lambda fact: fact not in (_interaction, _sign))
    while len(chosen) < CAPTIONS:
        for fact in facts:
            caption = fact(scene, rng)
            if caption is not None and caption not in chosen and len(chosen) < CAPTIONS:
                chosen.append(caption)
    rng.shuffle(chosen)
    return chosen


def _thing(scene: Scene, rng: random.Random) -> Caption:
    phrase = _mention(rng.choice(scene.things), _some_attributes(rng, 0.6))
    forms = (
        phrase,
        phrase,
        f"there is {phrase}",
        f"a picture of {phrase}",
        f"{phrase} {SETTING_PHRASE[scene.setting]}",
    )
    return sentence(rng.choice(forms))


def _count(scene: Scene, rng: random.Random) -> Caption:
    attributes = _some_attributes(rng, 0.3)
    counts = Counter((described(thing, attributes), thing.kind) for thing in scene.things)
    several = [(noun, kind, count) for (noun, kind), count in counts.items() if count > 1]
    if not several:
        return None
    noun, kind, count = rng.choice(several)
    form = rng.choice(("{}", "there are {}", "{} " + SETTING_PHRASE[scene.setting]))
    return sentence(form.format(_counted(count, noun, kind)))


def _relation(scene: Scene, rng: random.Random) -> Caption:
    pairs = [
        (first, second, name)
        for first in scene.things
        for second in scene.things
        if first.kind != second.kind and (name := relation_between(first, second)) is not None
    ]
    if not pairs:
        return None
    first, second, name = rng.choice(pairs)
    phrases = _mention(first, _some_attributes(rng, 0.3)), _mention(second, _some_attributes(rng, 0.3))
    return sentence(f"{phrases[0]} {rng.choice(('', 'is '))}{RELATIONS[name]} {phrases[1]}")


def _place(scene: Scene, rng: random.Random) -> Caption:
    placed = [(thing, place) for thing in scene.things if (place := place_of(thing)) is not None]
    if not placed:
        return None
    thing, place = rng.choice(placed)
    phrase = _mention(thing, _some_attributes(rng, 0.4))
    return sentence(f"{phrase} {rng.choice(('', 'is '))}{in_place(place)}")


def _interaction(scene: Scene, rng: random.Random) -> Caption:
    if scene.interaction is None:
        return None
    subject = _mention(scene.things[scene.interaction.subject], _some_attributes(rng, 0.4))
    other = _mention(scene.things[scene.interaction.object], _some_attributes(rng, 0.4))
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
    phrases = [_counted(count, noun, kind) for (noun, kind), count in counts.items()]
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


def _some_attributes(rng: random.Random, chance: float) -> list[str]:
    return [name for name in THING_ATTRIBUTES if rng.random() < chance]


def _mention(thing: Thing, attributes: Sequence[str] = THING_ATTRIBUTES) -> str:
    """Return "a small striped red cup": a thing with an article and some of its attributes."""
    return with_article(described(thing, attributes))


def _counted(count: int, noun: str, kind: str) -> str:
    """Return "a red cup" or "three red cups" for a count and the noun phrase "red cup" of a kind."""
    return with_article(noun) if count == 1 else f"{NUMBERS[count]} {noun.removesuffix(kind)}{plural(kind)}"


LONGEST_PARAGRAPH = 9  # sentences; relations that are asked for may be more
PER_DIMENSION = 3  # facts that a document asks for, of each of the benchmark's dimensions, at most
DOCUMENT_FACTS = (8, 12)  # least and most in all
SHORT_THINGS = (1, 3)  # least and most things that a short document is about
SHORT_FACTS = (4, 8)  # least and most
EXTRA_CHANCE = 0.4  # of each sentence that follows from others


def description(scene: Scene, rng: random.Random) -> str:
    """Return a paragraph with all of a scene, and some of what follows from it."""
    return _paragraph(_description(scene, rng), scene, rng)


def short_document(scene: Scene, rng: random.Random) -> str:
    """Return a document, as `document` does, about a scene with a few of this one's things.

    Looking things up is learned in texts this short within a thousand small batches, in long ones not within many.
    """
    kept = sorted(rng.sample(range(len(scene.things)), min(rng.randint(*SHORT_THINGS), len(scene.things))))
    pair = scene.interaction
    if pair is not None:
        both = pair.subject in kept and pair.object in kept
        pair = replace(pair, subject=kept.index(pair.subject), object=kept.index(pair.object)) if both else None
    things = tuple(scene.things[index] for index in kept)
    return document(replace(scene, things=things, interaction=pair), rng, SHORT_FACTS)


def document(scene: Scene, rng: random.Random, facts: tuple[int, int] = DOCUMENT_FACTS) -> str:
    """Return a paragraph of true sentences about a scene, then questions about it with answers, or statements.

    Half of the documents have statements, each a line with a tab before what it says.
    Every fact that is asked for is in the paragraph, or follows from it as it does from the picture: how many
    things of a kind there are, or would be without some of them, and what is useful in a setting.

    Args:
        scene: the scene.
        rng: source of facts and wordings.
        facts: least and most facts.
    """
    by_dimension: defaultdict[str, list[Fact]] = defaultdict(list)
    for fact in told_facts(scene, rng):
        by_dimension[fact.dimension].append(fact)
    chosen = [fact for some in by_dimension.values() for fact in rng.sample(some, min(PER_DIMENSION, len(some)))]
    rng.shuffle(chosen)
    chosen = chosen[: rng.randint(*facts)]
    paragraph = _description(scene, rng)
    paragraph += dict.fromkeys(fact.sentence for fact in chosen if fact.dimension == "SR")
    asks = rng.random() < 0.5
    lines = (_question_and_answer(fact, rng) if asks else _statement(fact) for fact in chosen)
    return f"{_paragraph(paragraph, scene, rng)}\n{''.join(lines)}"


def _paragraph(sentences: list[str], scene: Scene, rng: random.Random) -> str:
    """Return sentences and some that follow from the description, in random order."""
    extras = [text for text in _extras(scene) if rng.random() < EXTRA_CHANCE]
    shuffled = [*sentences, *extras[: max(0, LONGEST_PARAGRAPH - len(sentences))]]
    rng.shuffle(shuffled)
    return " ".join(shuffled)


def _description(scene: Scene, rng: random.Random) -> list[str]:
    """Return sentences with all of a scene; at most `LONGEST_PARAGRAPH`, as a scene has at most six things."""
    noun, where = SETTING_NOUN[scene.setting], SETTING_PHRASE[scene.setting]
    sentences = [rng.choice((f"The setting is {noun}.", f"This picture was taken {where}.", f"The scene is {where}."))]
    sentences += [_thing_sentence(thing, rng) for thing in scene.things]
    if scene.interaction is not None:
        subject, other = _name(scene, scene.interaction.subject), _name(scene, scene.interaction.object)
        sentences.append(sentence(interaction_clause(subject, scene.interaction.name, other)))
    if scene.sign is not None:
        word = scene.sign.word
        sentences.append(
            rng.choice((f"A sign says {word}.", f"There is a sign that says {word}.", f"The sign says {word}."))
        )
    return sentences


def _thing_sentence(thing: Thing, rng: random.Random) -> str:
    """Return a sentence with everything a thing is: size, texture, colour, kind, and its place if it has one."""
    whole, place = _mention(thing), place_of(thing)
    if place is None:
        return rng.choice((f"There is {whole}.", f"The image shows {whole}.", sentence(f"{whole} can be seen")))
    where = in_place(place)
    return rng.choice(
        (f"There is {whole} {where}.", sentence(f"{whole} is {where}"), f"{capitalised(where)} is {whole}.")
    )


def _name(scene: Scene, index: int) -> str:
    """Return the shortest phrase that names a thing alone, or its whole description where none does."""
    return referring_expression(scene, index) or f"the {described(scene.things[index])}"


def _extras(scene: Scene) -> list[str]:
    """Return sentences that follow from the description."""
    sentences = [sentence(f"{SETTING_KNOWLEDGE[scene.setting]} is most useful {SETTING_PHRASE[scene.setting]}")]
    counts = Counter(thing.kind for thing in scene.things)
    sentences += [f"There are {NUMBERS[count]} {plural(kind)}." for kind, count in counts.items() if count > 1]
    return sentences


def _question_and_answer(fact: Fact, rng: random.Random) -> str:
    qa = worded(fact, rng.choice(READ[fact.type]))
    return f"Question: {qa.question}\nAnswer: {rng.choice((qa.answer, qa.sentence))}\n"


def _statement(fact: Fact) -> str:
    said = stated(fact)
    return f"{said.opening}\t{said.value}.\n"
