"""A mini LLaVA-Instruct: conversations, detailed descriptions and complex reasoning from captions and boxes.

As the published dataset, it has seen no other source: colours and words occur only where a caption names them.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from vlit.mini.datasets import abilities, descriptions, phrases
from vlit.mini.datasets.exchange import Balance, Conversation, Exchange, Phrasing, first_possible
from vlit.mini.datasets.facts import ImageFacts

SOURCES = ("caption", "object")
SHARES = {"conversation": 58, "detailed_description": 23, "complex_reasoning": 77}  # thousands of published samples
SHORT_SHARE = 0.3  # of the responses in conversations; the other two kinds have sentences only

ALTOGETHER = Phrasing(
    ("How many objects are in the image altogether?", "If you count every object, how many are there?"),
    ("This makes {value} in total.", "Added up, this gives {value}."),
)


class LlavaSpeaker:
    """Holds one conversation about an image, of one of the three kinds of LLaVA-Instruct."""

    def __init__(self) -> None:
        self.balance = Balance()
        self.repertoire = {
            "seen": (descriptions.brief,),
            "identity": abilities.WRITERS["identity"],
            "counting": abilities.WRITERS["counting"],
            "location": abilities.WRITERS["location"],
        }

    def __call__(self, facts: ImageFacts, rng: Random) -> Conversation | None:
        """Hold a conversation of a kind drawn by `SHARES`; None where the annotations don't carry it."""
        (task,) = rng.choices(list(SHARES), list(SHARES.values()))
        if task == "conversation":
            turns = self.balance.exchanges(self.repertoire, facts, rng, rng.randint(2, 4), SHORT_SHARE)
            exchanges = tuple(turns) if len(turns) > 1 else ()
        else:
            writers = (descriptions.detailed,) if task == "detailed_description" else (reasoning,)
            exchange = first_possible(writers, facts, rng, short=False)
            exchanges = (exchange,) if exchange else ()
        annotations = facts.annotations
        return Conversation(annotations.image_id, annotations.file_name, task, exchanges) if exchanges else None


def reasoning(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """One question to think about, answered with what is seen and what follows from it."""
    writers = (abilities.most_frequent, abilities.useful, altogether)
    exchange = first_possible(writers, facts, rng, short)
    if exchange is None or not facts.counts:
        return exchange
    seen = f"The image shows {phrases.inventory(facts.counts)}. "
    return Exchange(
        exchange.ability,
        exchange.instruction,
        seen + exchange.response,
        exchange.error,
        tuple(seen + alternative for alternative in exchange.alternatives),
    )


def altogether(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """How many objects are in the image altogether?"""
    total = sum(facts.counts.values())
    if not total:
        return None
    right, *wrong = ({"value": phrases.counted("object", n)} for n in [total, *abilities.other_counts(rng, total)])
    return ALTOGETHER.exchange("reasoning", rng, short, (), right, wrong=wrong, error="count")


def llava_records(conversations: Sequence[Conversation]) -> list[dict[str, Any]]:
    """Write conversations in the format of `llava_instruct_150k.json` (haotian-liu/LLaVA)."""
    return [
        {"id": f"{conversation.image_id:012d}", "image": conversation.image, "conversations": _messages(conversation)}
        for conversation in conversations
    ]


def _messages(conversation: Conversation) -> list[dict[str, str]]:
    messages = []
    for number, exchange in enumerate(conversation.exchanges):
        tagged = f"<image>\n{exchange.instruction}" if number == 0 else exchange.instruction
        messages += [{"from": "human", "value": tagged}, {"from": "gpt", "value": exchange.response}]
    return messages
