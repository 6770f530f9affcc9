"""The questions of the nine abilities, each worked out from an image's facts.

A writer gives None where the annotations do not carry its question, so what a dataset asks follows from the sources
it is shown (`ImageAnnotations.restricted`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import permutations
from random import Random
from typing import TypeVar

from vlit.construct import phrases
from vlit.construct.annotations import AnnotatedObject
from vlit.construct.exchange import Exchange, Writer
from vlit.construct.facts import ATTRIBUTE_VALUES, ImageFacts
from vlit.world.vocabulary import (
    INTERACTIONS,
    KINDS,
    NUMBERS,
    PLACES,
    RELATIONS,
    SETTING_KNOWLEDGE,
    SETTING_PHRASE,
    WORDS,
    plural,
    with_article,
)
from vlit.world.wording import SETTING_NOUN

Value = TypeVar("Value")
ATTRIBUTE_PHRASING = {"colour": phrases.COLOUR, "texture": phrases.TEXTURE, "size": phrases.SIZE}
MAX_ALTERNATIVES = 3


def some(rng: Random, values: Collection[Value], exclude: Collection[Value] = ()) -> list[Value]:
    """Pick up to `MAX_ALTERNATIVES` of the values that are not excluded."""
    others = [value for value in values if value not in exclude]
    return rng.sample(others, min(MAX_ALTERNATIVES, len(others)))


def other_counts(rng: Random, count: int, least: int = 1) -> list[int]:
    """Counts one miscounts `count` to: one or two off, from `least` to the last that has a number word."""
    most = max(count, len(NUMBERS) - 1)
    return some(rng, range(max(least, count - 2), min(most, count + 2) + 1), (count,))


def choose(rng: Random, values: Sequence[Value]) -> Value | None:
    """Pick one of the values; None if there is none."""
    return rng.choice(values) if values else None


def setting(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """What is the setting of this image?"""
    if facts.setting is None:
        return None
    right = {"value": SETTING_NOUN[facts.setting], "phrase": SETTING_PHRASE[facts.setting]}
    return phrases.SETTING.exchange("setting", rng, short, {}, right)


def object_at(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """What object is in the upper left of the image?"""
    found = [(place, thing) for place in PLACES if (thing := facts.object_at(place)) is not None]
    if not found:
        return None
    place, thing = rng.choice(found)
    right, *wrong = (
        {"value": kind, "article_value": with_article(kind)} for kind in [thing.kind, *some(rng, facts.absent(KINDS))]
    )
    asked = {"place": place}
    return phrases.OBJECT_AT.exchange("identity", rng, short, asked, right, wrong=wrong, error="object")


def listing(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """What objects are in the image?"""
    if not facts.counts:
        return None

    def fields(counts: dict[str, int]) -> dict[str, str]:
        first = next(iter(counts.values()))
        return {"value": phrases.inventory(counts), "be": "is" if first == 1 else "are"}

    invented = [{**facts.counts, kind: 1} for kind in some(rng, facts.absent(KINDS))]
    wrong = [fields(counts) for counts in invented]
    return phrases.LISTING.exchange("identity", rng, short, {}, fields(facts.counts), wrong=wrong, error="object")


def attribute_of(
    facts: ImageFacts, rng: Random, short: bool, thing: AnnotatedObject, attribute_type: str, *, name: str
) -> Exchange | None:
    """Ask for one attribute (a key of `ATTRIBUTE_VALUES`) of one object, called `name` in the text."""
    value = facts.value(thing, attribute_type)
    if value is None:
        return None
    wrong = [{"value": other} for other in some(rng, ATTRIBUTE_VALUES[attribute_type], (value,))]
    phrasing = ATTRIBUTE_PHRASING[attribute_type]
    return phrasing.exchange("attribute", rng, short, {"kind": name}, {"value": value}, wrong=wrong, error="attribute")


def attribute(attribute_type: str) -> Writer:
    """Make the writer for an attribute of an object that can be named without it."""

    def write(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
        asked = [pair for pair in facts.named({attribute_type}) if facts.value(pair[0], attribute_type)]
        if not asked:
            return None
        thing, name = rng.choice(asked)
        return attribute_of(facts, rng, short, thing, attribute_type, name=name)

    return write


def location_of(facts: ImageFacts, rng: Random, short: bool, thing: AnnotatedObject, name: str) -> Exchange | None:
    """Ask for the place of one object, called `name` in the text."""
    place = facts.place(thing)
    if place is None:
        return None
    wrong = [{"value": other} for other in some(rng, PLACES, (place,))]
    asked, right = {"kind": name}, {"value": place}
    return phrases.LOCATION.exchange("location", rng, short, asked, right, wrong=wrong, error="location")


def location(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Where is the cat in the image?"""
    pair = choose(rng, [pair for pair in facts.named() if facts.place(pair[0])])
    return location_of(facts, rng, short, *pair) if pair else None


