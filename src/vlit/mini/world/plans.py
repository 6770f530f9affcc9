"""Plans of benchmark questions: four choices, and for each how to build a scene in which it is right."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

from vlit.mini.world.facts import MOST_COUNTED, capitals
from vlit.mini.world.sample import MOST_THINGS, MOST_WITH_LARGE, Draft, fill, random_place
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
    WORDS,
    in_place,
    interaction_clause,
    plural,
    with_article,
)

CHOICES = 4
SceneBuilder = Callable[[Draft], None]
_Planned = tuple[tuple[str, ...], dict[str, SceneBuilder]]  # slots, and choice -> builder of its scene
_MOST_OTHERS = 3  # things a scene has at most besides those that the question is about


@dataclass(frozen=True)
class QuestionPlan:
    """A benchmark question before its scenes.

    Attributes:
        type: question type, as in `Fact`.
        slots: what fills the wordings, as in `Fact`.
        choices: the four choices.
        builders: for each choice, in the same order, the builder of a scene in which it is right.
    """

    type: str
    slots: tuple[str, ...]
    choices: tuple[str, ...]
    builders: tuple[SceneBuilder, ...]


def random_plan(type: str, rng: random.Random) -> QuestionPlan:
    """Return a random plan of a question type, its choices in random order."""
    slots, right = _PLANNERS[type](rng)
    order = rng.sample(list(right), CHOICES)
    return QuestionPlan(type, slots, capitals(order), tuple(right[choice] for choice in order))


def _surround(
    draft: Draft,
    kinds: Collection[str] = ORDINARY_KINDS,
    colours: Collection[str] = tuple(COLOURS),
    sign: bool | None = None,
) -> None:
    """Add random other things to what a scene must have."""
    rng, present = draft.rng, len(draft.things)
    total = min(MOST_THINGS, max(1, present + rng.randint(0, _MOST_OTHERS)))
    signed = draft.sign is None and rng.random() < 0.35 if sign is None else sign
    pair = draft.interaction is None and total >= present + 2 and rng.random() < 0.3
    repeats = rng.choice((1, 1, 2))
    fill(draft, total, sign=signed, interaction=pair, repeats=repeats, kinds=kinds, colours=colours)


def _size(rng: random.Random) -> str:
    return rng.choice(list(SIZES))


def _set_in(setting: str, draft: Draft) -> None:
    draft.setting = setting
    fill(draft, draft.rng.randint(1, MOST_WITH_LARGE), sign=draft.rng.random() < 0.35, interaction=False)


def _plan_setting(phrases: dict[str, str], rng: random.Random) -> _Planned:
    return (), {phrases[setting]: partial(_set_in, setting) for setting in rng.sample(SETTINGS, CHOICES)}


def _plan_at(rng: random.Random) -> _Planned:
    place = rng.choice(list(PLACES))

    def build(kind: str, draft: Draft) -> None:
        draft.add_thing(kind, size=_size(draft.rng), place=place)
        _surround(draft)

    return (place,), {with_article(kind): partial(build, kind) for kind in rng.sample(ORDINARY_KINDS, CHOICES)}


def _plan_coloured(rng: random.Random) -> _Planned:
    colour = rng.choice(list(COLOURS))
    others = [other for other in COLOURS if other != colour]

    def build(kind: str, draft: Draft) -> None:
        draft.add_thing(kind, colour, size=_size(draft.rng), place=random_place(draft.rng))
        _surround(draft, colours=others, sign=False if colour == "white" else None)

    return (colour,), {with_article(kind): partial(build, kind) for kind in rng.sample(ORDINARY_KINDS, CHOICES)}


def _plan_attribute(attribute: str, rng: random.Random) -> _Planned:
    kind = rng.choice(ORDINARY_KINDS)

    def build(look: dict[str, str], draft: Draft) -> None:
        size = look.get("size") or _size(draft.rng)
        draft.add_thing(kind, look.get("colour"), look.get("texture"), size, random_place(draft.rng))
        _surround(draft)

    if attribute == "look":
        looks = [{"size": size, "colour": colour} for colour in rng.sample(list(COLOURS), 2) for size in SIZES]
    else:
        looks = [
            {attribute: value} for value in rng.sample(list(COLOURS if attribute == "colour" else TEXTURES), CHOICES)
        ]
    return (f"the {kind}",), {" and ".join(look.values()): partial(build, look) for look in looks}


def _plan_location(rng: random.Random) -> _Planned:
    kind = rng.choice(ORDINARY_KINDS)

    def build(place: str, draft: Draft) -> None:
        draft.add_thing(kind, size=_size(draft.rng), place=place)
        _surround(draft)

    return (f"the {kind}",), {in_place(place): partial(build, place) for place in rng.sample(list(PLACES), CHOICES)}


def _plan_count(rng: random.Random) -> _Planned:
    kind = rng.choice(ORDINARY_KINDS)

    def build(count: int, draft: Draft) -> None:
        for _ in range(count):
            draft.add_thing(kind, place=random_place(draft.rng))
        _surround(draft)

    counts = rng.sample(range(1, MOST_COUNTED + 1), CHOICES)
    return (plural(kind),), {NUMBERS[count]: partial(build, count) for count in counts}


def _plan_relation(rng: random.Random) -> _Planned:
    first, second = rng.sample(ORDINARY_KINDS, 2)

    def build(relation: str, draft: Draft) -> None:
        draft.add_pair((first, _size(draft.rng)), (second, _size(draft.rng)), relation)
        _surround(draft)

    right: dict[str, SceneBuilder] = {
        f"{phrase} the {second}": partial(build, relation) for relation, phrase in RELATIONS.items()
    }
    return (f"the {first}", f"the {second}"), right


def _plan_interaction(rng: random.Random) -> _Planned:
    first, second = rng.sample(ORDINARY_KINDS, 2)
    second = rng.choice((second, CONTAINER))
    here, there = (first, "small"), (second, "large" if second == CONTAINER else "small")
    cases = [("touching", here, there), ("holding", here, there), ("holding", there, here), ("apart", here, there)]
    if second == CONTAINER:
        cases = [("inside", here, there), *rng.sample(cases, CHOICES - 1)]

    def build(name: str, subject: tuple[str, str], object: tuple[str, str], draft: Draft) -> None:
        draft.add_interaction(name, subject, object, place=random_place(draft.rng, 0.3))
        _surround(draft)

    right: dict[str, SceneBuilder] = {
        interaction_clause(f"the {subject[0]}", name, f"the {object[0]}"): partial(build, name, subject, object)
        for name, subject, object in cases
    }
    return (f"the {first}", f"the {second}"), right


def _plan_most(rng: random.Random) -> _Planned:
    kinds = rng.sample(ORDINARY_KINDS, CHOICES)

    def build(kind: str, draft: Draft) -> None:
        for _ in range(draft.rng.randint(2, 3)):
            draft.add_thing(kind, place=random_place(draft.rng))
        for other in kinds:
            if other != kind:
                draft.add_thing(other, place=random_place(draft.rng))

    return (), {plural(kind): partial(build, kind) for kind in kinds}


def _plan_left(rng: random.Random) -> _Planned:
    colour = rng.choice(list(COLOURS))
    others = [other for other in COLOURS if other != colour]

    def build(left: int, draft: Draft) -> None:
        for _ in range(draft.rng.randint(1, min(3, MOST_THINGS - left))):
            draft.add_thing(draft.rng.choice(ORDINARY_KINDS), colour, place=random_place(draft.rng))
        for _ in range(left):
            draft.add_thing(draft.rng.choice(ORDINARY_KINDS), draft.rng.choice(others), place=random_place(draft.rng))

    counts = rng.sample(range(1, MOST_COUNTED + 1), CHOICES)
    return (colour,), {NUMBERS[count]: partial(build, count) for count in counts}


def _plan_word(rng: random.Random) -> _Planned:
    def build(word: str, draft: Draft) -> None:
        draft.add_sign(word)
        _surround(draft)

    return (), {word: partial(build, word) for word in rng.sample(WORDS, CHOICES)}


_PLANNERS: dict[str, Callable[[random.Random], _Planned]] = {
    "setting": partial(_plan_setting, SETTING_NOUN),
    "taken": partial(_plan_setting, SETTING_PHRASE),
    "at": _plan_at,
    "coloured": _plan_coloured,
    "colour": partial(_plan_attribute, "colour"),
    "texture": partial(_plan_attribute, "texture"),
    "look": partial(_plan_attribute, "look"),
    "location": _plan_location,
    "count": _plan_count,
    "relation": _plan_relation,
    "interaction": _plan_interaction,
    "most": _plan_most,
    "useful": partial(_plan_setting, SETTING_KNOWLEDGE),
    "left": _plan_left,
    "word": _plan_word,
}
