"""Captions as people write them: short, true, and each leaving something out."""

from __future__ import annotations

import random
from collections import Counter

from vlit.world.facts import described, place_of, relation
from vlit.world.scene import Scene
from vlit.world.vocabulary import INTERACTIONS, NUMBERS, RELATIONS, SETTING_PHRASE, plural, with_article
from vlit.world.wording import counted, in_place, listed, mention, sentence, some_attributes

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
