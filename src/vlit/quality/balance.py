"""Balance: how evenly samples are spread over tasks (paper 4.2.3 "Balance", Table 4), and balanced sampling.

The paper fixes the variance of the numbers of samples over tasks, and prints 10 to 17. The variance of raw numbers of
a 150,000-sample dataset would be millions, so it had a scale it doesn't state. Here a task's number is its share in
percent and the variance is the population's, which makes datasets of all sizes comparable: 0 is even, and with ten
tasks 16.8 (Table 4, "Ours") is a standard deviation of 4.1 percent points around 10.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from vlit.errors import InputError


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
