"""Instruction diversity (I): clusters in the graph of a task's words (paper 4.2.3 "Diversity", Table 4).

The paper fixes: instructions of one task label, stop words removed, a graph of elements by co-occurrence, Ego-Splitting
with connected components in both steps, the number of clusters. It leaves open what an element is, what stop words are,
and how tasks and sizes are put on one scale (Table 4 prints 13.3 to 22.6, so it averages something). Here an element is
a lower-cased word, words co-occur in one instruction, and the list below holds the stop words. An edge
needs `support` instructions that hold both words. Tasks differ in
size and clusters grow with size: at most `per_task` instructions are drawn of each, with a seed,
and the indicator is the mean over tasks.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from vlit.quality.algorithms.ego_splitting import cluster_sizes

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
STOP_WORDS = frozenset(
    [
        "a",
        "about",
        "above",
        "after",
        "again",
        "all",
        "also",
        "am",
        "an",
        "and",
        "any",
        "are",
        "as",
        "at",
        "be",
        "been",
        "before",
        "being",
        "below",
        "between",
        "both",
        "but",
        "by",
        "can",
        "could",
        "did",
        "do",
        "does",
        "doing",
        "done",
        "down",
        "each",
        "either",
        "else",
        "every",
        "few",
        "for",
        "from",
        "further",
        "get",
        "give",
        "given",
        "had",
        "has",
        "have",
        "having",
        "he",
        "her",
        "here",
        "hers",
        "him",
        "his",
        "how",
        "i",
        "if",
        "in",
        "into",
        "is",
        "isn't",
        "it",
        "its",
        "itself",
        "just",
        "let",
        "like",
        "made",
        "make",
        "many",
        "may",
        "me",
        "might",
        "more",
        "most",
        "much",
        "must",
        "my",
        "near",
        "no",
        "nor",
        "not",
        "of",
        "off",
        "on",
        "once",
        "one",
        "only",
        "or",
        "other",
        "our",
        "out",
        "over",
        "own",
        "per",
        "please",
        "same",
        "shall",
        "she",
        "should",
        "so",
        "some",
        "such",
        "than",
        "that",
        "the",
        "their",
        "them",
        "then",
        "there",
        "these",
        "they",
        "this",
        "those",
        "through",
        "to",
        "too",
        "under",
        "until",
        "up",
        "upon",
        "us",
        "very",
        "was",
        "we",
        "were",
        "what",
        "what's",
        "when",
        "where",
        "which",
        "while",
        "who",
        "whom",
        "whose",
        "why",
        "will",
        "with",
        "within",
        "without",
        "would",
        "you",
        "your",
        "yours",
    ]
)


@dataclass(frozen=True)
class InstructionDiversity:
    """Settings of the indicator; see the module's docstring."""

    per_task: int = 2000
    support: int = 1
    longest: int = 40  # words read of an instruction: pairs grow with the square
    seed: int = 0

    def of(self, instructions: Iterable[tuple[str, str]]) -> tuple[float, dict[str, int]]:
        """The mean number of clusters over tasks, and the number of each.

        Args:
            instructions: (task, instruction) in a fixed order.
        """
        by_task: dict[str, list[str]] = defaultdict(list)
        for task, text in instructions:
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
            found = dict.fromkeys(elements(text)[: self.longest])
            for pair in combinations(sorted(numbers.setdefault(word, len(numbers)) for word in found), 2):
                counts[pair] += 1
        kept = [pair for pair, count in counts.items() if count >= self.support]
        return np.array(kept, np.int64).reshape(-1, 2)


def elements(text: str) -> list[str]:
    """The words of an instruction without stop words and single letters, in order."""
    return [word for word in _WORD.findall(text.lower()) if word not in STOP_WORDS and len(word) > 1]
