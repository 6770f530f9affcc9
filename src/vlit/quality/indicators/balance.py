"""Balance: how unevenly instructions are spread over tasks (paper 4.2.3, Table 4), and draws that even them out."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import pyarrow as pa

from vlit.common.errors import InputError
from vlit.data.sample import Sample
from vlit.quality.indicators.registry import Indicator, Value
from vlit.quality.indicators.task_diversity import tasks_in_use, tasks_of
from vlit.quality.instruments import Instruments
from vlit.quality.tags import TagSettings

_Id = TypeVar("_Id", bound=Any)  # of a sample, or of a turn; sorted before the draw


def balance(tasks: Sequence[str]) -> float:
    """Return the population variance of the tasks' shares, in squared percentage points.

    Args:
        tasks: task of each instruction; tasks without one do not count.

    Raises:
        InputError: if there is no sample.
    """
    counts = Counter(tasks)
    if not counts:
        raise InputError("balance of no sample: every sample was set aside")
    mean = 100 / len(counts)
    return sum((100 * count / len(tasks) - mean) ** 2 for count in counts.values()) / len(counts)


def balanced_ids(tasks: Mapping[_Id, str], size: int, seed: int) -> list[_Id]:
    """Draw ids so that tasks are as even as their samples allow (section 4.2.3, "randomly and uniformly sampling").

    Each task gives an equal part of what is left to draw; one with fewer gives all its samples, and the others share
    the rest.

    Args:
        tasks: task of each sample, or turn.
        size: number to draw.
        seed: of the draw.

    Raises:
        InputError: if there are fewer samples than `size`.
    """
    if not 0 <= size <= len(tasks):
        raise InputError(f"cannot draw {size} of {len(tasks)} samples: choose a size within the dataset")
    rng = random.Random(seed)
    by_task: dict[str, list[_Id]] = {}
    for sample_id in sorted(tasks):
        by_task.setdefault(tasks[sample_id], []).append(sample_id)
    chosen: set[_Id] = set()
    left = size
    smallest_first = sorted(by_task, key=lambda task: (len(by_task[task]), task))
    for done, task in enumerate(smallest_first):
        share = -(-left // (len(by_task) - done)) if done == len(by_task) - 1 else left // (len(by_task) - done)
        drawn = rng.sample(by_task[task], min(share, len(by_task[task])))
        chosen.update(drawn)
        left -= len(drawn)
    return [sample_id for sample_id in tasks if sample_id in chosen]


def _value(table: pa.Table, samples: Sequence[Sample], instruments: Instruments) -> Value:
    tasks = tasks_of(table)
    used = tasks_in_use(tasks, TagSettings(**instruments.options("tags")).coverage)
    return Value(balance([task for task in tasks if task in used]))


BALANCE = Indicator(
    key="Balance",
    label="Balance",
    value=_value,
    reads="T",
    symbol="Balance",
    row="Bal",
    higher_is_better=False,
    in_table_15=True,
)
