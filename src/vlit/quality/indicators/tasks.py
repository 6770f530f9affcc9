"""Task diversity (T): the number of tasks a dataset has, by a labeller in TagGPT's manner (paper 4.2.3, Table 4).

Three steps: a model proposes tags for the instructions, `tag_system` keeps the good ones, and each instruction is
assigned one of them. With a language model the proposals are its own words, and the assignment is *generative* (it
names a task freely, and the nearest tag is taken) or *selective* (it picks from the list). Offline, proposals come
from the written list of tasks below, the nearest by sentence embedding, and so does the assignment: it measures how
many of these tasks a dataset has, and can't find one that is not on the list.

The paper leaves open what a task of a sample with several instructions is: here the most frequent one, the first on a
tie. T is the number of tags that at least `coverage` of the samples have as their task.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from vlit.common.errors import InputError
from vlit.data.sample import Sample
from vlit.llm.cache import CachedModel
from vlit.llm.request import Prompt, RequestFailed
from vlit.quality.sentence_encoder import Encode, instructions
from vlit.quality.statistics import MeasureFault, request_fault

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
SELECT = "You sort instructions about images into tasks. Reply with exactly one name from the list and nothing else."


class NearestTags:
    """Proposals offline: the nearest of the listed tasks for each instruction."""

    name = "tag_proposals"
    schema = pa.schema([("tags", pa.list_(pa.string()))])

    def __init__(self, encoder: Encode) -> None:
        self.encoder, self.key = encoder, f"nearest|{encoder.key}|{sorted(TASKS.items())}"
        self.names = list(TASKS)
        self.vectors = encoder([f"{name}. {words}" for name, words in TASKS.items()])

    def rows(self, samples: Sequence[Sample]) -> list[dict[str, Any] | MeasureFault]:
        """Propose tags for each sample."""
        return [
            {"tags": list(dict.fromkeys(tags))} for tags in _nearest(self.encoder, self.vectors, self.names, samples)
        ]


class ProposedTags:
    """Proposals of a language model."""

    name = "tag_proposals"
    schema = NearestTags.schema

    def __init__(self, llm: CachedModel) -> None:
        self.llm = llm
        self.key = f"llm|{llm.key}|{PROPOSE}"

    def prompts(self, sample: Sample) -> list[Prompt]:
        """Make a prompt for each instruction."""
        return [self.llm.prompt(PROPOSE, f"Instruction: {text}\nTasks:") for text in instructions(sample)]

    def rows(self, samples: Sequence[Sample]) -> list[dict[str, Any] | MeasureFault]:
        """The tags proposed for a sample's instructions."""
        return [_tags(replies) for replies in self.llm.by_group([self.prompts(sample) for sample in samples])]


class NearestTask:
    """Assignment offline: the nearest tag of the system for each instruction."""

    name = "tasks"
    schema = pa.schema([("task", pa.string()), ("tasks", pa.list_(pa.string()))])

    def __init__(self, encoder: Encode, system: TagSystem) -> None:
        self.encoder, self.names = encoder, list(system.tags)
        self.key = f"nearest|{encoder.key}|{self.names}"
        self.vectors = encoder([f"{name}. {TASKS.get(name, '')}" for name in self.names])

    def rows(self, samples: Sequence[Sample]) -> list[dict[str, Any] | MeasureFault]:
        """Assign a task to each instruction and sample."""
        return [_row(tasks) for tasks in _nearest(self.encoder, self.vectors, self.names, samples)]


class AskedTask:
    """Assignment by a language model, selective or generative.

    Generative, the model names a task without seeing the system, and the nearest tag by embedding is taken. Selective,
    a reply that is no tag of the system is mapped to the nearest one in the same way.
    """

    name = "tasks"
    schema = NearestTask.schema

    def __init__(self, llm: CachedModel, encoder: Encode, system: TagSystem, selective: bool = True) -> None:
        self.llm, self.encoder, self.selective = llm, encoder, selective
        self.names = list(system.tags)
        self.key = f"{'selective' if selective else 'generative'}|{llm.key}|{encoder.key}|{self.names}"
        self.vectors = encoder(self.names)

    def prompts(self, sample: Sample) -> list[Prompt]:
        """Make a prompt for each instruction."""
        system = f"{SELECT}\nTasks: {', '.join(self.names)}" if self.selective else PROPOSE
        return [self.llm.prompt(system, f"Instruction: {text}\nTask:") for text in instructions(sample)]

    def rows(self, samples: Sequence[Sample]) -> list[dict[str, Any] | MeasureFault]:
        """Assign a task to each instruction and sample."""
        return [
            request_fault("language model", replies)
            if isinstance(replies, RequestFailed)
            else _row([self._tag(first_tag(reply)) for reply in replies])
            for replies in self.llm.by_group([self.prompts(sample) for sample in samples])
        ]

    def _tag(self, name: str) -> str:
        return name if name in self.names else self.names[int((self.vectors @ self.encoder([name])[0]).argmax())]


