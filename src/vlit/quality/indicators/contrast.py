"""`C_contrast`: the stand-in for correctness where no model can be asked, by the likelihoods of one of our models.

A response has one vote for each other image, as in `correctness`: yes if it is more likely with its own. A sample is
right if each of its responses has more yes than no. `margin`, in nats, ranks samples more finely and is what the filter
ranks by: that of the most surprising token of all responses, given its image (`Evidence.weakest`). `lift` is the least
of the responses' log-likelihood ratios to the other images, kept for comparison.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from vlit.data.sample import Sample
from vlit.quality.indicators.registry import Indicator, mean_of
from vlit.quality.instruments import LikelihoodJudge
from vlit.quality.statistics import MeasureFault


class Contrast:
    """The statistic of `C_contrast`.

    Args:
        judge: the model whose likelihoods are compared.
        times: other images that a response is compared with.
    """

    name = "C_contrast"
    schema = pa.schema([(name, pa.float32()) for name in ("correct", "agreement", "margin", "lift")])

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
        }


C_CONTRAST = Indicator(
    key="C_contrast",
    label="Correctness by contrast",
    value=mean_of("correct", 100),
    statistic=lambda instruments: Contrast(instruments.family_judge(), **instruments.options("judge", "times")),
    needs=("family_judge",),
    distribution="margin",
    ranks_by="margin",
    stand_in_for="C",
)