def counting_of(facts: ImageFacts, rng: Random, short: bool, kind: str) -> Exchange:
    """Ask for the number of objects of a kind."""

    def fields(count: int) -> dict[str, str]:
        many = count != 1
        noun = plural(kind) if many else kind
        return {"value": phrases.number(count), "be": "are" if many else "is", "noun": noun}

    count = facts.counts[kind]
    right, *wrong = map(fields, [count, *other_counts(rng, count)])
    asked = {"kinds": plural(kind)}
    return phrases.COUNTING.exchange("counting", rng, short, asked, right, wrong=wrong, error="count")


def counting(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """How many apples are in the image?"""
    several = [kind for kind, count in facts.counts.items() if count > 1]
    kind = choose(rng, several if several and rng.random() < 0.7 else list(facts.counts))
    return counting_of(facts, rng, short, kind) if kind else None


Named = tuple[AnnotatedObject, str]  # an object and what it is called in the text


def relation_of(facts: ImageFacts, rng: Random, short: bool, subject: Named, reference: Named) -> Exchange | None:
    """Ask how one object lies to another."""
    relation = facts.relation(subject[0], reference[0])
    if relation is None:
        return None
    wrong = [{"value": RELATIONS[other]} for other in some(rng, RELATIONS, (relation,))]
    asked, right = {"kind": subject[1], "reference": reference[1]}, {"value": RELATIONS[relation]}
    return phrases.RELATION.exchange("spatial relation", rng, short, asked, right, wrong=wrong, error="location")


def spatial_relation(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Where is the cup relative to the car?"""
    pairs = [pair for pair in permutations(facts.named(), 2) if facts.relation(pair[0][0], pair[1][0])]
    pair = choose(rng, pairs)
    return relation_of(facts, rng, short, *pair) if pair else None


def interaction(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """What is the relation between the cup and the box?"""
    known = facts.interaction
    if known is None:
        return None
    asked = {"kind": known.subject, "reference": known.object}
    return phrases.INTERACTION.exchange("interaction", rng, short, asked, {"value": INTERACTIONS[known.name]})


def most_frequent(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Which kind of object appears most often?"""
    kind = facts.most_frequent
    if kind is None:
        return None
    fewer = [other for other in facts.counts if other != kind] or facts.absent(KINDS)
    right, *wrong = ({"value": other, "values": plural(other)} for other in [kind, *some(rng, fewer)])
    return phrases.MOST_FREQUENT.exchange("reasoning", rng, short, {}, right, wrong=wrong, error="object")


def bring(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """What would be most useful to bring here?"""
    if facts.setting is None:
        return None
    right = {"value": SETTING_KNOWLEDGE[facts.setting], "phrase": SETTING_PHRASE[facts.setting]}
    return phrases.BRING.exchange("reasoning", rng, short, {}, right)


def taken_away(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """How many objects would be left if all red objects were taken away?"""
    colours = [facts.value(thing, "colour") for thing in facts.annotations.objects]
    known = [colour for colour in colours if colour is not None]
    colour = choose(rng, known)
    if colour is None or len(known) < len(colours):
        return None
    taken = known.count(colour)
    asked = {"colour": colour, "taken": phrases.number(taken), "total": phrases.number(len(known))}
    asked["be"] = "is" if taken == 1 else "are"
    left = len(known) - taken
    right, *wrong = ({"value": phrases.number(count)} for count in [left, *other_counts(rng, left, least=0)])
    return phrases.TAKEN_AWAY.exchange("reasoning", rng, short, asked, right, wrong=wrong, error="count")


def known_for(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """What are umbrellas known for?"""
    kind = choose(rng, [kind for kind in facts.counts if kind in phrases.KNOWLEDGE])
    return known_for_of(rng, short, kind, plural(kind)) if kind else None


def known_for_of(rng: Random, short: bool, kind: str, names: str) -> Exchange | None:
    """Ask what a kind of object, called `names` in the text, is known for: no image shows it."""
    if kind not in phrases.KNOWLEDGE:
        return None
    right = {"value": phrases.KNOWLEDGE[kind]}
    return phrases.KNOWN_FOR.exchange("reasoning", rng, short, {"kinds": names}, right)


def text(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """What word is written on the sign?"""
    if facts.word is None:
        return None
    wrong = [{"value": other} for other in some(rng, WORDS, (facts.word,))]
    return phrases.TEXT.exchange("text", rng, short, {}, {"value": facts.word}, wrong=wrong, error="text")


WRITERS: dict[str, tuple[Writer, ...]] = {
    "setting": (setting,),
    "identity": (object_at, object_at, listing),  # the benchmark's question twice as often as the list
    "attribute": tuple(attribute(name) for name in ATTRIBUTE_VALUES),
    "location": (location,),
    "counting": (counting,),
    "spatial relation": (spatial_relation,),
    "interaction": (interaction,),
    "reasoning": (most_frequent, bring, taken_away, known_for),
    "text": (text,),
}
