"""Task diversity (T): the number of tasks a dataset has, by a labeller in TagGPT's manner (paper 4.2.3, Table 4).

Each instruction is assigned a tag of the dataset's tag system (`vlit.quality.tags`). With a language model the
assignment is *generative* (it names a task freely, and the nearest tag is taken) or *selective* (it picks from the
list); offline it is the nearest tag by sentence embedding.

The paper leaves open what the task of a sample with several instructions is: here the most frequent one, the first on a
tie. T is the number of tags that at least `coverage` of the samples have as their task.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from vlit.data.sample import Sample
from vlit.llm.cache import CachedModel
from vlit.llm.request import Prompt, RequestFailed
from vlit.quality.indicators.registry import Indicator, Value
from vlit.quality.instruments import Encode, Instruments, TagSystem
from vlit.quality.statistics import MeasureFault, instructions, request_fault
from vlit.quality.tags import PROPOSE, TASKS, TagSettings, first_tag, nearest_names

SELECT = "You sort instructions about images into tasks. Reply with exactly one name from the list and nothing else."


class NearestTask:
    """The statistic of T offline: the nearest tag of the system for each instruction."""

    name = "T"
    schema = pa.schema([("task", pa.string()), ("tasks", pa.list_(pa.string()))])

    def __init__(self, encoder: Encode, system: TagSystem) -> None:
        self.encoder, self.names = encoder, list(system.tags)
        self.key = f"nearest|{encoder.key}|{self.names}"
        self.vectors = encoder([f"{name}. {TASKS.get(name, '')}" for name in self.names])

    def rows(self, samples: Sequence[Sample]) -> list[dict[str, Any] | MeasureFault]:
        """Assign a task to each instruction and sample."""
        return [_row(tasks) for tasks in nearest_names(self.encoder, self.vectors, self.names, samples)]


class PromptedTask:
    """The statistic of T by a language model, selective or generative.

    Generative, the model names a task without seeing the system, and the nearest tag by embedding is taken. Selective,
    a reply that is no tag of the system is mapped to the nearest one in the same way.
    """

    name = "T"
    schema = NearestTask.schema

    def __init__(self, llm: CachedModel, encoder: Encode, system: TagSystem, selective: bool = True) -> None:
        self.llm, self.encoder, self.selective = llm, encoder, selective
        self.names = list(system.tags)
        self.key = f"{'selective' if selective else 'generative'}|{llm.key}|{encoder.key}|{self.names}"
        self.vectors = encoder(self.names)

    def prompts(self, sample: Sample) -> list[Prompt]:
        """Return one prompt for each instruction."""
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


def tasks_in_use(tasks: Sequence[str], coverage: float) -> dict[str, int]:
    """Count the samples of each task that at least the share `coverage` of all has, the largest task first."""
    return {task: count for task, count in Counter(tasks).most_common() if count >= coverage * len(tasks)}


def _row(tasks: Sequence[str]) -> dict[str, Any]:
    return {"task": Counter(tasks).most_common(1)[0][0], "tasks": list(tasks)}


def _statistic(instruments: Instruments) -> NearestTask | PromptedTask:
    encoder, system = instruments.encoder(), instruments.tags()
    if instruments.llm is None:
        return NearestTask(encoder, system)
    return PromptedTask(instruments.llm, encoder, system, TagSettings(**instruments.options("tags")).selective)


def _value(table: pa.Table, samples: Sequence[Sample], instruments: Instruments) -> Value:
    tasks = table["task"].to_pylist()
    used = tasks_in_use(tasks, TagSettings(**instruments.options("tags")).coverage)
    return Value(len(used), {"tasks": dict(Counter(tasks).most_common())})


T = Indicator(
    key="T",
    label="Task diversity",
    value=_value,
    statistic=_statistic,
    needs=("encoder", "tags"),
    symbol="T",
    row="TD",
    in_table_15=True,
    is_count=True,
)
