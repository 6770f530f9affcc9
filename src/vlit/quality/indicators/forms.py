"""Instruction and response diversity by wording (I_forms, R_forms): how many ways there are to say the same.

The paper counts clusters, of words for instructions (I_div) and of meanings for responses (R). Both follow what texts
are about, and need not grow with the number of wordings (`experiments/indicators_on_doses.py`). These two count
*forms* instead: texts without their content words (`vlit.quality.wording.form`). The indicator is the effective number
of forms of a task, the exponential of their entropy, averaged over tasks: 1 where all questions of a task are worded
alike, n where n wordings are equally frequent.

An instruction with several questions is cut into them, and a response into as many sentences where it has as many;
otherwise all its sentences belong to the first question.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pyarrow as pa

from vlit.data.sample import Sample
from vlit.quality.indicators.registry import Indicator, Value
from vlit.quality.indicators.task_diversity import FocusTask, PromptedTask, task_measure, tasks_in_use
from vlit.quality.instruments import Instruments
from vlit.quality.statistics import MeasureFault
from vlit.quality.tags import TagSettings
from vlit.quality.wording import form, questions

_SENTENCES = re.compile(r"(?<=[.!?])\s+")


class Forms:
    """The statistic of both: the forms of questions and of answers, each with its task."""

    name = "I_forms"
    _COLUMNS = ("tasks", "forms", "answer_tasks", "answer_forms")
    schema = pa.schema([(name, pa.list_(pa.string())) for name in _COLUMNS])

    def __init__(self, tasks: FocusTask | PromptedTask) -> None:
        self.tasks, self.key = tasks, f"forms|1|{tasks.key}"

    def rows(self, samples: Sequence[Sample]) -> list[dict[str, Any] | MeasureFault]:
        """Return the forms of each sample."""
        named = self.tasks.of_questions(samples)
        return [
            tasks if isinstance(tasks, MeasureFault) else self._row(sample, tasks)
            for sample, tasks in zip(samples, named, strict=True)
        ]

    def _row(self, sample: Sample, tasks: Sequence[Sequence[str]]) -> dict[str, Any]:
        row: dict[str, list[str]] = {name: [] for name in self._COLUMNS}
        turns = [turn for turn in sample.turns if turn.supervised]
        for turn, of_turn in zip(turns, tasks, strict=True):
            row["tasks"] += of_turn
            row["forms"] += map(form, questions(turn.instruction))
            answers = [text for text in _SENTENCES.split(turn.response.strip()) if text]
            row["answer_tasks"] += of_turn if len(answers) == len(of_turn) else [of_turn[0]] * len(answers)
            row["answer_forms"] += map(form, answers)
        return row


def effective_number(forms: Iterable[str]) -> float:
    """Return the exponential of the entropy of the shares of distinct forms (Hill's number of order 1)."""
    counts = Counter(forms)
    total = sum(counts.values())
    return math.exp(-sum(count / total * math.log(count / total) for count in counts.values()))


def _value(tasks: str, forms: str) -> Callable[[pa.Table, Sequence[Sample], Instruments], Value]:
    def value(table: pa.Table, samples: Sequence[Sample], instruments: Instruments) -> Value:
        by_task: defaultdict[str, list[str]] = defaultdict(list)
        for names, texts in zip(table[tasks].to_pylist(), table[forms].to_pylist(), strict=True):
            for name, text in zip(names, texts, strict=True):
                by_task[name].append(text)
        every = [name for name, texts in by_task.items() for _ in texts]
        used = tasks_in_use(every, TagSettings(**instruments.options("tags")).coverage)
        numbers = {name: effective_number(by_task[name]) for name in used}
        return Value(sum(numbers.values()) / len(numbers) if numbers else 0.0, {f"{forms}_of_tasks": numbers})

    return value


I_FORMS = Indicator(
    key="I_forms",
    label="Instruction diversity by wording",
    value=_value("tasks", "forms"),
    statistic=lambda instruments: Forms(task_measure(instruments)),
    needs=("labeller", "tags"),
    variant_of="I_div",
)
R_FORMS = Indicator(
    key="R_forms",
    label="Response diversity by wording",
    value=_value("answer_tasks", "answer_forms"),
    reads="I_forms",
    variant_of="R",
)
