"""What questions about a scene can ask: every fact with one clear answer, in SEED-Bench's nine image dimensions.

A `Fact` follows from the scene alone, without chance, so the same function gives the answers when questions are written
for training and when a benchmark scene is checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import permutations

from vlit.mini.world.scene import (
    Scene,
    most_frequent_kind,
    only_of_colour,
    place_of,
    referring_expression,
    relation_between,
    thing_at,
)
from vlit.mini.world.vocabulary import (
    COLOURS,
    CONTAINER,
    NUMBERS,
    ORDINARY_KINDS,
    PLACES,
    RELATIONS,
    SETTING_KNOWLEDGE,
    SETTING_NOUN,
    SETTING_PHRASE,
    SETTINGS,
    SIZES,
    TEXTURES,
    THING_KINDS,
    WORDS,
    capitalised,
    in_place,
    interaction_clause,
    plural,
    relation_clause,
    sentence,
    with_article,
)

MOST_COUNTED = 5  # questions about counts have answers from one to five


@dataclass(frozen=True)
class Fact:
    """One fact that a question can be about.

    Attributes:
        dimension: short name of a SEED-Bench dimension.
        type: question type, a key of the tables in `wordings`.
        slots: what fills the wordings of the type.
        answer: short phrase, capitalised, without a full stop.
        sentence: the whole answer.
        pool: every answer the question could have, the right one included.
    """

    dimension: str
    type: str
    slots: tuple[str, ...]
    answer: str
    sentence: str
    pool: tuple[str, ...]


def scene_facts(scene: Scene) -> list[Fact]:
    """Return every fact of a scene that has one clear answer, in a fixed order."""
    facts = [*_setting(scene), *_identity(scene), *_attributes(scene), *_location(scene), *_counts(scene)]
    return [*facts, *_relations(scene), *_interaction(scene), *_reasoning(scene), *_text(scene)]


def capitals(phrases: Iterable[str]) -> tuple[str, ...]:
    """Return a pool of answers from phrases."""
    return tuple(capitalised(phrase) for phrase in phrases)


_PLACE_POOL = capitals(in_place(place) for place in PLACES)
_KIND_POOL = capitals(with_article(kind) for kind in ORDINARY_KINDS)
COUNT_POOL = capitals(NUMBERS[1 : MOST_COUNTED + 1])


def _setting(scene: Scene) -> Iterator[Fact]:
    noun, where = SETTING_NOUN[scene.setting], SETTING_PHRASE[scene.setting]
    yield Fact("SU", "setting", (), capitalised(noun), f"The setting is {noun}.", capitals(SETTING_NOUN.values()))
    whole = f"This picture was taken {where}."
    yield Fact("SU", "taken", (), capitalised(where), whole, capitals(SETTING_PHRASE.values()))


def _identity(scene: Scene) -> Iterator[Fact]:
    for place in PLACES:
        index = thing_at(scene, place)
        if index is not None and scene.things[index].kind != CONTAINER:
            answer = with_article(scene.things[index].kind)
            whole = sentence(f"{answer} is {in_place(place)}")
            yield Fact("II", "at", (place,), capitalised(answer), whole, _KIND_POOL)
    for colour in COLOURS:
        index = only_of_colour(scene, colour)
        if index is not None and scene.things[index].kind != CONTAINER:
            answer = with_article(scene.things[index].kind)
            whole = f"The {colour} object is {answer}."
            yield Fact("II", "coloured", (colour,), capitalised(answer), whole, _KIND_POOL)


def _attributes(scene: Scene) -> Iterator[Fact]:
    pools = {"colour": capitals(COLOURS), "texture": capitals(TEXTURES), "size": capitals(SIZES)}
    for index, thing in enumerate(scene.things):
        for attribute, pool in pools.items():
            if thing.kind == CONTAINER and attribute != "colour":
                continue  # boxes are all large and plain
            name = referring_expression(scene, index, without=(attribute,))
            if name is not None:
                value = getattr(thing, attribute)
                yield Fact("IA", attribute, (name,), capitalised(value), sentence(f"{name} is {value}"), pool)
        name = referring_expression(scene, index, without=("colour", "size"))
        if name is not None and thing.kind != CONTAINER:
            both = f"{thing.size} and {thing.colour}"
            pool = capitals(f"{size} and {colour}" for size in SIZES for colour in COLOURS)
            yield Fact("IA", "look", (name,), capitalised(both), sentence(f"{name} is {both}"), pool)


def _location(scene: Scene) -> Iterator[Fact]:
    for index, thing in enumerate(scene.things):
        name, place = referring_expression(scene, index), place_of(thing)
        if name is not None and place is not None:
            where = in_place(place)
            yield Fact("IL", "location", (name,), capitalised(where), sentence(f"{name} is {where}"), _PLACE_POOL)


def _counts(scene: Scene) -> Iterator[Fact]:
    for kind in THING_KINDS:
        count = scene.count(kind)
        if kind != CONTAINER and 1 <= count <= MOST_COUNTED:
            clause = f"there is one {kind}" if count == 1 else f"there are {NUMBERS[count]} {plural(kind)}"
            yield Fact("IC", "count", (plural(kind),), capitalised(NUMBERS[count]), sentence(clause), COUNT_POOL)


def _relations(scene: Scene) -> Iterator[Fact]:
    names = [referring_expression(scene, index) for index in range(len(scene.things))]
    for (first, name), (second, other) in permutations(enumerate(names), 2):
        where = relation_between(scene.things[first], scene.things[second])
        if where is not None and name is not None and other is not None:
            pool = capitals(f"{phrase} {other}" for phrase in RELATIONS.values())
            answer = capitalised(f"{RELATIONS[where]} {other}")
            yield Fact("SR", "relation", (name, other), answer, sentence(relation_clause(name, where, other)), pool)


def _interaction_pool(first: str, second: str) -> tuple[str, ...]:
    """Return the statements that can be true of two things, given their noun phrases."""
    clauses = [interaction_clause(first, name, second) for name in ("touching", "holding", "apart")]
    clauses.append(interaction_clause(second, "holding", first))
    if second.endswith(f" {CONTAINER}"):
        clauses.append(interaction_clause(first, "inside", second))
    return capitals(clauses)


def _interaction(scene: Scene) -> Iterator[Fact]:
    pair = scene.interaction
    if pair is None:
        return
    subject, other = referring_expression(scene, pair.subject), referring_expression(scene, pair.object)
    if subject is None or other is None:
        return
    orders = [(subject, other), (other, subject)]
    if CONTAINER in (scene.things[pair.subject].kind, scene.things[pair.object].kind):
        orders = [order for order in orders if order[1].endswith(f" {CONTAINER}")]
    for first, second in orders:
        symmetric = pair.name in ("touching", "apart")
        clause = interaction_clause(*((first, pair.name, second) if symmetric else (subject, pair.name, other)))
        pool = _interaction_pool(first, second)
        yield Fact("IIR", "interaction", (first, second), capitalised(clause), sentence(clause), pool)


def _reasoning(scene: Scene) -> Iterator[Fact]:
    most = most_frequent_kind(scene)
    if most is not None:
        kinds = capitals(plural(kind) for kind in ORDINARY_KINDS)
        yield Fact(
            "VR", "most", (), capitalised(plural(most)), f"{capitalised(plural(most))} appear most often.", kinds
        )
    useful = SETTING_KNOWLEDGE[scene.setting]
    whole = sentence(f"{useful} would be most useful here")
    yield Fact("VR", "useful", (), capitalised(useful), whole, capitals(SETTING_KNOWLEDGE[name] for name in SETTINGS))
    for colour in COLOURS if scene.sign is None else ():  # with a sign in the picture, is it an object?
        left = sum(thing.colour != colour for thing in scene.things)
        if 1 <= left <= MOST_COUNTED and left < len(scene.things):
            objects = "one object" if left == 1 else f"{NUMBERS[left]} objects"
            yield Fact(
                "VR", "left", (colour,), capitalised(NUMBERS[left]), sentence(f"{objects} would be left"), COUNT_POOL
            )


def _text(scene: Scene) -> Iterator[Fact]:
    if scene.sign is not None:
        yield Fact("TR", "word", (), scene.sign.word, f"The sign says {scene.sign.word}.", WORDS)
