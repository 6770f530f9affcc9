"""Conversations about the object circled by a square box (paper section A.2.2), and the images with that box."""

from __future__ import annotations

from random import Random

from vlit.construct.region_images import corners
from vlit.construct.sources.image import AnnotatedObject, Word
from vlit.mini.datasets import abilities
from vlit.mini.datasets.exchange import Exchange, Phrasing, Repertoire
from vlit.mini.datasets.facts import ATTRIBUTE_VALUES, ImageFacts
from vlit.mini.world.vocabulary import WORDS

# Not "the object in the box": a box is also a kind of object.
NAMES = (
    "the marked object",
    "the circled object",
    "the object in the marked square",
    "the object circled by the square",
)
WORD_NAMES = ("the marked word", "the circled word", "the text in the marked square")

IDENTITY = Phrasing(
    ("What is {0}?", "Which kind of object is {0}?", "Can you name {0}?"),
    ("{0} is {value}.", "It is {value}."),
)
IDENTITY_WITH_CORNERS = Phrasing(("What is {0} {1}?", "Can you name {0} {1}?"), IDENTITY.sentences)
MARKED_WORD = Phrasing(
    ("What is {0}?", "Read {0}.", "Can you read {0}?"),
    ("{0} is {value}.", "It says {value}."),
)


def marked_object(facts: ImageFacts, rng: Random, short: bool, thing: AnnotatedObject, name: str) -> Exchange:
    """What is the marked object? One time in three with the box' corners in pixels."""
    phrasing = IDENTITY_WITH_CORNERS if rng.random() < 1 / 3 else IDENTITY
    return abilities.identity_of(phrasing, facts, rng, short, (name, corners(thing.box)), kind=thing.kind)


def marked_word(rng: Random, short: bool, word: Word) -> Exchange:
    """What is the marked word?"""
    right, *wrong = ({"value": text} for text in [word.text, *abilities.some(rng, WORDS, (word.text,))])
    return MARKED_WORD.exchange("text", rng, short, (rng.choice(WORD_NAMES),), right, wrong=wrong, error="text")


def repertoire(thing: AnnotatedObject, name: str) -> Repertoire:
    """Give what can be asked of one object that is marked and called `name`: no other of its kind is meant."""

    def attribute(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
        types = rng.sample(list(ATTRIBUTE_VALUES), len(ATTRIBUTE_VALUES))
        asked = (abilities.attribute_of(facts, rng, short, (thing, name), type_) for type_ in types)
        return next(filter(None, asked), None)

    def location(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
        return abilities.location_of(facts, rng, short, (thing, name))

    def counting(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
        return abilities.counting_of(facts, rng, short, thing.kind)

    def relation(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
        others = [other for other in facts.named() if other[0] != thing and facts.relation(thing, other[0])]
        other = abilities.choose(rng, others)
        return abilities.relation_of(facts, rng, short, (thing, name), other) if other else None

    def knowledge(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
        return abilities.known_for_of(rng, short, thing.kind, "objects like the marked one")

    return {
        "attribute": (attribute,),
        "location": (location,),
        "counting": (counting,),
        "spatial relation": (relation,),
        "reasoning": (knowledge,),
    }
