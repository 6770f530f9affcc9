"""How facts are put in words: the phrases and sentences that captions, answers and documents share.

Sentences are capitalised and end in a full stop. Numbers are words; sizes, textures and colours stand before a noun in
this order ("a small striped red cup"); spelling is American.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from vlit.mini.world.facts import ATTRIBUTES, described, place_of, reference
from vlit.mini.world.scene import Scene, Thing
from vlit.mini.world.vocabulary import INTERACTIONS, NUMBERS, RELATIONS, plural, with_article

SETTING_NOUN: dict[str, str] = {
    "beach": "a beach",
    "forest": "a forest",
    "street": "a street",
    "kitchen": "a kitchen",
    "desert": "a desert",
    "snow": "the snow",
    "ocean": "the ocean",
    "night": "the night sky",
}


def sentence(text: str) -> str:
    """Capitalise a text and end it with a full stop."""
    return capitalised(text) + "."


def capitalised(text: str) -> str:
    """Make the first letter a capital and leave the others."""
    return text[0].upper() + text[1:]


def listed(phrases: Sequence[str]) -> str:
    """Join phrases: "a cup", "a cup and a car", "a cup, a car and a cat"."""
    if len(phrases) < 2:
        return "".join(phrases)
    return ", ".join(phrases[:-1]) + " and " + phrases[-1]


def in_place(place: str) -> str:
    """Return "in the upper left" for "upper left"."""
    return f"in the {place}"


def counted(count: int, noun: str, kind: str) -> str:
    """Return "a red cup" or "three red cups" for a count and the noun phrase "red cup" of a kind."""
    return with_article(noun) if count == 1 else f"{NUMBERS[count]} {noun.removesuffix(kind)}{plural(kind)}"


def some_attributes(rng: random.Random, chance: float = 0.5) -> list[str]:
    """Return the names of a random part of a thing's attributes."""
    return [name for name in ATTRIBUTES if rng.random() < chance]


def mention(thing: Thing, attributes: Sequence[str] = ATTRIBUTES) -> str:
    """Return "a small striped red cup": a thing with an article and some of its attributes."""
    return with_article(described(thing, attributes))


def interaction_clause(subject: str, name: str, object: str) -> str:
    """Return "the cup is inside the box" for two references and a key of `INTERACTIONS`."""
    return f"{subject} {INTERACTIONS[name]} {object}"


def relation_clause(subject: str, relation: str, other: str) -> str:
    """Return "the cup is to the left of the car" for two references and a key of `RELATIONS`."""
    return f"{subject} is {RELATIONS[relation]} {other}"


def name_of(scene: Scene, index: int) -> str:
    """Return the shortest phrase that names a thing alone, or its whole description where none does."""
    return reference(scene, index) or f"the {described(scene.things[index], ATTRIBUTES)}"


def thing_sentence(thing: Thing, rng: random.Random) -> str:
    """Return a sentence with everything a thing is: size, texture, colour, kind, and its place if it has one."""
    whole, place = mention(thing), place_of(thing)
    if place is None:
        return rng.choice((f"There is {whole}.", f"The image shows {whole}.", sentence(f"{whole} can be seen")))
    where = in_place(place)
    return rng.choice(
        (f"There is {whole} {where}.", sentence(f"{whole} is {where}"), f"{capitalised(where)} is {whole}.")
    )
