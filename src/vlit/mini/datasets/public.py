"""Mini versions of two public datasets, LLaVA-Instruct (Liu et al., 2023) and MIMIC-IT (Li et al., 2023).

Both are written from captions and boxes. As in the published datasets, no other source is read: colours and words occur
only where a caption names them.
"""

from __future__ import annotations

import base64
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from vlit.mini.datasets import abilities
from vlit.mini.datasets.conversations import Conversation, RarestFirst, first_possible
from vlit.mini.datasets.image_facts import ImageFacts
from vlit.mini.datasets.phrases import DESCRIPTION, Exchange, Phrasing, counted, inventory
from vlit.mini.world.vocabulary import THING_KINDS, capitalised, sentence, with_article

PUBLIC_SOURCES = ("caption", "object")
_BRIEF = (
    "What is shown in this image?",
    "Describe the image briefly.",
    "Give a short caption for this picture.",
    "What do you see in the picture?",
)
_DETAILED = (
    "Describe the following image in detail.",
    "Can you give a detailed description of the image?",
    "Explain everything you see in this picture.",
    "Write a thorough description of the scene.",
)
_MAX_WORDS = 80  # of a detailed description
_ALTOGETHER = Phrasing(
    ("How many objects are in the image altogether?", "If you count every object, how many are there?"),
    ("This makes {value} in total.", "Added up, this gives {value}."),
)

# kind -> thousands of published samples
_LLAVA_TASKS = {"conversation": 58, "detailed_description": 23, "complex_reasoning": 77}
_LLAVA_SHORT_SHARE = 0.3  # of the responses in conversations; the other two kinds have sentences only
_MIMIC_IT_PREFIX = "DC"  # dense captions, one of MIMIC-IT's tasks
_MIMIC_IT_SHORT_SHARE = 0.1


class LlavaWriter:
    """Writes one conversation about an image, of one of the three kinds of LLaVA-Instruct."""

    def __init__(self) -> None:
        self.balance = RarestFirst()
        self.repertoire = {
            "seen": (_brief,),
            "identity": abilities.ABILITY_WRITERS["identity"],
            "counting": abilities.ABILITY_WRITERS["counting"],
            "location": abilities.ABILITY_WRITERS["location"],
        }

    def __call__(self, facts: ImageFacts, rng: Random) -> Conversation | None:
        """Return a conversation of a kind drawn by `_LLAVA_TASKS`; None where the annotations are too few for it."""
        (task,) = rng.choices(list(_LLAVA_TASKS), list(_LLAVA_TASKS.values()))
        if task == "conversation":
            turns = self.balance.exchanges(self.repertoire, facts, rng, rng.randint(2, 4), _LLAVA_SHORT_SHARE)
            exchanges = tuple(turns) if len(turns) > 1 else ()
        else:
            writers = (_detailed,) if task == "detailed_description" else (_reasoning,)
            exchange = first_possible(writers, facts, rng, short=False)
            exchanges = (exchange,) if exchange else ()
        annotations = facts.annotations
        return Conversation(annotations.image_id, annotations.file_name, task, exchanges) if exchanges else None


