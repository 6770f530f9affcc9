"""How it is said: wordings, errors, and several questions in one instruction. What is asked stays the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from random import Random

from vlit.construct.doses.design import Settings
from vlit.construct.offline.exchange import Conversation, Exchange
from vlit.construct.offline.planted import PlantedError

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
