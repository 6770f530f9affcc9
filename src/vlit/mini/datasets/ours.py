"""A mini COCO_ARC, the paper's own data (section 4.2): all five sources, three kinds of conversation.

Global conversations ask for all nine abilities in balance, negative ones for what is not there, and region ones about
what a box drawn on the image marks.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from vlit.construct.region_images import region_image_name
from vlit.construct.sources.image import AnnotatedObject, Box, Word
from vlit.construct.sources.read import SOURCES as ALL_SOURCES
from vlit.mini.datasets import abilities, negatives, regions
from vlit.mini.datasets.exchange import ABILITIES, Balance, Conversation
from vlit.mini.datasets.facts import ImageFacts

SOURCES = ALL_SOURCES
SHARES = {"global": 2, "negative": 1, "region": 1}
SHORT_SHARE = 0.5
AROUND_A_WORD = {name: abilities.WRITERS[name] for name in ("setting", "counting", "identity", "reasoning")}


class GlobalSpeaker:
    """Holds a conversation of three to five turns about the whole image, the rarest abilities first."""

    def __init__(self) -> None:
        self.balance = Balance()
        self.repertoire = {ability: abilities.WRITERS[ability] for ability in ABILITIES}

    def __call__(self, facts: ImageFacts, rng: Random) -> Conversation | None:
        """Hold one conversation; None where the annotations carry fewer than three turns."""
        (turns,) = rng.choices((3, 4, 5), (3, 4, 1))
        exchanges = tuple(self.balance.exchanges(self.repertoire, facts, rng, turns, SHORT_SHARE))
        annotations = facts.annotations
        if len(exchanges) < 3:
            return None
        return Conversation(annotations.image_id, annotations.file_name, "global", exchanges)


class NegativeSpeaker:
    """Holds a conversation of three or four turns, all but one about what is not so."""

    def __init__(self) -> None:
        self.negative = Balance()
        self.positive = Balance()
        self.repertoire = {ability: abilities.WRITERS[ability] for ability in ABILITIES}

    def __call__(self, facts: ImageFacts, rng: Random) -> Conversation | None:
        """Hold one conversation; None where the annotations carry fewer than three turns."""
        exchanges = self.negative.exchanges(negatives.WRITERS, facts, rng, rng.randint(2, 3), SHORT_SHARE)
        exchanges += self.positive.exchanges(self.repertoire, facts, rng, 1, SHORT_SHARE)
        annotations = facts.annotations
        if len(exchanges) < 3:
            return None
        rng.shuffle(exchanges)
        return Conversation(annotations.image_id, annotations.file_name, "negative", tuple(exchanges))


class RegionSpeaker:
    """Holds a conversation of three or four turns about what a box marks; `boxes` collects what is to be drawn."""

    def __init__(self) -> None:
        self.balance = Balance()
        self.boxes: dict[str, tuple[str, Box]] = {}  # region image -> (image file, box)

    def __call__(self, facts: ImageFacts, rng: Random) -> Conversation | None:
        """Hold one conversation; None where nothing has a box or the annotations carry fewer than three turns."""
        annotations = facts.annotations
        markable: list[AnnotatedObject | Word] = [*annotations.objects, *annotations.words]
        if not markable:
            return None
        return self.about(rng.choice(markable), facts, rng)

    def about(self, marked: AnnotatedObject | Word, facts: ImageFacts, rng: Random) -> Conversation | None:
        """Hold one conversation about what is marked; None where the annotations carry fewer than three turns."""
        annotations = facts.annotations
        short = rng.random() < SHORT_SHARE
        more = rng.randint(2, 3)
        if isinstance(marked, Word):
            exchanges = [regions.marked_word(rng, short, marked)]
            exchanges += self.balance.exchanges(AROUND_A_WORD, facts, rng, more, SHORT_SHARE)
        else:
            name = rng.choice(regions.NAMES)
            exchanges = [regions.marked_object(facts, rng, short, marked, name)]
            exchanges += self.balance.exchanges(regions.repertoire(marked, name), facts, rng, more, SHORT_SHARE)
        if len(exchanges) < 3:
            return None
        image = region_image_name(annotations.file_name, marked.id, isinstance(marked, Word))
        self.boxes[image] = (annotations.file_name, marked.box)
        return Conversation(annotations.image_id, image, "region", tuple(exchanges))


def coco_arc_records(conversations: Sequence[Conversation]) -> dict[str, Any]:
    """Write conversations of one kind as COCO_ARC's JSON (its turns as in the prompt of paper section A.2.2)."""
    return {
        "image_source": "COCO2014",
        "construction_time": "not recorded",
        "annotations": [
            {
                "img_ids": [conversation.image if conversation.task == "region" else conversation.image_id],
                "instruction_type": conversation.task,
                "conversations": [
                    {"User": exchange.instruction, "AI": exchange.response} for exchange in conversation.exchanges
                ],
            }
            for conversation in conversations
        ],
    }
