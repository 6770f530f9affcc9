"""A mini MIMIC-IT: dense captions and questions about the scene as single instructions with in-context examples."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from vlit.mini.datasets import abilities, descriptions
from vlit.mini.datasets.exchange import Balance, Conversation
from vlit.mini.datasets.facts import ImageFacts

SOURCES = ("caption", "object")
PREFIX = "DC"  # dense captions, one of MIMIC-IT's tasks
SHORT_SHARE = 0.1


class MimicItSpeaker:
    """Asks one instruction about an image."""

    def __init__(self) -> None:
        self.balance = Balance()
        self.repertoire = {
            "caption": (descriptions.brief,),
            "dense caption": (descriptions.detailed,),
            "setting": (abilities.setting,),
            "identity": (abilities.listing,),
            "counting": (abilities.counting,),
        }

    def __call__(self, facts: ImageFacts, rng: Random) -> Conversation | None:
        """Ask an instruction of the type that is rarest so far."""
        exchanges = tuple(self.balance.exchanges(self.repertoire, facts, rng, 1, SHORT_SHARE))
        annotations = facts.annotations
        return Conversation(annotations.image_id, annotations.file_name, PREFIX, exchanges) if exchanges else None


def mimic_it_records(conversations: Sequence[Conversation], rng: Random) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Write conversations as `DC_instructions.json` and `DC_train.json` (Luodian/Otter, mimic-it/README.md).

    Each instruction is given one or two others of the same type, about other images, as in-context examples.
    """
    of_type = defaultdict(list)
    for number, conversation in enumerate(conversations):
        of_type[conversation.exchanges[0].ability].append(number)
    data, train = {}, {}
    for number, conversation in enumerate(conversations):
        (exchange,) = conversation.exchanges
        drawn = rng.sample(of_type[exchange.ability], min(8, len(of_type[exchange.ability])))
        others = [other for other in drawn if conversations[other].image_id != conversation.image_id]
        related = [_instruction_id(other) for other in others[: rng.randint(1, 2)]]
        data[_instruction_id(number)] = {
            "instruction": exchange.instruction,
            "answer": exchange.response,
            "image_ids": [_image_id(conversation.image_id)],
            "rel_ins_ids": related,
        }
        train[_instruction_id(number)] = related
    return {"meta": {"version": "mini", "time": "not recorded", "author": "vlit"}, "data": data}, train


def mimic_it_images(conversations: Sequence[Conversation], folder: Path) -> dict[str, str]:
    """Write the image files as `DC.json`: URL-safe base64 by image id."""
    files = {conversation.image_id: conversation.image for conversation in conversations}
    return {
        _image_id(image_id): base64.urlsafe_b64encode((folder / name).read_bytes()).decode("ascii")
        for image_id, name in sorted(files.items())
    }


def _instruction_id(number: int) -> str:
    return f"{PREFIX}_INS_{number:06d}"


def _image_id(image_id: int) -> str:
    return f"{PREFIX}_IMG_{image_id:012d}"
