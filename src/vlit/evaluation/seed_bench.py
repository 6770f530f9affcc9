"""SEED-Bench-1: its nine image dimensions, what a question is, and the control with exchanged images.

Nothing here needs torch, so that tables and the generated benchmark use the same names.
"""

from __future__ import annotations

import dataclasses
import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from scipy.stats import binomtest

from vlit.common.errors import InputError


@dataclass(frozen=True)
class Dimension:
    """An evaluation dimension of SEED-Bench-1 (Li et al., 2023) that asks about images.

    Attributes:
        key: the paper's name of it, a column of Table 3.
        id: `question_type_id` in SEED-Bench's file.
        name: SEED-Bench's name of it.
        questions: number of questions in SEED-Bench-1.
    """

    key: str
    id: int
    name: str
    questions: int


# In the order of Table 3, which is not that of the ids. Dimensions 10-12 ask about videos.
DIMENSIONS = (
    Dimension("SU", 1, "Scene Understanding", 3158),
    Dimension("II", 2, "Instance Identity", 1831),
    Dimension("IL", 4, "Instance Location", 978),
    Dimension("IA", 3, "Instance Attributes", 4649),
    Dimension("IC", 5, "Instances Counting", 2447),
    Dimension("SR", 6, "Spatial Relation", 657),
    Dimension("IIR", 7, "Instance Interaction", 97),
    Dimension("VR", 8, "Visual Reasoning", 331),
    Dimension("TR", 9, "Text Understanding", 85),
)
KEY_OF_ID = {dimension.id: dimension.key for dimension in DIMENSIONS}
OVERALL = "Overall"
COLUMNS = (OVERALL, *(dimension.key for dimension in DIMENSIONS))  # of Table 3
LETTERS = "ABCDEFGHIJ"  # a question has two to ten choices


@dataclass(frozen=True)
class Question:
    """One multiple-choice question.

    Attributes:
        id: SEED-Bench's `question_id`.
        dimension: key of its dimension.
        question: text of the question.
        choices: texts of the choices.
        answer: index of the right choice.
        image: file of the image.
    """

    id: str
    dimension: str
    question: str
    choices: tuple[str, ...]
    answer: int
    image: Path


def shuffled_images(questions: list[Question], seed: int) -> list[Question]:
    """Return the questions, each with the image of another one, never with its own image.

    A control: what a model scores here comes from the text alone. The images are moved by a random cyclic shift of a
    random order, so that each is used as often as before; where a shift would give a question its own image (several
    questions on one image), the next one in the order that differs is taken.

    Args:
        questions: questions of a benchmark.
        seed: random seed of order and shift.

    Raises:
        InputError: if all questions have one image, so that there is no other one.
    """
    if len({question.image for question in questions}) < 2:
        raise InputError("control=shuffled_images: all questions are about one image, and there is no other to show")
    generator = random.Random(seed)
    order = list(range(len(questions)))
    generator.shuffle(order)
    shift = generator.randrange(1, len(order)) if len(order) > 1 else 0
    images = {}
    for place, index in enumerate(order):
        own = questions[index].image
        others = (questions[order[(place + shift + further) % len(order)]].image for further in range(len(order)))
        images[index] = next(image for image in others if image != own)
    return [dataclasses.replace(question, image=images[index]) for index, question in enumerate(questions)]


@dataclass(frozen=True)
class Accuracy:
    """Accuracies of a model by column of Table 3.

    A dimension without questions has no accuracy and no interval (None), never a zero.

    Attributes:
        accuracy: accuracies in percent.
        interval95: Wilson's 95% intervals, (low, high) in percent.
        counts: numbers of questions.
        unread: share of the answers, in percent, that name no choice and so count as wrong; None where choices are
            ranked, which always names one.
    """

    accuracy: dict[str, float | None]
    interval95: dict[str, tuple[float, float] | None]
    counts: dict[str, int]
    unread: float | None = None

    def __str__(self) -> str:
        """Return a table for the log, one line per column."""
        return "\n".join(self._line(column) for column in COLUMNS)

    def _line(self, column: str) -> str:
        value, interval = self.accuracy[column], self.interval95[column]
        if value is None or interval is None:
            return f"{column:8} no question"
        low, high = interval
        return f"{column:8} {value:5.1f} %  [{low:.1f}, {high:.1f}]  {self.counts[column]} questions"


def accuracy(outcomes: Iterable[tuple[str, bool]]) -> Accuracy:
    """Summarise answered questions.

    Args:
        outcomes: dimension of each question, and whether it was answered right.
    """
    asked: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for dimension, correct in outcomes:
        for column in (OVERALL, dimension):
            asked[column] += 1
            right[column] += correct
    values: dict[str, float | None] = {}
    intervals: dict[str, tuple[float, float] | None] = {}
    for column in COLUMNS:
        if not asked[column]:
            values[column], intervals[column] = None, None
            continue
        values[column] = 100 * right[column] / asked[column]
        interval = binomtest(right[column], asked[column]).proportion_ci(0.95, method="wilson")
        intervals[column] = (100 * interval.low, 100 * interval.high)
    return Accuracy(values, intervals, {column: asked[column] for column in COLUMNS})


def chance(questions: Iterable[Question]) -> dict[str, float | None]:
    """Return the accuracy of guessing, in percent, by column: it follows from each question's number of choices."""
    shares: dict[str, list[float]] = {column: [] for column in COLUMNS}
    for question in questions:
        for column in (OVERALL, question.dimension):
            shares[column].append(100 / len(question.choices))
    return {column: sum(some) / len(some) if some else None for column, some in shares.items()}
