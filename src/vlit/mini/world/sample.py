"""Random scenes: the same seed and id give the same scene, and no two ids share a stream of random numbers."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator

from vlit.mini.world.draft import Draft, NoRoomError, some_place
from vlit.mini.world.scene import Scene
from vlit.mini.world.vocabulary import COLOURS, CONTAINER, INTERACTIONS, ORDINARY_KINDS, SETTINGS, TEXTURES, WORDS

FIRST_TRAINING_ID = 1
FIRST_BENCHMARK_ID = 500_001
FIRST_PRETRAINING_ID = 900_001

MOST_THINGS = 6
TOTALS = (1, 1, 2, 2, 3, 3, 4, 5, 6)  # before repeated kinds and interactions ask for more
INTERACTION_CHANCE = 0.35
SIGN_CHANCE = 0.5
REPEAT_CHANCE = 0.4
REPEATS = (2, 3, 3, 4, 5, 5)  # the larger counts fit less often
ROOMY = 4  # with more things than this, all are small


def stream(seed: int, id: int, purpose: str = "scene") -> random.Random:
    """Return the random numbers of one purpose for one scene, independent of all other purposes and ids."""
    return random.Random(f"vlit.world:{seed}:{id}:{purpose}")


def sample_scene(rng: random.Random, id: int) -> Scene:
    """Return a random scene of 1 to 6 things; about a third with an interaction and half with a sign."""
    setting = rng.choice(SETTINGS)
    sign, interaction = rng.random() < SIGN_CHANCE, rng.random() < INTERACTION_CHANCE
    repeats = rng.choice(REPEATS) if rng.random() < REPEAT_CHANCE else 1
    total = min(MOST_THINGS, max(rng.choice(TOTALS), repeats + 2 * interaction))
    return until_it_fits(
        rng, setting, id, lambda draft: fill(draft, total, sign=sign, interaction=interaction, repeats=repeats)
    )


def until_it_fits(rng: random.Random, setting: str, id: int, build: Callable[[Draft], None]) -> Scene:
    """Return the scene of the first draft for which `build` finds room."""
    while True:
        draft = Draft(rng, setting)
        try:
            build(draft)
        except NoRoomError:
            continue
        return draft.scene(id)


def training_scenes(count: int, seed: int) -> Iterator[Scene]:
    """Yield the scenes of the training images, ids from 1."""
    return _scenes(FIRST_TRAINING_ID, count, seed)


def pretraining_scenes(count: int, seed: int) -> Iterator[Scene]:
    """Yield the scenes from which the language model and the image encoder are pre-trained, ids from 900,001."""
    return _scenes(FIRST_PRETRAINING_ID, count, seed)


def _scenes(first: int, count: int, seed: int) -> Iterator[Scene]:
    for id in range(first, first + count):
        yield sample_scene(stream(seed, id), id)


def fill(
    draft: Draft,
    total: int,
    *,
    sign: bool = False,
    interaction: bool = False,
    repeats: int = 1,
    kinds: Collection[str] = ORDINARY_KINDS,
    colours: Collection[str] = tuple(COLOURS),
) -> None:
    """Add a random sign, an interaction, and things of new kinds to a draft until it has `total` things.

    The first of these kinds comes `repeats` times. What is added is of the given `kinds` and `colours`.

    Raises:
        NoRoomError: if the canvas is too crowded.
    """
    rng = draft.rng
    free = [kind for kind in kinds if all(kind != thing.kind for thing in draft.things)]
    rng.shuffle(free)
    if sign:
        draft.add_sign(rng.choice(WORDS))
    if interaction:
        add_random_interaction(draft, free.pop(), free.pop(), colours)
    sizes = ("small", "large") if total <= ROOMY else ("small",)
    while len(draft.things) < total and free:
        _add_alike(draft, free.pop(), min(repeats, total - len(draft.things)), list(colours), sizes)
        repeats = rng.choice((1, 1, 1, 2))


def add_random_interaction(draft: Draft, first: str, second: str, colours: Collection[str]) -> None:
    """Add an interacting pair; half of the pairs, and all that are one inside the other, have a box for an object."""
    rng = draft.rng
    name = rng.choice(list(INTERACTIONS))
    pair = (first, "small"), (second, rng.choice(("small", "small", "large")))
    if name == "inside" or rng.random() < 0.5:
        pair = (first, "small"), (CONTAINER, "large")
        if name == "holding" and rng.random() < 0.3:
            pair = pair[1], pair[0]
    names = rng.choice(list(colours)), rng.choice(list(colours))
    draft.add_interaction(name, *pair, colours=names, place=some_place(rng, 0.3))


def _add_alike(draft: Draft, kind: str, count: int, colours: list[str], sizes: tuple[str, ...]) -> None:
    """Add `count` things of a kind, which half of the time look the same."""
    rng = draft.rng
    sizes = ("small",) if count > 1 else sizes
    same = (rng.choice(colours), rng.choice(TEXTURES)) if rng.random() < 0.5 else None
    for _ in range(count):
        colour, texture = same or (rng.choice(colours), rng.choice(TEXTURES))
        draft.add_thing(kind, colour, texture, rng.choice(sizes), some_place(rng))
