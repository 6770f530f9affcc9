"""`C_contrast`: the stand-in for correctness where no model can be asked, by the likelihoods of one of ours.

A response has one vote for each other image, as in `correctness`: yes if it is likelier with its own. A sample is right
if each of its responses has more yes than no. `margin`, in nats, ranks samples more finely and is what the filter looks
at: the most surprising token of all responses, given its image (`Evidence.weakest`). `lift` is the least of the
responses' log-likelihood ratios to the other images, kept for comparison.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from vlit.data.sample import Sample
from vlit.quality.judges.likelihood import FamilyJudge
from vlit.quality.statistics import MeasureFault


class Contrast:
    """The statistic.

    Args:
        judge: whose likelihoods.
        times: other images a response is compared with.
    """

    name = "contrast"
    schema = pa.schema([(name, pa.float32()) for name in ("correct", "agreement", "margin", "lift")])

    def __init__(self, judge: FamilyJudge, times: int = 5) -> None:
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
        }
