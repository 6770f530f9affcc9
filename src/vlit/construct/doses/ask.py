"""What is asked of each image: distinct questions, abilities in wanted shares over the whole dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random

from tqdm import tqdm

from vlit.construct.doses.design import ABILITY_ORDER, FAVOURED, QUESTIONS, Settings
from vlit.construct.offline.abilities import WRITERS
from vlit.construct.offline.balance import first_possible
from vlit.construct.offline.exchange import Conversation, Exchange
from vlit.construct.offline.facts import ImageFacts
from vlit.errors import InputError

SHORT_SHARE = 0.5  # of the responses that are a short phrase
TRIES = 6  # to find a question of an ability that this image was not asked yet


def ask(images: Sequence[ImageFacts], settings: Settings, samples: int, seed: int) -> list[Conversation]:
    """Hold `samples` conversations of `QUESTIONS` questions, each about another image.

    Raises:
        InputError: if too few images can be asked so much.
    """
    shares, written = _shares(settings), Counter[str]()
    held: list[Conversation] = []
    order = Random(f"doses/{seed}").sample(images, len(images))
    for facts in tqdm(order, desc="writing a dose", leave=False, disable=None):
        if len(held) == samples:
            break
        rng = Random(f"doses/{seed}/{facts.annotations.image_id}")
        exchanges = _conversation(facts, shares, written, rng)
        if exchanges is not None:
            written.update(exchange.ability for exchange in exchanges)
            held.append(
                Conversation(facts.annotations.image_id, facts.annotations.file_name, "global", tuple(exchanges))
            )
    if len(held) < samples:
        raise InputError(
            f"{len(images)} images carry {len(held)} of {samples} conversations: set dose.samples={len(held)} in every"
            " dose, or draw more scenes"
        )
    return held


def _shares(settings: Settings) -> dict[str, float]:
    abilities = ABILITY_ORDER[: settings.abilities]
    if settings.favoured is None:
        return dict.fromkeys(abilities, 1 / len(abilities))
    rest = (1 - settings.favoured) / (len(abilities) - 1)
    return {ability: settings.favoured if ability == FAVOURED else rest for ability in abilities}


def _conversation(
    facts: ImageFacts, shares: Mapping[str, float], written: Counter[str], rng: Random
) -> list[Exchange] | None:
    """`QUESTIONS` exchanges, those abilities first that are furthest behind their share; None if there are fewer."""
    count, asked, chosen = Counter(written), set[object](), list[Exchange]()
    while len(chosen) < QUESTIONS:
        behind = sorted(shares, key=lambda ability: (count[ability] / shares[ability], rng.random()))
        exchange = next((found for ability in behind if (found := _new(ability, facts, rng, asked))), None)
        if exchange is None:
            return None
        chosen.append(exchange)
        count[exchange.ability] += 1
        asked.add(_content(exchange))
    rng.shuffle(chosen)
    return chosen


def _new(ability: str, facts: ImageFacts, rng: Random, asked: set[object]) -> Exchange | None:
    for _ in range(TRIES):
        exchange = first_possible(WRITERS[ability], facts, rng, rng.random() < SHORT_SHARE)
        if exchange is None:
            return None
        if _content(exchange) not in asked:
            return exchange
    return None


def _content(exchange: Exchange) -> object:
    """What is asked, whatever the wording."""
    assert exchange.put is not None  # all of `WRITERS` use phrasings
    return exchange.put.phrasing, exchange.put.slots