def proposed_tags(reply: str) -> list[str]:
    """At most three tags, from the first line of a reply that is not blank."""
    line = next((line for line in reply.splitlines() if line.strip()), "")
    return [tag for tag in map(normalised, line.split(",")[:3]) if tag]


def first_tag(reply: str) -> str:
    """The first of them, or nothing."""
    return next(iter(proposed_tags(reply)), "")


def tasks_in_use(tasks: Sequence[str], coverage: float) -> dict[str, int]:
    """Samples of each task that at least `coverage` of the samples have, the largest first."""
    return {task: count for task, count in Counter(tasks).most_common() if count >= coverage * len(tasks)}


def _nearest(encoder: Encode, vectors: Any, names: Sequence[str], samples: Sequence[Sample]) -> list[list[str]]:
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


def _row(tasks: Sequence[str]) -> dict[str, Any]:
    return {"task": Counter(tasks).most_common(1)[0][0], "tasks": list(tasks)}


@dataclass(frozen=True)
class TagSystem:
    """The tags that were kept, what they cover, and where the merged ones went."""

    tags: tuple[str, ...]
    coverage: dict[str, float]
    merged: dict[str, str]


def normalised(tag: str) -> str:
    """A tag in lower case, with single blanks and without a full stop."""
    return " ".join(tag.lower().replace("_", " ").strip(" .\"'").split())


def tag_system(
    proposed: Sequence[Sequence[str]], encode: Encode, coverage: float = 0.01, redundancy: float = 0.8, most: int = 30
) -> TagSystem:
    """Build the system.

    Args:
        proposed: the tags proposed for each sample.
        encode: embeds tags.
        coverage: least share of samples.
        redundancy: least cosine at which two tags are one.
        most: tags kept at most.

    Raises:
        InputError: if no tag reaches the coverage.
    """
    counts = Counter(tag for tags in proposed for tag in {normalised(tag) for tag in tags} if tag)
    shares = {tag: count / len(proposed) for tag, count in counts.items() if count / len(proposed) >= coverage}
    if not shares:
        raise InputError(f"no tag covers {coverage:.1%} of {len(proposed)} samples: lower quality.tags.coverage")
    ranked = sorted(shares, key=lambda tag: (-shares[tag], tag))
    vectors = encode(ranked)
    kept: list[int] = []
    merged: dict[str, str] = {}
    for number, tag in enumerate(ranked):
        likeness = [float(vectors[number] @ vectors[other]) for other in kept]
        nearest = max(range(len(kept)), key=likeness.__getitem__, default=None)
        if nearest is not None and likeness[nearest] >= redundancy:
            merged[tag] = ranked[kept[nearest]]
        elif len(kept) < most:
            kept.append(number)
    tags = tuple(ranked[number] for number in kept)
    return TagSystem(tags, {tag: shares[tag] for tag in tags}, merged)


def balance(tasks: Sequence[str]) -> float:
    """Population variance of the tasks' shares, in percent points squared; tasks without a sample do not count."""
    counts = Counter(tasks)
    if not counts:
        raise InputError("balance of no sample: every sample was set aside")
    mean = 100 / len(counts)
    return sum((100 * count / len(tasks) - mean) ** 2 for count in counts.values()) / len(counts)


def balanced_ids(tasks: dict[str, str], size: int, seed: int) -> list[str]:
    """Draw ids so that tasks are as even as their samples allow (section 4.2.3, "randomly and uniformly sampling").

    Each task gets an equal part of what is left to draw; one with fewer gives all it has, the others share the rest.

    Args:
        tasks: the task of each sample id.
        size: samples to draw.
        seed: of the draw.

    Raises:
        InputError: if there are fewer samples than asked for.
    """
    if not 0 <= size <= len(tasks):
        raise InputError(f"cannot draw {size} of {len(tasks)} samples: choose a size within the dataset")
    rng = random.Random(seed)
    by_task: dict[str, list[str]] = {}
    for sample_id in sorted(tasks):
        by_task.setdefault(tasks[sample_id], []).append(sample_id)
    chosen: set[str] = set()
    left = size
    smallest_first = sorted(by_task, key=lambda task: (len(by_task[task]), task))
    for done, task in enumerate(smallest_first):
        share = -(-left // (len(by_task) - done)) if done == len(by_task) - 1 else left // (len(by_task) - done)
        drawn = rng.sample(by_task[task], min(share, len(by_task[task])))
        chosen.update(drawn)
        left -= len(drawn)
    return [sample_id for sample_id in tasks if sample_id in chosen]
