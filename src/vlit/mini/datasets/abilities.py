"""Writers of the questions of the nine abilities, each from an image's facts.

A writer returns None where the annotations do not contain what its question needs, so the questions of a dataset follow
from the sources that it reads (`ImageAnnotations.restricted`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from itertools import permutations
from random import Random
from typing import TypeVar

from vlit.construct.sources.image import AnnotatedObject
from vlit.mini.datasets import phrases
from vlit.mini.datasets.conversations import ExchangeWriter
from vlit.mini.datasets.image_facts import ATTRIBUTE_VALUES, ImageFacts
from vlit.mini.datasets.phrases import Exchange, Phrasing
from vlit.mini.world.vocabulary import (
    COLOURS,
    CONTAINER,
    NUMBERS,
    PLACES,
    RELATIONS,
    SETTING_KNOWLEDGE,
    SETTING_NOUN,
    SETTING_PHRASE,
    THING_KINDS,
    WORDS,
    interaction_clause,
    plural,
    with_article,
)

_Value = TypeVar("_Value")
_ATTRIBUTE_PHRASING = {"colour": phrases.COLOUR, "texture": phrases.TEXTURE, "size": phrases.SIZE}
MAX_ALTERNATIVES = 3
_SEVERAL_SHARE = 0.7  # of the counting questions, where an image has several of a kind
Named = tuple[AnnotatedObject, str]  # an object and the phrase that names it in the text


def some(rng: Random, values: Collection[_Value], exclude: Collection[_Value] = ()) -> list[_Value]:
    """Return up to `MAX_ALTERNATIVES` random ones of the values that are not excluded."""
    others = [value for value in values if value not in exclude]
    return rng.sample(others, min(MAX_ALTERNATIVES, len(others)))


def other_counts(rng: Random, count: int, least: int = 1) -> list[int]:
    """Return wrong counts for `count`: one or two off, from `least` to the last that has a number word."""
    most = max(count, len(NUMBERS) - 1)
    return some(rng, range(max(least, count - 2), min(most, count + 2) + 1), (count,))


def choose(rng: Random, values: Sequence[_Value]) -> _Value | None:
    """Return a random one of the values; None if there is none."""
    return rng.choice(values) if values else None


def setting(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Write "Which backdrop do you see?"."""
    if facts.setting is None:
        return None
    if rng.random() < 0.5:
        return phrases.SETTING.exchange("setting", rng, short, (), {"value": SETTING_NOUN[facts.setting]})
    return phrases.TAKEN.exchange("setting", rng, short, (), {"value": SETTING_PHRASE[facts.setting]})


