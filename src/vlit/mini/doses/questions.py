"""What is asked of each image: distinct questions, abilities in wanted shares over the whole dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from random import Random

from tqdm import tqdm

from vlit.common.errors import InputError
from vlit.mini.datasets.abilities import WRITERS
from vlit.mini.datasets.exchange import Conversation, Exchange, first_possible
from vlit.mini.datasets.facts import ImageFacts
from vlit.mini.datasets.planted import PlantedError
from vlit.mini.doses.design import ABILITY_ORDER, FAVOURED, QUESTIONS, Settings

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


# No nouns but the picture's and no connectives: they would make an instruction more complex by its indicators.
CARRIERS = ("{}", "Look closely. {}", "Please answer carefully. {}", "Please tell me. {}")
OPENERS = (
    "{}",
    "In this picture, {}",
    "As far as I can see, {}",
    "Looking closely, {}",
    "Here is what I see: {}",
    "From what is shown, {}",
)


def say(
    asked: Sequence[Conversation], settings: Settings, ids: Sequence[str], seed: int
) -> tuple[list[Conversation], list[PlantedError]]:
    """Put conversations into words.

    Errors are nested: what is wrong at one rate is wrong, in the same way, at every higher rate.

    Args:
        asked: right ones.
        settings: of the dose.
        ids: sample ids, for the record of errors.
        seed: of carriers, openers and errors.

    Returns:
        The conversations in the same order, and the errors planted (`turn` counts questions from 0).
    """
    said, planted = [], []
    for conversation, sample_id in zip(asked, ids, strict=True):
        rng = Random(f"doses/{seed}/{conversation.image_id}/said")
        exchanges = []
        for turn, exchange in enumerate(conversation.exchanges):
            carrier, opener, chance, pick = (rng.random() for _ in range(4))
            worded = _worded(exchange, settings, carrier, opener)
            if worded.alternatives and chance < settings.error_rate:
                wrong = worded.alternatives[int(pick * len(worded.alternatives))]
                planted.append(PlantedError(sample_id, turn, worded.error, worded.response, wrong))
                worded = replace(worded, response=wrong, alternatives=(), error="")
            exchanges.append(worded)
        said.append(replace(conversation, exchanges=_joined(exchanges, settings.turns)))
    return said, planted


def _worded(exchange: Exchange, settings: Settings, carrier: float, opener: float) -> Exchange:
    put = exchange.put
    assert put is not None  # all questions of doses come from phrasings
    sentence = None if put.sentence is None else put.sentence % settings.sentences
    worded = replace(put, instruction=put.instruction % settings.wordings, sentence=sentence).exchange()
    open_with = OPENERS[int(opener * settings.openers)] if sentence is not None else OPENERS[0]
    return replace(
        worded,
        instruction=CARRIERS[int(carrier * settings.carriers)].format(worded.instruction),
        response=_opened(open_with, worded.response),
        alternatives=tuple(_opened(open_with, text) for text in worded.alternatives),
    )


def _opened(opener: str, text: str) -> str:
    keep = opener == OPENERS[0] or text.startswith("I ")
    return opener.format(text if keep else text[0].lower() + text[1:])


def _joined(exchanges: Sequence[Exchange], turns: int) -> tuple[Exchange, ...]:
    """The exchanges spread evenly over `turns` turns, in order."""
    cuts = [len(exchanges) * turn // turns for turn in range(turns + 1)]
    return tuple(_one_turn(exchanges[a:b]) for a, b in pairwise(cuts))


def _one_turn(exchanges: Sequence[Exchange]) -> Exchange:
    if len(exchanges) == 1:
        return exchanges[0]
    responses = [text if text.endswith(".") else f"{text}." for text in (each.response for each in exchanges)]
    ability = " + ".join(each.ability for each in exchanges)
    return Exchange(ability, " ".join(each.instruction for each in exchanges), " ".join(responses))
