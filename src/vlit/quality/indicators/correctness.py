"""Correctness (C): a multi-modal model judges a sample several times (paper 4.2.3 "Correctness", Table 4).

The paper fixes: an MLLM (LLaVA 1.5), manually written guiding examples, several assessments, the most frequent is the
score. It leaves open the examples, the number of times and the scale (Table 4 prints 91 to 95). Here each response of
a sample is judged `times` times; a sample is right if each of its responses is (`correct`, 0 or 1; C is 100 times the
mean), and `agreement` is the least share of yes among a response's votes, which ranks samples more finely. The times
differ in the order of the guiding examples and, where the judge samples, in the seed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from vlit.data.images import DecodedImage
from vlit.data.sample import Sample, Turn
from vlit.quality.indicators.registry import Indicator, mean_of
from vlit.quality.instruments import Judge
from vlit.quality.statistics import MeasureFault

JUDGE_PROMPT = (
    "You check answers about images. Look at the image, read the question and the answer, and decide whether all that "
    "the answer says is true of the image: objects, numbers, colors, places, actions and written words. Knowledge of "
    "the world in it must be right too. An answer that says less than it could is correct. Begin with Yes or No."
)
JUDGED_EXAMPLES = (
    ("How many dogs are there?", "There are two dogs.", "an image with two dogs on grass", "Yes."),
    ("What color is the car?", "The car is blue.", "an image with one red car", "No. The car is red."),
    ("What does the sign say?", "It says EXIT.", "an image of a door with the sign OPEN", "No. The sign says OPEN."),
    ("Is there a cat?", "No, there is no cat in the image.", "an image of an empty street", "Yes."),
    ("Where is the cup?", "It is to the left of the plate.", "a table: a cup, and a plate right of it", "Yes."),
)


class Correctness:
    """The statistic of C.

    Args:
        judge: the model that is asked.
        times: votes on each response; odd numbers have no ties except by abstentions.
        workers: samples judged at once (a server answers many; a local model one).
    """

    name = "C"
    schema = pa.schema(
        [
            ("correct", pa.float32()),
            ("agreement", pa.float32()),
            ("yes", pa.int32()),
            ("no", pa.int32()),
            ("abstained", pa.int32()),
        ]
    )

    def __init__(self, judge: Judge, times: int = 5, workers: int = 1) -> None:
        self.judge, self.times, self.workers = judge, times, workers
        self.key = f"{judge.name}|{judge.key}|{times}"

    def rows(self, samples: Sequence[Sample]) -> list[dict[str, Any] | MeasureFault]:
        """Judge each sample."""
        with ThreadPoolExecutor(self.workers) as pool:
            return list(pool.map(self._row, samples))

    def _row(self, sample: Sample) -> dict[str, Any] | MeasureFault:
        if not sample.images:
            return MeasureFault("no image")
        try:
            decoded = replace(sample, images=(DecodedImage.of(sample.images[-1]),))  # once for all its turns
            turns = [turn for turn in sample.turns if turn.supervised]
            verdicts = [count_votes(self.judge.votes(decoded, turn, self.times)) for turn in turns]
        except MeasureFault as fault:
            return fault
        except OSError:
            return MeasureFault("unreadable image")
        if any(verdict.correct is None for verdict in verdicts):
            return MeasureFault("no verdict")
        return {
            "correct": float(all(verdict.correct for verdict in verdicts)),
            "agreement": min(verdict.yes / (verdict.yes + verdict.no) for verdict in verdicts),
            "yes": sum(verdict.yes for verdict in verdicts),
            "no": sum(verdict.no for verdict in verdicts),
            "abstained": sum(verdict.abstained for verdict in verdicts),
        }


def question(turn: Turn, time: int) -> str:
    """Return the text a judge reads at a time: guiding examples, rotated by one each time, and the case."""
    place = time % len(JUDGED_EXAMPLES)
    rotated = JUDGED_EXAMPLES[place:] + JUDGED_EXAMPLES[:place]
    shown = "\n\n".join(f"[{image}]\nQuestion: {q}\nAnswer: {a}\nVerdict: {v}" for q, a, image, v in rotated)
    return f"{shown}\n\n[the image you see]\nQuestion: {turn.instruction}\nAnswer: {turn.response}\nVerdict:"


_YES = re.compile(r"^\W*(?:(?:verdict|answer)\W+)?(yes|correct|right|true)\b", re.IGNORECASE)
_NO = re.compile(r"^\W*(?:(?:verdict|answer)\W+)?(no|not|incorrect|wrong|false)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Verdict:
    """Numbers of votes on one response."""

    yes: int
    no: int
    abstained: int

    @property
    def correct(self) -> bool | None:
        """The most frequent vote; a tie is no, and abstentions alone are None."""
        return self.yes > self.no if self.yes + self.no else None


def read_vote(reply: str) -> bool | None:
    """Return the verdict a reply begins with, or None."""
    if _NO.match(reply):
        return False
    return True if _YES.match(reply) else None


def count_votes(votes: Sequence[bool | None]) -> Verdict:
    """Count the votes on a response."""
    return Verdict(votes.count(True), votes.count(False), votes.count(None))


C = Indicator(
    key="C",
    label="Correctness",
    value=mean_of("correct", 100),
    statistic=lambda instruments: Correctness(instruments.judge(), **instruments.options("judge", "times", "workers")),
    needs=("judge",),
    distribution="agreement",
    ranks_by="agreement",
    symbol="C",
    row="C",
)
