"""Conversations about images as an LLM would write them: exchanges in balance, none twice, and the errors it makes.

A writer of exchanges turns the facts of an image into an instruction and its response; a writer of conversations
combines several. A writer that copies annotations makes no mistakes, and quality control would have nothing to find, so
errors are planted: a wrong object, count, attribute, word or location. What was planted is written to a file for
people, which nothing reads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from random import Random

from tqdm import tqdm

from vlit.common.errors import InputError
from vlit.mini.datasets.image_facts import ImageFacts
from vlit.mini.datasets.phrases import Exchange


@dataclass(frozen=True)
class Conversation:
    """Exchanges about one image. `image` is the file shown: the image's own, or a region image."""

    image_id: int
    image: str
    task: str
    exchanges: tuple[Exchange, ...]


# (facts, random numbers, whether to answer with a short phrase) -> exchange; None: the annotations do not contain it.
ExchangeWriter = Callable[[ImageFacts, Random, bool], Exchange | None]
Repertoire = Mapping[str, Sequence[ExchangeWriter]]  # type of question -> its writers
ConversationWriter = Callable[[ImageFacts, Random], Conversation | None]  # None: the annotations are too few


class RarestFirst:
    """Balances the types of question over a dataset: the rarest so far goes first (paper section 4.1, balance)."""

    def __init__(self) -> None:
        self.written: Counter[str] = Counter()

    def exchanges(
        self, repertoire: Repertoire, facts: ImageFacts, rng: Random, turns: int, short_share: float
    ) -> list[Exchange]:
        """Return up to `turns` exchanges of different types, in a random order.

        Args:
            repertoire: the types to choose among.
            facts: facts of the image; where its annotations contain fewer types, there are fewer exchanges.
            rng: source of questions and wordings.
            turns: most exchanges wanted.
            short_share: share of the responses that are a short phrase.
        """
        chosen: list[Exchange] = []
        for name in sorted(repertoire, key=lambda name: (self.written[name], rng.random())):
            if len(chosen) == turns:
                break
            exchange = first_possible(repertoire[name], facts, rng, rng.random() < short_share)
            if exchange is not None:
                chosen.append(exchange)
                self.written[name] += 1
        rng.shuffle(chosen)
        return chosen


def first_possible(writers: Sequence[ExchangeWriter], facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Return an exchange by a random one of the writers that can write one; None if none can."""
    shuffled = rng.sample(writers, len(writers))
    return next((exchange for writer in shuffled if (exchange := writer(facts, rng, short))), None)


_MOST_IDLE_PASSES = 10  # passes over the images without a new conversation after which there is none


def write_conversations(
    images: Sequence[ImageFacts], writer: ConversationWriter, samples: int, rng: Random, name: str
) -> list[Conversation]:
    """Return `samples` different conversations; every image is used once before any is used again.

    Args:
        images: facts of each image.
        writer: writes one conversation about an image.
        samples: number of conversations.
        rng: source of order, questions and wordings.
        name: dataset name for the progress bar and the message.

    Raises:
        InputError: if the images do not give so many different conversations.
    """
    found: dict[object, Conversation] = {}
    idle = 0
    with tqdm(total=samples, desc=f"writing {name}", leave=False, disable=None) as progress:
        while len(found) < samples:
            before = len(found)
            for facts in rng.sample(images, len(images)):
                conversation = writer(facts, rng)
                if conversation is None or len(found) == samples:
                    continue
                found.setdefault(_content(conversation), conversation)
            progress.update(len(found) - before)
            idle = idle + 1 if len(found) == before else 0
            if idle == _MOST_IDLE_PASSES:
                raise InputError(
                    f"{name}: the annotations of {len(images)} images give only {before} of {samples} conversations: "
                    "ask for fewer samples, or add images or sources"
                )
    return list(found.values())


def _content(conversation: Conversation) -> object:
    """Return what makes two conversations the same: the image and every word."""
    turns = tuple((exchange.instruction, exchange.response) for exchange in conversation.exchanges)
    return conversation.image, turns


PLANTED = "planted_errors.jsonl"
_SECOND_ERROR = 0.25  # chance that a sample with an error has another


@dataclass(frozen=True)
class PlantedError:
    """A changed response: that of turn `turn` (from 0) of sample `id` was `right` and is `wrong`."""

    id: str
    turn: int
    kind: str
    right: str
    wrong: str

    def record(self) -> dict[str, object]:
        """Return the error as a line of the file `PLANTED`."""
        return asdict(self)


def plant_errors(
    conversations: Sequence[Conversation], ids: Sequence[str], rate: float, rng: Random
) -> tuple[list[Conversation], list[PlantedError]]:
    """Give a share of the samples one or two wrong responses; questions and the other responses stay.

    Args:
        conversations: conversations with right responses.
        ids: their sample ids, for the record.
        rate: share of all samples that gets an error, on average. A sample without any response that could be wrong
            stays right, and the others make up for it as far as they can.
        rng: source of samples, turns and wrong responses.

    Returns:
        The conversations in the same order, and every error planted.
    """
    able = sum(any(exchange.alternatives for exchange in conversation.exchanges) for conversation in conversations)
    chance = rate * len(conversations) / able if able else 0.0
    planted: list[PlantedError] = []
    spoiled = []
    for conversation, sample_id in zip(conversations, ids, strict=True):
        errors = _errors(conversation, sample_id, rng) if rng.random() < chance else []
        exchanges = list(conversation.exchanges)
        for error in errors:
            exchanges[error.turn] = replace(exchanges[error.turn], response=error.wrong, alternatives=(), error="")
        planted += errors
        spoiled.append(replace(conversation, exchanges=tuple(exchanges)))
    return spoiled, planted


def _errors(conversation: Conversation, sample_id: str, rng: Random) -> list[PlantedError]:
    possible = [turn for turn, exchange in enumerate(conversation.exchanges) if exchange.alternatives]
    number = min(len(possible), 2 if rng.random() < _SECOND_ERROR else 1)
    errors = []
    for turn in sorted(rng.sample(possible, number)):
        exchange = conversation.exchanges[turn]
        wrong = rng.choice(exchange.alternatives)
        errors.append(PlantedError(sample_id, turn, exchange.error, exchange.response, wrong))
    return errors
