"""The design as data: a base dataset, and for each principle four datasets in which only it differs from the base.

| principle | dose | base |
|---|---|---|
| correctness | share of wrong responses, among those that can be wrong | 0 |
| task diversity | number of abilities, of nine | 9 |
| instruction diversity | wordings of a type of question (more than there are: with carrier sentences) | all there are |
| response diversity | sentences of a type of answer (more than there are: with openers) | all there are |
| complexity | questions in one instruction (their number and content stay) | 1 |
| balance | share of the questions about the favoured ability | a ninth |
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from vlit.common.errors import InputError

DOSE_QUESTIONS = 5  # of a conversation, in every dose
FAVOURED = "attribute"  # the ability that unbalanced doses favour, as SEED-Bench does
# Doses with few abilities keep the first: those with several questions about every image.
ABILITY_ORDER = (
    "attribute", "identity", "location", "counting", "spatial relation", "reasoning", "setting", "text", "interaction",
)  # fmt: skip
_ALL = 9  # wordings or sentences: more than any phrasing has


@dataclass(frozen=True)
class DoseSettings:
    """How a dataset is made.

    Attributes:
        error_rate: share of wrong responses, among those that can be wrong.
        abilities: number of abilities, the first of `ABILITY_ORDER`.
        wordings: most instruction wordings of a type of question.
        carriers: number of sentences that an instruction may be embedded in (1: none).
        sentences: most sentences of a type of answer.
        openers: number of ways a sentence may begin (1: unchanged).
        turns: turns of a conversation; `DOSE_QUESTIONS` questions are spread over them.
        favoured: share of the questions about `FAVOURED`; None is as many as about any other ability.
    """

    error_rate: float = 0.0
    abilities: int = len(ABILITY_ORDER)
    wordings: int = _ALL
    carriers: int = 1
    sentences: int = _ALL
    openers: int = 1
    turns: int = DOSE_QUESTIONS
    favoured: float | None = None


@dataclass(frozen=True)
class Dose:
    """One dataset of the design.

    Attributes:
        principle: one of `PRINCIPLES`, or `BASE`.
        level: position among the doses of its principle, from 1; the base has 0.
        dose: what the principle is set to.
        settings: how the dataset is made.
    """

    principle: str
    level: int
    dose: float
    settings: DoseSettings

    @property
    def name(self) -> str:
        """Name of the dataset."""
        return f"dose_{self.principle}_{self.level}"


BASE = "base"
_BASE = DoseSettings()
_LEVELS: dict[str, list[tuple[float, DoseSettings]]] = {
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
    "complexity": [(DOSE_QUESTIONS / turns, replace(_BASE, turns=turns)) for turns in (4, 3, 2, 1)],
    "balance": [(share, replace(_BASE, favoured=share)) for share in (0.25, 0.4, 0.55, 0.7)],
}
# What the base is set to on the scale of each principle.
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
    """Return one dataset of the design.

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
    """Return the base and all other doses, in order."""
    return [dose(BASE, 0), *(dose(name, level + 1) for name in PRINCIPLES for level in range(len(_LEVELS[name])))]
