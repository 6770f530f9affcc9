"""A benchmark in SEED-Bench's format whose questions cannot be answered from their text.

Questions come in groups of four: the same question with the same four choices in the same order is asked of four scenes,
and each choice is right in exactly one of them. Whatever is computed from the text alone, letters and phrasing included,
is right once in four, exactly.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vlit.world import facts
from vlit.world.questions import WORDINGS, phrase, place_phrase
from vlit.world.sample import Composition, NoRoom
from vlit.world.scene import Scene
from vlit.world.vocabulary import (
    COLOURS,
    CONTAINER,
    INTERACTIONS,
    NUMBERS,
    ORDINARY_KINDS,
    PLACES,
    RELATIONS,
    SETTING_KNOWLEDGE,
    SETTINGS,
    TEXTURES,
    WORDS,
    plural,
)

QUESTION_TYPES: dict[str, int] = {
    "Scene Understanding": 1,
    "Instance Identity": 2,
    "Instance Attributes": 3,
    "Instance Location": 4,
    "Instances Counting": 5,
    "Spatial Relation": 6,
    "Instance Interaction": 7,
    "Visual Reasoning": 8,
    "Text Understanding": 9,
}
BENCHMARK_IDS = 500_001
LETTERS = "ABCD"
SCENE_TRIES = 400


@dataclass(frozen=True)
class Group:
    """One question for four scenes.

    Attributes:
        question: its text.
        choices: as they are printed.
        add: (composition, number of the right choice) adds what makes that choice right.
        holds: (scene, number of the right choice) -> whether exactly that choice is right in the finished scene.
    """

    question: str
    choices: tuple[str, ...]
    add: Callable[[Composition, int], None]
    holds: Callable[[Scene, int], bool]


def benchmark(groups: int, seed: int) -> tuple[dict[str, Any], list[Scene]]:
    """Make a benchmark.

    Args:
        groups: groups of four questions in each dimension.
        seed: of everything.

    Returns:
        The content of `SEED-Bench.json`, and its scenes, one a question.
    """
    questions, scenes = [], []
    for dimension, make in _DIMENSIONS.items():
        for number in range(groups):
            rng = random.Random(f"benchmark {seed} {dimension} {number}")
            group = make[number % len(make)](rng)
            order = list(range(len(LETTERS)))
            rng.shuffle(order)  # so that a group's scenes do not stand in the order of its choices
            for right in order:
                id = BENCHMARK_IDS + len(scenes)
                scenes.append(_scene(group, right, id, rng))
                questions.append(_question(group, right, id, dimension))
    return {"questions": questions, "question_type": QUESTION_TYPES}, scenes


def image_name(id: int) -> str:
    """File name of a benchmark scene's picture."""
    return f"{id:012d}.jpg"


def _question(group: Group, right: int, id: int, dimension: int) -> dict[str, Any]:
    choices = {f"choice_{letter.lower()}": text for letter, text in zip(LETTERS, group.choices, strict=True)}
    return {
        "answer": LETTERS[right],
        **choices,
        "data_id": image_name(id),
        "data_type": "image",
        "question": group.question,
        "question_id": str(id - BENCHMARK_IDS),
        "question_type_id": dimension,
    }


def _scene(group: Group, right: int, id: int, rng: random.Random) -> Scene:
    """A scene in which exactly the right choice is right, with other things by chance."""
    for _ in range(SCENE_TRIES):
        composition = Composition(rng)
        try:
            group.add(composition, right)
            if composition.sign is None and rng.random() < 0.3:
                composition.add_sign()
            for _ in range(rng.randint(0, 2)):
                composition.add()
        except NoRoom:
            continue
        scene = composition.scene(id)
        if group.holds(scene, right):
            return scene
    raise RuntimeError(f"no scene found in which {group.question!r} has the answer {group.choices[right]!r}")


def _ask(topic: str, rng: random.Random, **fields: str) -> str:
    return rng.choice(WORDINGS[topic][1]).format(**fields)


def _four(pool: tuple[str, ...], rng: random.Random) -> list[str]:
    return rng.sample(list(pool), len(LETTERS))


def _printed(values: list[str]) -> tuple[str, ...]:
    return tuple(phrase(value) for value in values)


def _single(scene: Scene, kind: str) -> Any:
    return next((thing for thing in facts.singles(scene) if thing.kind == kind), None)


def _setting(rng: random.Random) -> Group:
    values = _four(SETTINGS, rng)

    def add(composition: Composition, right: int) -> None:
        composition.setting = values[right]
        composition.add()

    return Group(_ask("setting", rng), _printed(values), add, lambda scene, right: scene.setting == values[right])


def _identity_place(rng: random.Random) -> Group:
    values, place = _four(ORDINARY_KINDS, rng), rng.choice(tuple(PLACES))

    def holds(scene: Scene, right: int) -> bool:
        return [thing.kind for thing in scene.things if facts.place(thing) == place] == [values[right]]

    return Group(
        _ask("identity_place", rng, place=place),
        _printed(values),
        lambda composition, right: _discard(composition.add(kind=values[right], place=place)),
        holds,
    )


def _identity_colour(rng: random.Random) -> Group:
    values, colour = _four(ORDINARY_KINDS, rng), rng.choice(tuple(COLOURS))

    def holds(scene: Scene, right: int) -> bool:
        return [thing.kind for thing in scene.things if thing.colour == colour] == [values[right]]

    return Group(
        _ask("identity_colour", rng, colour=colour),
        _printed(values),
        lambda composition, right: _discard(composition.add(kind=values[right], colour=colour)),
        holds,
    )


