"""Correctness (C): a multi-modal model judges a sample several times (paper 4.2.3 "Correctness", Table 4).

The paper fixes: an MLLM (LLaVA 1.5), manually written guiding examples, several assessments, the most frequent is the
score. It leaves open the examples, the number of times and the scale (Table 4 prints 91 to 95). Here each response of
a sample is judged `times` times; a sample is right if each of its responses is (`correct`, 0 or 1; C is 100 times the
mean). `responses` has the mean vote on each response, the share of yes where the judge says yes or no, and `agreement`
the least of them, which ranks samples more finely. The times differ in the order of the guiding examples or in wording
and, where the judge samples, in the seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from vlit.data.sample import Sample, Turn
from vlit.quality.indicators.registry import Indicator, mean_of
from vlit.quality.instruments import Judge, LikelihoodJudge, Votes
from vlit.quality.statistics import MeasureFault

_HALF = 0.5


class Correctness:
    """The statistic of C.

    Args:
        judge: the model that is asked.
        times: votes on each response; odd numbers have no ties except by abstentions.
    """

    name = "C"
    schema = pa.schema(
        [
            ("correct", pa.float32()),
            ("agreement", pa.float32()),
            ("responses", pa.list_(pa.float32())),
            ("yes", pa.int32()),
            ("no", pa.int32()),
            ("abstained", pa.int32()),
        ]
    )

    def __init__(self, judge: Judge, times: int = 5) -> None:
        self.judge, self.times = judge, times
        self.key = f"{judge.name}|{judge.key}|{times}"

    def rows(self, samples: Sequence[Sample]) -> list[dict[str, Any] | MeasureFault]:
        """Judge each sample; all are given to the judge together, so that a server is kept busy."""
        cases = [[(sample, turn) for turn in _judged(sample)] if sample.images else [] for sample in samples]
        votes = iter(self.judge.votes([case for some in cases for case in some], self.times))
        return [self._row([next(votes) for _ in some]) if some else MeasureFault("no image") for some in cases]

    def _row(self, votes: list[Votes | MeasureFault]) -> dict[str, Any] | MeasureFault:
        fault = next((each for each in votes if isinstance(each, MeasureFault)), None)
        if fault is not None:
            return fault
        verdicts = [count_votes(each) for each in votes if not isinstance(each, MeasureFault)]
        if any(verdict.correct is None for verdict in verdicts):
            return MeasureFault("no verdict")
        return {
            "correct": float(all(verdict.correct for verdict in verdicts)),
            "agreement": min(verdict.mean for verdict in verdicts),
            "responses": [verdict.mean for verdict in verdicts],
            "yes": sum(verdict.yes for verdict in verdicts),
            "no": sum(verdict.no for verdict in verdicts),
            "abstained": sum(verdict.abstained for verdict in verdicts),
        }


def _judged(sample: Sample) -> list[Turn]:
    return [turn for turn in sample.turns if turn.supervised]


@dataclass(frozen=True)
class Verdict:
    """Numbers of votes on one response, and the mean of those that are no abstention (0 where all are)."""

    yes: int
    no: int
    abstained: int
    mean: float

    @property
    def correct(self) -> bool | None:
        """The most frequent vote; a tie is no, and abstentions alone are None."""
        return self.yes > self.no if self.yes + self.no else None


def count_votes(votes: Votes) -> Verdict:
    """Count the votes on a response; one of a half or less is no."""
    given = [vote for vote in votes if vote is not None]
    yes = sum(vote > _HALF for vote in given)
    return Verdict(yes, len(given) - yes, len(votes) - len(given), sum(given) / len(given) if given else 0.0)


C = Indicator(
    key="C",
    label="Correctness",
    value=mean_of("correct", 100),
    statistic=lambda instruments: Correctness(instruments.judge(), **instruments.options("judge", "times")),
    needs=("judge",),
    distribution="agreement",
    ranks_by="agreement",
    by_response="responses",
    symbol="C",
    row="C",
)


class Contrast:
    """The statistic of `C_contrast`.

    Args:
        judge: the model whose likelihoods are compared.
        times: other images that a response is compared with.
    """

    name = "C_contrast"
    schema = pa.schema(
        [(name, pa.float32()) for name in ("correct", "agreement", "margin", "lift")]
        + [("responses", pa.list_(pa.float32()))]
    )

    def __init__(self, judge: LikelihoodJudge, times: int = 5) -> None:
        self.judge, self.times = judge, times
        self.key = f"{judge.name}|{judge.key}|{times}"

    def rows(self, samples: Sequence[Sample]) -> list[dict[str, Any] | MeasureFault]:
        """Compare each response of each sample."""
        return [self._row(sample) for sample in samples]

    def _row(self, sample: Sample) -> dict[str, Any] | MeasureFault:
        if not sample.images:
            return MeasureFault("no image")
        try:
            found = [self.judge.evidence(sample, turn, self.times) for turn in sample.turns if turn.supervised]
        except MeasureFault as fault:
            return fault
        except OSError:
            return MeasureFault("unreadable image")
        shares = [sum(one.votes) / len(one.votes) for one in found]
        return {
            "correct": float(min(shares) > 0.5),
            "agreement": min(shares),
            "margin": min(one.weakest for one in found),
            "lift": min(one.lift for one in found),
            "responses": [one.weakest for one in found],
        }


C_CONTRAST = Indicator(
    key="C_contrast",
    label="Correctness by contrast",
    value=mean_of("correct", 100),
    statistic=lambda instruments: Contrast(instruments.family_judge(), **instruments.options("judge", "times")),
    needs=("family_judge",),
    distribution="margin",
    ranks_by="margin",
    by_response="responses",
    stand_in_for="C",
)
