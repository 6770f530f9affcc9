"""Conversations about images, pass after pass, none twice.

It stands where an LLM would: a `Speaker` turns the facts of an image into a conversation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from tqdm import tqdm

from vlit.construct.offline.exchange import Conversation
from vlit.construct.offline.facts import ImageFacts
from vlit.errors import InputError

Speaker = Callable[[ImageFacts, Random], Conversation | None]
PATIENCE = 10  # passes over the images without anything new after which there is nothing new


def generate(
    images: Sequence[ImageFacts], speaker: Speaker, samples: int, rng: Random, name: str
) -> list[Conversation]:
    """Have `speaker` hold `samples` different conversations, going through all images before any comes again.

    Raises:
        InputError: if the images do not carry so many different conversations.
    """
    found: dict[object, Conversation] = {}
    barren = 0
    with tqdm(total=samples, desc=f"writing {name}", leave=False, disable=None) as progress:
        while len(found) < samples:
            before = len(found)
            for facts in rng.sample(images, len(images)):
                conversation = speaker(facts, rng)
                if conversation is None or len(found) == samples:
                    continue
                found.setdefault(_said(conversation), conversation)
            progress.update(len(found) - before)
            barren = barren + 1 if len(found) == before else 0
            if barren == PATIENCE:
                raise InputError(
                    f"{name}: the annotations of {len(images)} images carry only {before} of {samples} conversations: "
                    "ask for fewer samples, or add images or sources"
                )
    return list(found.values())


def _said(conversation: Conversation) -> object:
    """What makes two conversations the same: the image and every word said."""
    turns = tuple((exchange.instruction, exchange.response) for exchange in conversation.exchanges)
    return conversation.image, turns