def _colour(rng: random.Random) -> Group:
    values, kind = _four(tuple(COLOURS), rng), rng.choice(ORDINARY_KINDS)
    return Group(
        _ask("colour", rng, kind=kind),
        _printed(values),
        lambda composition, right: _discard(composition.add(kind=kind, colour=values[right])),
        lambda scene, right: getattr(_single(scene, kind), "colour", None) == values[right],
    )


def _texture(rng: random.Random) -> Group:
    values, kind = _four(TEXTURES, rng), rng.choice(ORDINARY_KINDS)
    return Group(
        _ask("texture", rng, kind=kind),
        _printed(values),
        lambda composition, right: _discard(composition.add(kind=kind, texture=values[right])),
        lambda scene, right: getattr(_single(scene, kind), "texture", None) == values[right],
    )


def _place(rng: random.Random) -> Group:
    values, kind = _four(tuple(PLACES), rng), rng.choice(ORDINARY_KINDS)

    def holds(scene: Scene, right: int) -> bool:
        thing = _single(scene, kind)
        return thing is not None and facts.place(thing) == values[right]

    return Group(
        _ask("place", rng, kind=kind),
        tuple(place_phrase(value) for value in values),
        lambda composition, right: _discard(composition.add(kind=kind, place=values[right])),
        holds,
    )


def _count(rng: random.Random) -> Group:
    values, kind = _four(NUMBERS[1:6], rng), rng.choice(ORDINARY_KINDS)

    def add(composition: Composition, right: int) -> None:
        for _ in range(NUMBERS.index(values[right])):
            composition.add(kind=kind, size="small")

    return Group(
        _ask("count", rng, kinds=plural(kind)),
        _printed(values),
        add,
        lambda scene, right: NUMBERS[scene.count(kind)] == values[right],
    )


def _relation(rng: random.Random) -> Group:
    values = _four(tuple(RELATIONS), rng)
    kind, other = rng.sample(ORDINARY_KINDS, 2)

    def add(composition: Composition, right: int) -> None:
        composition.add(kind=kind)
        composition.add(kind=other)

    def holds(scene: Scene, right: int) -> bool:
        subject, reference = _single(scene, kind), _single(scene, other)
        return None not in (subject, reference) and facts.relation(subject, reference) == values[right]

    choices = tuple(phrase(f"{RELATIONS[value]} the {other}") for value in values)
    return Group(_ask("relation", rng, kind=kind, other=other), choices, add, holds)


def _interaction(rng: random.Random) -> Group:
    values, kind = _four(tuple(INTERACTIONS), rng), rng.choice(ORDINARY_KINDS)

    def holds(scene: Scene, right: int) -> bool:
        return _single(scene, kind) is not None and _single(scene, CONTAINER) is not None

    return Group(
        _ask("interaction", rng, kind=kind, other=CONTAINER),
        tuple(f"The {kind} {INTERACTIONS[value]} the {CONTAINER}" for value in values),
        lambda composition, right: composition.add_interaction(values[right], subject=kind, other=CONTAINER),
        holds,
    )


def _frequent(rng: random.Random) -> Group:
    values = _four(ORDINARY_KINDS, rng)

    def add(composition: Composition, right: int) -> None:
        for _ in range(rng.randint(2, 3)):
            composition.add(kind=values[right], size="small")
        composition.add(kind=rng.choice([value for value in values if value != values[right]]))

    return Group(
        _ask("frequent", rng),
        _printed(values),
        add,
        lambda scene, right: facts.most_frequent(scene) == values[right],
    )


def _useful(rng: random.Random) -> Group:
    values = _four(SETTINGS, rng)

    def add(composition: Composition, right: int) -> None:
        composition.setting = values[right]
        composition.add()

    return Group(
        _ask("useful", rng),
        tuple(phrase(SETTING_KNOWLEDGE[value]) for value in values),
        add,
        lambda scene, right: scene.setting == values[right],
    )


def _without(rng: random.Random) -> Group:
    values, colour = _four(NUMBERS[1:6], rng), rng.choice(tuple(COLOURS))

    def add(composition: Composition, right: int) -> None:
        for _ in range(rng.randint(1, 2)):
            composition.add(colour=colour, size="small")
        others = [other for other in COLOURS if other != colour]
        for _ in range(NUMBERS.index(values[right])):
            composition.add(colour=rng.choice(others), size="small")

    def holds(scene: Scene, right: int) -> bool:
        present = any(thing.colour == colour for thing in scene.things)
        left = facts.left_without(scene, colour)
        return present and left < len(NUMBERS) and NUMBERS[left] == values[right]

    return Group(_ask("without", rng, colour=colour), _printed(values), add, holds)


def _word(rng: random.Random) -> Group:
    values = _four(WORDS, rng)

    def add(composition: Composition, right: int) -> None:
        composition.add_sign(values[right])
        composition.add()

    return Group(
        _ask("word", rng),
        tuple(values),
        add,
        lambda scene, right: scene.sign is not None and scene.sign.word == values[right],
    )


def _discard(index: int) -> None:
    """What a lambda that only adds returns."""


_DIMENSIONS: dict[int, tuple[Callable[[random.Random], Group], ...]] = {
    1: (_setting,),
    2: (_identity_place, _identity_colour),
    3: (_colour, _texture),
    4: (_place,),
    5: (_count,),
    6: (_relation,),
    7: (_interaction,),
    8: (_frequent, _useful, _without),
    9: (_word,),
}
