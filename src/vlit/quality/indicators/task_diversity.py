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
from vlit.quality.instruments import Encode, Instruments, Labeller, TagSystem
from vlit.quality.statistics import MeasureFault, instructions, request_fault
from vlit.quality.tags import PROPOSE, TagSettings, first_foci, first_tag
from vlit.quality.wording import questions

SELECT = "You sort instructions about images into tasks. Reply with exactly one name from the list and nothing else."


class FocusTask:
    """The statistic of T offline: the tag of the focus of each instruction's first question.

    A focus that is in no tag of the system stays a task of its own, which is too rare to count.
    """

    name = "T"
    schema = pa.schema([("task", pa.string()), ("tasks", pa.list_(pa.string()))])

    def __init__(self, labeller: Labeller, system: TagSystem) -> None:
        self.labeller, self.merged = labeller, system.merged
        self.key = f"{labeller.key}|{sorted(self.merged.items())}"

    def rows(self, samples: Sequence[Sample]) -> list[dict[str, Any] | MeasureFault]:
        """Assign a task to each instruction and sample."""
        return [_row([self._tag(focus) for focus in foci]) for foci in first_foci(self.labeller, samples)]

    def of_questions(self, samples: Sequence[Sample]) -> list[list[list[str]] | MeasureFault]:
        """Return the task of each question of each instruction of each sample."""
        asked = [[questions(text) for text in instructions(sample)] for sample in samples]
        foci = iter(self.labeller([one for some in asked for parts in some for one in parts]))
        return [[[self._tag(next(foci)) for _ in parts] for parts in some] for some in asked]

    def _tag(self, focus: str) -> str:
        return self.merged.get(focus, focus)


class PromptedTask:
    """The statistic of T by a language model, selective or generative.

    Generative, the model names a task without seeing the system, and the nearest tag by embedding is taken. Selective,
    a reply that is no tag of the system is mapped to the nearest one in the same way.
    """

    name = "T"
    schema = FocusTask.schema

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

    def of_questions(self, samples: Sequence[Sample]) -> list[list[list[str]] | MeasureFault]:
        """Return the task of each question of each instruction of each sample: that of its instruction."""
        return [
            row
            if isinstance(row, MeasureFault)
            else [[task] * len(questions(text)) for task, text in zip(row["tasks"], instructions(sample), strict=True)]
            for row, sample in zip(self.rows(samples), samples, strict=True)
        ]

    def _tag(self, name: str) -> str:
        return name if name in self.names else self.names[int((self.vectors @ self.encoder([name])[0]).argmax())]


def tasks_in_use(tasks: Sequence[str], coverage: float) -> dict[str, int]:
    """Count each task that at least the share `coverage` of all has, the largest first."""
    return {task: count for task, count in Counter(tasks).most_common() if count >= coverage * len(tasks)}


def tasks_of(table: pa.Table) -> list[str]:
    """Return the tasks of all instructions of a table of T."""
    return [task for tasks in table["tasks"].to_pylist() for task in tasks]


def _row(tasks: Sequence[str]) -> dict[str, Any]:
    return {"task": Counter(tasks).most_common(1)[0][0], "tasks": list(tasks)}


def task_measure(instruments: Instruments) -> FocusTask | PromptedTask:
    """Return the statistic of T: the language model's where there is one."""
    system = instruments.tags()
    if instruments.llm is None:
        return FocusTask(instruments.labeller(), system)
    return PromptedTask(
        instruments.llm, instruments.encoder(), system, TagSettings(**instruments.options("tags")).selective
    )


def _value(table: pa.Table, samples: Sequence[Sample], instruments: Instruments) -> Value:
    tasks = tasks_of(table)
    used = tasks_in_use(tasks, TagSettings(**instruments.options("tags")).coverage)
    return Value(len(used), {"tasks": dict(Counter(tasks).most_common())})


T = Indicator(
    key="T",
    label="Task diversity",
    value=_value,
    statistic=task_measure,
    needs=("encoder", "tags"),
    symbol="T",
    row="TD",
    in_table_15=True,
    is_count=True,
)
