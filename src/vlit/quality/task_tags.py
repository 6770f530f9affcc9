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

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from vlit.data.sample import Sample
from vlit.quality.answers import Answers, Question
from vlit.quality.statistics import MeasureFault
from vlit.quality.tag_system import TagSystem, normalised
from vlit.quality.texts import Encode, instructions

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

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.key = f"llm|{answers.key}|{PROPOSE}"

    def questions(self, sample: Sample) -> list[Question]:
        """One for each instruction."""
        return [Question(PROPOSE, f"Instruction: {text}\nTasks:") for text in instructions(sample)]

    def rows(self, samples: Sequence[Sample]) -> list[dict[str, Any] | MeasureFault]:
        """The tags proposed for a sample's instructions."""
        return [_tags(replies) for replies in self.answers.by_sample(self, samples)]


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

    def __init__(self, answers: Answers, encoder: Encode, system: TagSystem, selective: bool = True) -> None:
        self.answers, self.encoder, self.selective = answers, encoder, selective
        self.names = list(system.tags)
        self.key = f"{'selective' if selective else 'generative'}|{answers.key}|{encoder.key}|{self.names}"
        self.vectors = encoder(self.names)

    def questions(self, sample: Sample) -> list[Question]:
        """One for each instruction."""
        system = f"{SELECT}\nTasks: {', '.join(self.names)}" if self.selective else PROPOSE
        return [Question(system, f"Instruction: {text}\nTask:") for text in instructions(sample)]

    def rows(self, samples: Sequence[Sample]) -> list[dict[str, Any] | MeasureFault]:
        """Assign a task to each instruction and sample."""
        return [
            replies if isinstance(replies, MeasureFault) else _row([self._tag(first_tag(reply)) for reply in replies])
            for replies in self.answers.by_sample(self, samples)
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


def _tags(replies: list[str] | MeasureFault) -> dict[str, Any] | MeasureFault:
    if isinstance(replies, MeasureFault):
        return replies
    found = list(dict.fromkeys(tag for reply in replies for tag in proposed_tags(reply)))
    return {"tags": found} if found else MeasureFault("no tag proposed")


def _row(tasks: Sequence[str]) -> dict[str, Any]:
    return {"task": Counter(tasks).most_common(1)[0][0], "tasks": list(tasks)}
