"""The tag system of task diversity, in TagGPT's manner (paper 4.2.3): tags are proposed, and the good ones kept.

A model proposes tags for the instructions and `tag_system` keeps those that cover enough samples and differ enough from
each other; the statistic of T then assigns one to each instruction. With a language model the proposals are its own
words. Offline, proposals come from the written list of tasks below, the nearest by sentence embedding: that measures
how many of these tasks a dataset has, and can't find one that is not on the list.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vlit.common.errors import InputError
from vlit.data.sample import Sample
from vlit.llm.cache import CachedModel
from vlit.llm.request import Prompt, RequestFailed
from vlit.quality.instruments import Encode, Instruments, TagSystem
from vlit.quality.statistics import MeasureFault, instructions, request_fault

TASKS = {
    "image description": "Describe the image in detail. What is shown in this picture?",
    "scene recognition": "What kind of place or setting is this? Where was it taken?",
    "object recognition": "What object is this? Which things can be seen?",
    "attribute recognition": "What color, material, pattern, shape or size is the object?",
    "object counting": "How many objects are there?",
    "object localization": "Where in the image is the object? At the left, right, top or bottom?",
    "spatial relation": "What is next to, behind, above or left of the object? How are the two placed?",
    "interaction recognition": "What is the person doing with the object? How do the two interact?",
    "text recognition": "What does the sign say? Which word or number is written?",
    "existence verification": "Is there an object of this kind in the image? Can you see one?",
    "visual reasoning": "Why is it so? What can be concluded, what will happen next, and what is the reason?",
    "comparison": "What is the difference between the two? Which one is larger, and are they the same?",
    "knowledge question": "What is known about this thing: its history, its use, facts about the world?",
    "creative writing": "Write a story, poem, caption or dialogue inspired by the image.",
    "advice": "What would you recommend or suggest? How should one do it, step by step?",
    "emotion recognition": "What does the person feel? What mood does the image have?",
}
PROPOSE = (
    "You label instructions about images with the task they set. Reply with one to three short task names, "
    "separated by commas, most fitting first, and nothing else.\n"
    "Instruction: How many cups are on the table?\nTasks: object counting\n"
    "Instruction: Why might the man be smiling?\nTasks: visual reasoning, emotion recognition"
)


@dataclass(frozen=True)
class TagSettings:
    """Thresholds of the tag system.

    Attributes:
        coverage: least share of samples that a tag is proposed for, and of samples of a task that counts.
        redundancy: least cosine at which two tags are one.
        most: tags kept at most.
        selective: whether a language model assigns tasks by picking from the tags, or names them freely.
    """

    coverage: float = 0.01
    redundancy: float = 0.8
    most: int = 30
    selective: bool = True


class NearestTags:
    """The statistic of proposals offline: the nearest of the listed tasks for each instruction."""

    name = "tags"
    schema = pa.schema([("tags", pa.list_(pa.string()))])

    def __init__(self, encoder: Encode) -> None:
        self.encoder, self.key = encoder, f"nearest|{encoder.key}|{sorted(TASKS.items())}"
        self.names = list(TASKS)
        self.vectors = encoder([f"{name}. {words}" for name, words in TASKS.items()])

    def rows(self, samples: Sequence[Sample]) -> list[dict[str, Any] | MeasureFault]:
        """Propose tags for each sample."""
        return [
            {"tags": list(dict.fromkeys(tags))}
            for tags in nearest_names(self.encoder, self.vectors, self.names, samples)
        ]


class ProposedTags:
    """The statistic of proposals by a language model."""

    name = "tags"
    schema = NearestTags.schema

    def __init__(self, llm: CachedModel) -> None:
        self.llm = llm
        self.key = f"llm|{llm.key}|{PROPOSE}"

    def prompts(self, sample: Sample) -> list[Prompt]:
        """Return one prompt for each instruction."""
        return [self.llm.prompt(PROPOSE, f"Instruction: {text}\nTasks:") for text in instructions(sample)]

    def rows(self, samples: Sequence[Sample]) -> list[dict[str, Any] | MeasureFault]:
        """Return the tags proposed for each sample's instructions."""
        return [_tags(replies) for replies in self.llm.by_group([self.prompts(sample) for sample in samples])]


def proposals(instruments: Instruments) -> NearestTags | ProposedTags:
    """Return the statistic of proposals: the language model's where there is one, else the nearest listed tasks."""
    return NearestTags(instruments.encoder()) if instruments.llm is None else ProposedTags(instruments.llm)


def proposed_tags(reply: str) -> list[str]:
    """Read at most three tags from the first line of a reply that is not blank."""
    line = next((line for line in reply.splitlines() if line.strip()), "")
    return [tag for tag in map(normalised, line.split(",")[:3]) if tag]


def first_tag(reply: str) -> str:
    """Read the first tag of a reply, or an empty one."""
    return next(iter(proposed_tags(reply)), "")


def nearest_names(
    encoder: Encode, vectors: NDArray[np.float32], names: Sequence[str], samples: Sequence[Sample]
) -> list[list[str]]:
    """Return, for each sample, the name nearest to each of its instructions.

    Args:
        encoder: embeds instructions.
        vectors: unit vectors (names, width).
        names: what the vectors stand for.
        samples: the samples.
    """
    texts = [text for sample in samples for text in instructions(sample)]
    if not texts:
        return [[] for _ in samples]
    found = iter((encoder(texts) @ vectors.T).argmax(axis=1).tolist())
    return [[names[next(found)] for _ in instructions(sample)] for sample in samples]


def _tags(replies: list[str] | RequestFailed) -> dict[str, Any] | MeasureFault:
    if isinstance(replies, RequestFailed):
        return request_fault("language model", replies)
    found = list(dict.fromkeys(tag for reply in replies for tag in proposed_tags(reply)))
    return {"tags": found} if found else MeasureFault("no tag proposed")


def normalised(tag: str) -> str:
    """Return a tag in lower case, with single blanks and without a full stop."""
    return " ".join(tag.lower().replace("_", " ").strip(" .\"'").split())


def tag_system(proposed: Sequence[Sequence[str]], encode: Encode, settings: TagSettings) -> TagSystem:
    """Build the tag system of a dataset.

    Args:
        proposed: tags proposed for each sample.
        encode: embeds tags.
        settings: thresholds.

    Raises:
        InputError: if no tag reaches the coverage.
    """
    counts = Counter(tag for tags in proposed for tag in {normalised(tag) for tag in tags} if tag)
    shares = {tag: count / len(proposed) for tag, count in counts.items() if count / len(proposed) >= settings.coverage}
    if not shares:
        raise InputError(f"no tag covers {settings.coverage:.1%} of {len(proposed)} samples: lower tags.coverage")
    ranked = sorted(shares, key=lambda tag: (-shares[tag], tag))
    vectors = encode(ranked)
    kept: list[int] = []
    merged: dict[str, str] = {}
    for number, tag in enumerate(ranked):
        likeness = [float(vectors[number] @ vectors[other]) for other in kept]
        nearest = max(range(len(kept)), key=likeness.__getitem__, default=None)
        if nearest is not None and likeness[nearest] >= settings.redundancy:
            merged[tag] = ranked[kept[nearest]]
        elif len(kept) < settings.most:
            kept.append(number)
    tags = tuple(ranked[number] for number in kept)
    return TagSystem(tags, {tag: shares[tag] for tag in tags}, merged)
