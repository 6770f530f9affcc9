"""A mini COCO_ARC, the paper's own data (section 4.2): all five sources, three kinds of conversation.

Global conversations ask about all nine abilities in balance, negative ones about what is absent, and region ones about
the object marked by a square box on the image (section A.2.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from vlit.construct.describe import corners, region_image_name
from vlit.construct.sources.image import AnnotatedObject, Box, Word
from vlit.mini.datasets import abilities
from vlit.mini.datasets.conversations import Conversation, RarestFirst, Repertoire
from vlit.mini.datasets.image_facts import ATTRIBUTE_VALUES, ImageFacts
from vlit.mini.datasets.negatives import NEGATIVE_WRITERS
from vlit.mini.datasets.phrases import ABILITIES, Exchange, Phrasing
from vlit.mini.world.vocabulary import WORDS

OURS_SHARES = {"global": 2, "negative": 1, "region": 1}
_SHORT_SHARE = 0.5  # of the responses that are a short phrase
_FEWEST_TURNS = 3


class GlobalWriter:
    """Writes conversations of three to five turns about the whole image, the rarest abilities first."""

    def __init__(self) -> None:
        self.balance = RarestFirst()
        self.repertoire = {ability: abilities.ABILITY_WRITERS[ability] for ability in ABILITIES}

    def __call__(self, facts: ImageFacts, rng: Random) -> Conversation | None:
        """Return one conversation; None where the annotations are too few for three turns."""
        (turns,) = rng.choices((3, 4, 5), (3, 4, 1))
        exchanges = tuple(self.balance.exchanges(self.repertoire, facts, rng, turns, _SHORT_SHARE))
        annotations = facts.annotations
        if len(exchanges) < _FEWEST_TURNS:
            return None
        return Conversation(annotations.image_id, annotations.file_name, "global", exchanges)


class NegativeWriter:
    """Writes conversations of three or four turns, all but one about what is absent or false."""

    def __init__(self) -> None:
        self.negative = RarestFirst()
        self.positive = RarestFirst()
        self.repertoire = {ability: abilities.ABILITY_WRITERS[ability] for ability in ABILITIES}

    def __call__(self, facts: ImageFacts, rng: Random) -> Conversation | None:
        """Return one conversation; None where the annotations are too few for three turns."""
        exchanges = self.negative.exchanges(NEGATIVE_WRITERS, facts, rng, rng.randint(2, 3), _SHORT_SHARE)
        exchanges += self.positive.exchanges(self.repertoire, facts, rng, 1, _SHORT_SHARE)
        annotations = facts.annotations
        if len(exchanges) < _FEWEST_TURNS:
            return None
        rng.shuffle(exchanges)
        return Conversation(annotations.image_id, annotations.file_name, "negative", tuple(exchanges))


class RegionWriter:
    """Writes conversations of three or four turns about what a box marks; `boxes` collects what is to be drawn."""

    def __init__(self) -> None:
        self.balance = RarestFirst()
        self.boxes: dict[str, tuple[str, Box]] = {}  # region image -> (image file, box)

    def __call__(self, facts: ImageFacts, rng: Random) -> Conversation | None:
        """Return one conversation; None where nothing has a box or the annotations are too few for three turns."""
        annotations = facts.annotations
        markable: list[AnnotatedObject | Word] = [*annotations.objects, *annotations.words]
        if not markable:
            return None
        return self.about(rng.choice(markable), facts, rng)

    def about(self, marked: AnnotatedObject | Word, facts: ImageFacts, rng: Random) -> Conversation | None:
        """Return one conversation about what is marked; None where the annotations are too few for three turns."""
        annotations = facts.annotations
        short = rng.random() < _SHORT_SHARE
        more = rng.randint(2, 3)
        if isinstance(marked, Word):
            exchanges = [_marked_word(rng, short, marked)]
            exchanges += self.balance.exchanges(_AROUND_A_WORD, facts, rng, more, _SHORT_SHARE)
        else:
            name = rng.choice(_MARKED_OBJECT_NAMES)
            exchanges = [_marked_object(facts, rng, short, marked, name)]
            exchanges += self.balance.exchanges(_around_an_object(marked, name), facts, rng, more, _SHORT_SHARE)
        if len(exchanges) < _FEWEST_TURNS:
            return None
        image = region_image_name(annotations.file_name, marked.id, isinstance(marked, Word))
        self.boxes[image] = (annotations.file_name, marked.box)
        return Conversation(annotations.image_id, image, "region", tuple(exchanges))


# Not "the object in the box": a box is also a kind of object.
_MARKED_OBJECT_NAMES = (
    "the marked object",
    "the circled object",
    "the object in the marked square",
    "the object circled by the square",
)
_MARKED_WORD_NAMES = ("the marked word", "the circled word", "the text in the marked square")

_IDENTITY = Phrasing(
    ("What is {0}?", "Which kind of object is {0}?", "Can you name {0}?"),
    ("{0} is {value}.", "It is {value}."),
)
_IDENTITY_WITH_CORNERS = Phrasing(("What is {0} {1}?", "Can you name {0} {1}?"), _IDENTITY.sentences)
_MARKED_WORD = Phrasing(
    ("What is {0}?", "Read {0}.", "Can you read {0}?"),
    ("{0} is {value}.", "It says {value}."),
)
_AROUND_A_WORD = {name: abilities.ABILITY_WRITERS[name] for name in ("setting", "counting", "identity", "reasoning")}


def _marked_object(facts: ImageFacts, rng: Random, short: bool, thing: AnnotatedObject, name: str) -> Exchange:
    """Write "What is the marked object?", one time in three with the box' corners in pixels."""
    phrasing = _IDENTITY_WITH_CORNERS if rng.random() < 1 / 3 else _IDENTITY
    return abilities.identity_of(phrasing, facts, rng, short, (name, corners(thing.box)), kind=thing.kind)


def _marked_word(rng: Random, short: bool, word: Word) -> Exchange:
    """Write "What is the marked word?"."""
    right, *wrong = ({"value": text} for text in [word.text, *abilities.some(rng, WORDS, (word.text,))])
    name = rng.choice(_MARKED_WORD_NAMES)
    return _MARKED_WORD.exchange("text", rng, short, (name,), right, wrong=wrong, error="text")


def _around_an_object(thing: AnnotatedObject, name: str) -> Repertoire:
    """Return the writers of questions about one object that is marked and has the name `name` in the text."""

    def attribute(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
        types = rng.sample(list(ATTRIBUTE_VALUES), len(ATTRIBUTE_VALUES))
        written = (abilities.attribute_of(facts, rng, short, (thing, name), type_) for type_ in types)
        return next(filter(None, written), None)

    def location(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
        return abilities.location_of(facts, rng, short, (thing, name))

    def counting(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
        return abilities.counting_of(facts, rng, short, thing.kind)

    def relation(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
        others = [other for other in facts.named() if other[0] != thing and facts.relation(thing, other[0])]
        other = abilities.choose(rng, others)
        return abilities.relation_of(facts, rng, short, (thing, name), other) if other else None

    def knowledge(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
        return abilities.known_for_of(rng, short, thing.kind, "objects like the marked one")

    return {
        "attribute": (attribute,),
        "location": (location,),
        "counting": (counting,),
        "spatial relation": (relation,),
        "reasoning": (knowledge,),
    }


def coco_arc_records(conversations: Sequence[Conversation]) -> dict[str, Any]:
    """Return conversations of one kind as COCO_ARC's JSON (its turns as in the prompt of paper section A.2.2)."""
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
