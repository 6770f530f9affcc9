"""Instruction diversity (I_div): clusters in the graph of a task's words (paper 4.2.3 "Diversity", Table 4).

The paper fixes: instructions of one task label, stop words removed, a graph of elements by co-occurrence, Ego-Splitting
with connected components in both steps, the number of clusters. It leaves open what an element is, what stop words are,
and how tasks and sizes are put on one scale (Table 4 prints 13.3 to 22.6, so it averages something). Here an element is
a lower-cased word, words co-occur in one instruction, and stop words are spaCy's for English. An edge needs `support`
instructions that contain both words. Tasks differ in size and clusters grow with size: at most `per_task` instructions
are drawn of each, with a seed, and the indicator is the mean over tasks.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np
import pyarrow as pa

from vlit.data.sample import Sample
from vlit.quality.algorithms.ego_splitting import cluster_sizes
from vlit.quality.indicators.registry import Indicator, Value
from vlit.quality.indicators.task_diversity import tasks_in_use, tasks_of
from vlit.quality.instruments import Instruments
from vlit.quality.statistics import instructions
from vlit.quality.tags import TagSettings

_WORD = re.compile(r"([^\W_]+?)(n['’]t|['’][^\W_]+)?(?![^\W_])")  # a word and what is contracted with it


@dataclass(frozen=True)
class InstructionDiversity:
    """Settings of the indicator.

    Attributes:
        per_task: instructions drawn of each task at most.
        support: instructions that must contain both words of an edge.
        longest: words read of an instruction; pairs of words grow with the square.
        seed: of the draw.
    """

    per_task: int = 2000
    support: int = 1
    longest: int = 40
    seed: int = 0

    def of(self, labelled: Iterable[tuple[str, str]]) -> tuple[float, dict[str, int]]:
        """Return the mean number of clusters over tasks, and the number of each task.

        Args:
            labelled: (task, instruction) in a fixed order.
        """
        by_task: dict[str, list[str]] = defaultdict(list)
        for task, text in labelled:
            by_task[task].append(text)
        clusters = {}
        for task, texts in sorted(by_task.items()):
            drawn = random.Random(f"{self.seed}|{task}").sample(texts, min(self.per_task, len(texts)))
            clusters[task] = len(cluster_sizes(self._edges(drawn)))
        return (sum(clusters.values()) / len(clusters) if clusters else 0.0), clusters

    def _edges(self, texts: Sequence[str]) -> np.ndarray:
        numbers: dict[str, int] = {}
        counts: dict[tuple[int, int], int] = defaultdict(int)
        for text in texts:
            found = dict.fromkeys(content_words(text)[: self.longest])
            for pair in combinations(sorted(numbers.setdefault(word, len(numbers)) for word in found), 2):
                counts[pair] += 1
        kept = [pair for pair, count in counts.items() if count >= self.support]
        return np.array(kept, np.int64).reshape(-1, 2)


def content_words(text: str) -> list[str]:
    """Return the words of an instruction without stop words and single letters, in lower case and order.

    A contraction is a stop word if the word before its apostrophe is one ("what's", "isn't").
    """
    words = [(found.group(), found.group(1)) for found in _WORD.finditer(text.lower())]
    stop_words = _stop_words()
    return [word for word, stem in words if word not in stop_words and stem not in stop_words and len(word) > 1]


@cache
def _stop_words() -> frozenset[str]:
    from spacy.lang.en.stop_words import STOP_WORDS  # slow to import

    return frozenset(STOP_WORDS)


def _value(table: pa.Table, samples: Sequence[Sample], instruments: Instruments) -> Value:
    used = tasks_in_use(tasks_of(table), TagSettings(**instruments.options("tags")).coverage)
    by_instruction = dict(zip(table["sample_id"].to_pylist(), table["tasks"].to_pylist(), strict=True))
    number, clusters = InstructionDiversity(**instruments.options("instruction_diversity")).of(
        (task, text)
        for sample in samples
        if sample.id in by_instruction
        for task, text in zip(by_instruction[sample.id], instructions(sample), strict=True)
        if task in used
    )
    return Value(number, {"instruction_clusters": clusters})


I_DIV = Indicator(
    key="I_div",
    label="Instruction diversity",
    value=_value,
    reads="T",
    symbol="I",
    row="ID",
    in_table_15=True,
)