def _reasoning(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Write a question to reason about; its answer names what is seen and what follows from it."""
    writers = (abilities.most_frequent, abilities.useful, _altogether)
    exchange = first_possible(writers, facts, rng, short)
    if exchange is None or not facts.counts:
        return exchange
    seen = f"The image shows {inventory(facts.counts)}. "
    wrong = tuple(seen + alternative for alternative in exchange.alternatives)
    return replace(exchange, response=seen + exchange.response, alternatives=wrong)


def _altogether(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Write "How many objects are in the image altogether?"."""
    total = sum(facts.counts.values())
    if not total:
        return None
    right, *wrong = ({"value": counted("object", n)} for n in [total, *abilities.other_counts(rng, total)])
    return _ALTOGETHER.exchange("reasoning", rng, short, (), right, wrong=wrong, error="count")


def _brief(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Write one caption; a wrong response names an object the image does not have."""
    caption = abilities.choose(rng, facts.annotations.captions)
    if caption is None:
        return None
    wrong = tuple(_with_other_kind(caption, facts, rng))
    return Exchange(DESCRIPTION, rng.choice(_BRIEF), _sentence(caption), "object" if wrong else "", wrong)


def _detailed(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Write a paragraph: two captions, everything counted, where single objects are."""
    captions = list(dict.fromkeys(facts.annotations.captions))
    if not captions or not facts.counts:
        return None
    opening = [_sentence(caption) for caption in rng.sample(captions, min(2, len(captions)))]
    placed = [(name, place) for thing, name in facts.named() if (place := facts.place(thing)) is not None]
    closing = [
        sentence(f"{name} is in the {place} of the image") for name, place in rng.sample(placed, min(2, len(placed)))
    ]

    def paragraph(counts: dict[str, int]) -> str:
        return _up_to(_MAX_WORDS, [*opening, f"In total, the image contains {inventory(counts)}.", *closing])

    kind = rng.choice(list(facts.counts))
    miscounted = [{**facts.counts, kind: count} for count in abilities.other_counts(rng, facts.counts[kind])]
    right, *wrong = map(paragraph, [facts.counts, *miscounted])
    alternatives = tuple(text for text in wrong if text != right)
    return Exchange(DESCRIPTION, rng.choice(_DETAILED), right, "count" if alternatives else "", alternatives)


def _with_other_kind(caption: str, facts: ImageFacts, rng: Random) -> list[str]:
    """Return a caption with a kind that it names replaced by kinds that are absent from the image."""
    named = abilities.choose(rng, [kind for kind in facts.counts if re.search(rf"\b{kind}\b", caption)])
    if named is None:
        return []
    replaced = []
    for other in abilities.some(rng, facts.absent(THING_KINDS)):
        text = re.sub(rf"\ban? {named}\b", with_article(other), caption)
        text = re.sub(rf"\bAn? {named}\b", capitalised(with_article(other)), text)
        replaced.append(_sentence(re.sub(rf"\b{named}\b", other, text)))
    return replaced


def _sentence(caption: str) -> str:
    return sentence(caption.rstrip(". "))


def _up_to(words: int, sentences: list[str]) -> str:
    """Return sentences joined as long as they stay within a number of words; the first always stays."""
    text = sentences[0]
    for further in sentences[1:]:
        if len(f"{text} {further}".split()) <= words:
            text = f"{text} {further}"
    return text


def llava_records(conversations: Sequence[Conversation]) -> list[dict[str, Any]]:
    """Return conversations in the format of `llava_instruct_150k.json` (haotian-liu/LLaVA)."""
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


class MimicItWriter:
    """Writes one instruction about an image."""

    def __init__(self) -> None:
        self.balance = RarestFirst()
        self.repertoire = {
            "caption": (_brief,),
            "dense caption": (_detailed,),
            "setting": (abilities.setting,),
            "identity": (abilities.listing,),
            "counting": (abilities.counting,),
        }

    def __call__(self, facts: ImageFacts, rng: Random) -> Conversation | None:
        """Return an instruction of the type that is rarest so far; None where the annotations are too few."""
        exchanges = tuple(self.balance.exchanges(self.repertoire, facts, rng, 1, _MIMIC_IT_SHORT_SHARE))
        if not exchanges:
            return None
        return Conversation(facts.annotations.image_id, facts.annotations.file_name, _MIMIC_IT_PREFIX, exchanges)


def mimic_it_records(conversations: Sequence[Conversation], rng: Random) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Return conversations as `DC_instructions.json` and `DC_train.json` (Luodian/Otter, mimic-it/README.md).

    Each instruction gets one or two others of the same type, about other images, as in-context examples.
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
    """Return the image files as `DC.json`: URL-safe base64 by image id."""
    files = {conversation.image_id: conversation.image for conversation in conversations}
    return {
        _image_id(image_id): base64.urlsafe_b64encode((folder / name).read_bytes()).decode("ascii")
        for image_id, name in sorted(files.items())
    }


def _instruction_id(number: int) -> str:
    return f"{_MIMIC_IT_PREFIX}_INS_{number:06d}"


def _image_id(image_id: int) -> str:
    return f"{_MIMIC_IT_PREFIX}_IMG_{image_id:012d}"