def object_at(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Write "Which thing do you find in the upper left?"."""
    found = [(place, thing) for place in PLACES if (thing := facts.object_at(place)) is not None]
    if not found:
        return None
    place, thing = rng.choice(found)
    return identity_of(phrases.OBJECT_AT, facts, rng, short, (place,), kind=thing.kind)


def object_of_colour(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Write "What kind of thing is red?"."""
    found = [(colour, thing) for colour in COLOURS if (thing := facts.object_of(colour)) is not None]
    if not found:
        return None
    colour, thing = rng.choice(found)
    return identity_of(phrases.OF_COLOUR, facts, rng, short, (colour,), kind=thing.kind)


def identity_of(
    phrasing: Phrasing, facts: ImageFacts, rng: Random, short: bool, slots: tuple[str, ...], *, kind: str
) -> Exchange:
    """Write a question about the kind of an object; the wrong answers are kinds that the image does not show."""
    right, *wrong = ({"value": with_article(name)} for name in [kind, *some(rng, facts.absent(THING_KINDS))])
    return phrasing.exchange("identity", rng, short, slots, right, wrong=wrong, error="object")


def listing(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Write "What objects are in the image?"."""
    if not facts.counts:
        return None
    invented = [{**facts.counts, kind: 1} for kind in some(rng, facts.absent(THING_KINDS))]
    right, *wrong = ({"value": phrases.inventory(counts)} for counts in [facts.counts, *invented])
    return phrases.LISTING.exchange("identity", rng, short, (), right, wrong=wrong, error="object")


def attribute_of(facts: ImageFacts, rng: Random, short: bool, named: Named, attribute_type: str) -> Exchange | None:
    """Write a question about one attribute (a key of `ATTRIBUTE_VALUES`) of one object."""
    value = facts.value(named[0], attribute_type)
    if value is None:
        return None
    wrong = [{"value": other} for other in some(rng, ATTRIBUTE_VALUES[attribute_type], (value,))]
    phrasing = _ATTRIBUTE_PHRASING[attribute_type]
    return phrasing.exchange("attribute", rng, short, named[1:], {"value": value}, wrong=wrong, error="attribute")


def attribute(attribute_type: str) -> ExchangeWriter:
    """Return the writer of questions about an attribute of an object that can be named without it."""

    def write(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
        named = choose(rng, [named for named in facts.named({attribute_type}) if facts.value(named[0], attribute_type)])
        return attribute_of(facts, rng, short, named, attribute_type) if named else None

    return write


def look(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Write "In what size and color is the cup shown?"."""
    known = [
        (name, size, colour)
        for thing, name in facts.named({"size", "colour"})
        if (size := facts.value(thing, "size")) and (colour := facts.value(thing, "colour"))
    ]
    if not known:
        return None
    name, size, colour = rng.choice(known)
    right, *wrong = ({"value": f"{size} and {other}"} for other in [colour, *some(rng, COLOURS, (colour,))])
    return phrases.LOOK.exchange("attribute", rng, short, (name,), right, wrong=wrong, error="attribute")


def location_of(facts: ImageFacts, rng: Random, short: bool, named: Named) -> Exchange | None:
    """Write a question about the place of one object."""
    place = facts.place(named[0])
    if place is None:
        return None
    right, *wrong = ({"value": other} for other in [place, *some(rng, PLACES, (place,))])
    return phrases.LOCATION.exchange("location", rng, short, named[1:], right, wrong=wrong, error="location")


def location(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Write "Can you tell me where to find the cat?"."""
    named = choose(rng, [named for named in facts.named() if facts.place(named[0])])
    return location_of(facts, rng, short, named) if named else None


def counting_of(facts: ImageFacts, rng: Random, short: bool, kind: str) -> Exchange:
    """Write a question about the number of objects of a kind."""

    def fields(count: int) -> dict[str, str]:
        many = count != 1
        noun = plural(kind) if many else kind
        return {"value": phrases.number_word(count), "be": "are" if many else "is", "noun": noun}

    count = facts.counts[kind]
    right, *wrong = map(fields, [count, *other_counts(rng, count)])
    return phrases.COUNTING.exchange("counting", rng, short, (plural(kind),), right, wrong=wrong, error="count")


def counting(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Write "How many apples do you find?", mostly of a kind there are several of, as people would."""
    several = [kind for kind, count in facts.counts.items() if count > 1]
    kind = choose(rng, several if several and rng.random() < _SEVERAL_SHARE else list(facts.counts))
    return counting_of(facts, rng, short, kind) if kind else None


def relation_of(facts: ImageFacts, rng: Random, short: bool, subject: Named, reference: Named) -> Exchange | None:
    """Write a question about where one object is relative to another."""
    relation = facts.relation(subject[0], reference[0])
    if relation is None:
        return None
    right, *wrong = ({"value": RELATIONS[other]} for other in [relation, *some(rng, RELATIONS, (relation,))])
    slots = (subject[1], reference[1])
    return phrases.RELATION.exchange("spatial relation", rng, short, slots, right, wrong=wrong, error="location")


def spatial_relation(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Write "On which side of the car is the cup?"."""
    pairs = [pair for pair in permutations(facts.named(), 2) if facts.relation(pair[0][0], pair[1][0])]
    pair = choose(rng, pairs)
    return relation_of(facts, rng, short, *pair) if pair else None


def interaction(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Write "What connects the cup and the box?"."""
    known = facts.interaction
    if known is None:
        return None
    slots = [f"the {known.subject}", f"the {known.object}"]
    right = {"value": interaction_clause(slots[0], known.name, slots[1])}
    if CONTAINER in (known.subject, known.object):
        slots.sort(key=f"the {CONTAINER}".__eq__)  # the box comes second, whichever is the subject
    return phrases.INTERACTION.exchange("interaction", rng, short, slots, right)


def most_frequent(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Write "Of which kind of object are there the most?"."""
    kind = facts.most_frequent
    if kind is None:
        return None
    fewer = [other for other in facts.counts if other != kind] or facts.absent(THING_KINDS)
    right, *wrong = ({"value": plural(other)} for other in [kind, *some(rng, fewer)])
    return phrases.MOST_FREQUENT.exchange("reasoning", rng, short, (), right, wrong=wrong, error="object")


def useful(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Write "What would you pack for this place?"."""
    if facts.setting is None:
        return None
    right = {"value": SETTING_KNOWLEDGE[facts.setting], "phrase": SETTING_PHRASE[facts.setting]}
    return phrases.USEFUL.exchange("reasoning", rng, short, (), right)


def left(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Write "Can you count the things that are not red?", unless a sign may count as one."""
    colours = Counter(thing.colour for thing in facts.scene.things)
    if len(colours) < 2 or not facts.all_coloured or facts.annotations.words:
        return None
    colour = rng.choice(list(colours))
    taken, total = colours[colour], sum(colours.values())
    given = {
        "taken": phrases.number_word(taken),
        "total": phrases.number_word(total),
        "be": "is" if taken == 1 else "are",
    }
    counts = [total - taken, *other_counts(rng, total - taken)]
    right, *wrong = ({"value": phrases.number_word(count), **given} for count in counts)
    return phrases.LEFT.exchange("reasoning", rng, short, (colour,), right, wrong=wrong, error="count")


def known_for(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Write "What are umbrellas known for?"."""
    kind = choose(rng, [kind for kind in facts.counts if kind in phrases.KNOWLEDGE])
    return known_for_of(rng, short, kind, plural(kind)) if kind else None


def known_for_of(rng: Random, short: bool, kind: str, names: str) -> Exchange | None:
    """Write a question about what a kind of object, called `names` in the text, is known for: no image shows it."""
    if kind not in phrases.KNOWLEDGE:
        return None
    right = {"value": phrases.KNOWLEDGE[kind]}
    return phrases.KNOWN_FOR.exchange("reasoning", rng, short, (names,), right)


def text(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Write "Can you read the sign?"."""
    if facts.word is None:
        return None
    right, *wrong = ({"value": word} for word in [facts.word, *some(rng, WORDS, (facts.word,))])
    return phrases.TEXT.exchange("text", rng, short, (), right, wrong=wrong, error="text")


ABILITY_WRITERS: dict[str, tuple[ExchangeWriter, ...]] = {
    "setting": (setting,),
    "identity": (object_at, object_of_colour, listing),
    "attribute": (*(attribute(attribute_type) for attribute_type in ATTRIBUTE_VALUES), look),
    "location": (location,),
    "counting": (counting,),
    "spatial relation": (spatial_relation,),
    "interaction": (interaction,),
    "reasoning": (most_frequent, useful, left, known_for),
    "text": (text,),
}
