"""The design as data: a base dataset, and for each principle four datasets in which only it differs from the base.

| principle | dose | base |
|---|---|---|
| correctness | share of the responses that can be wrong which are wrong | 0 |
| task diversity | abilities asked for, of nine | 9 |
| instruction diversity | wordings of a type of question (`MANY`: all, in carrier sentences) | all there are |
| response diversity | sentences a type of answer takes (more than all: with openers) | all there are |
| complexity | questions in one instruction (their number and content stay) | 1 |
| balance | share of the questions that ask for the favoured ability | a ninth |
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from vlit.common.errors import InputError

QUESTIONS = 5  # of a conversation, in every dose
FAVOURED = "attribute"  # where balance is given up: what SEED-Bench asks most
# What is kept when tasks are few: first what every image can be asked several times.
ABILITY_ORDER = (
    "attribute", "identity", "location", "counting", "spatial relation", "reasoning", "setting", "text", "interaction",
)  # fmt: skip
ALL = 9  # wordings or sentences: more than any phrasing has


@dataclass(frozen=True)
class Settings:
    """How a dataset is made.

    Attributes:
        error_rate: share of the responses that can be wrong which are.
        abilities: how many of `ABILITY_ORDER` are asked for.
        wordings: most instruction wordings of a type of question.
        carriers: sentences an instruction may stand in (1: none).
        sentences: most sentences a type of answer takes.
        openers: how many ways a sentence may begin (1: as it is).
        turns: of a conversation; `QUESTIONS` questions are spread over them.
        favoured: share of the questions that ask for `FAVOURED`; None is as many as for any other.
    """

    error_rate: float = 0.0
    abilities: int = len(ABILITY_ORDER)
    wordings: int = ALL
    carriers: int = 1
    sentences: int = ALL
    openers: int = 1
    turns: int = QUESTIONS
    favoured: float | None = None


@dataclass(frozen=True)
class Dose:
    """One dataset of the design: `dose` is what its principle is set to, `level` its place from 1 (the base has 0)."""

    principle: str
    level: int
    dose: float
    settings: Settings

    @property
    def name(self) -> str:
        """The dataset's name."""
        return f"dose_{self.principle}_{self.level}"


BASE = "base"
_BASE = Settings()
_LEVELS: dict[str, list[tuple[float, Settings]]] = {
    "correctness": [(rate, replace(_BASE, error_rate=rate)) for rate in (0.15, 0.3, 0.5, 0.75)],
    "task_diversity": [(n, replace(_BASE, abilities=n)) for n in (2, 3, 5, 7)],
    "instruction_diversity": [
        *((n, replace(_BASE, wordings=n)) for n in (1, 2, 3)),
        (16, replace(_BASE, carriers=4)),
    ],
    "response_diversity": [
        *((n, replace(_BASE, sentences=n)) for n in (1, 2)),
        *((3 * n, replace(_BASE, openers=n)) for n in (3, 6)),
    ],
    "complexity": [(QUESTIONS / turns, replace(_BASE, turns=turns)) for turns in (4, 3, 2, 1)],
    "balance": [(share, replace(_BASE, favoured=share)) for share in (0.25, 0.4, 0.55, 0.7)],
}
# What the base is on each principle's scale.
BASE_DOSE = {
    "correctness": 0.0,
    "task_diversity": 9.0,
    "instruction_diversity": 4.0,
    "response_diversity": 3.0,
    "complexity": 1.0,
    "balance": 1 / len(ABILITY_ORDER),
}
PRINCIPLES = tuple(_LEVELS)


def dose(principle: str, level: int) -> Dose:
    """One dataset of the design.

    Raises:
        InputError: if there is no such principle or level.
    """
    if principle == BASE:
        if level != 0:
            raise InputError(f"dose.level={level}: the base has level 0 only")
        return Dose(BASE, 0, 0.0, _BASE)
    if principle not in _LEVELS:
        raise InputError(f"dose.principle={principle} is unknown: choose from {', '.join((BASE, *PRINCIPLES))}")
    levels = _LEVELS[principle]
    if not 1 <= level <= len(levels):
        raise InputError(f"dose.level={level}: {principle} has levels 1 to {len(levels)} (0 is dose.principle={BASE})")
    return Dose(principle, level, *levels[level - 1])


def doses() -> list[Dose]:
    """The base and all others, in order."""
    return [dose(BASE, 0), *(dose(name, level + 1) for name in PRINCIPLES for level in range(len(_LEVELS[name])))]
