"""Matching degree as a stored statistic: the same values as `matching_degrees`, image features kept between parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from vlit.data.images import unreadable
from vlit.data.sample import Sample
from vlit.models.clip import Clip
from vlit.quality.matching_degree import matching_degrees
from vlit.quality.statistics import MeasureFault


class MatchingMeasure:
    """The statistic: mean over a sample's responses (Table 4) and the least of them (the filter).

    Args:
        clip: an open_clip model.
        key: names its weights.
        batch_size: images or texts at once.
    """

    name = "matching_degree"
    schema = pa.schema([("mean", pa.float64()), ("least", pa.float64())])

    def __init__(self, clip: Clip, key: str, batch_size: int = 256) -> None:
        self.clip, self.key, self.batch_size = clip, key, batch_size

    def rows(self, samples: Sequence[Sample]) -> list[dict[str, Any] | MeasureFault]:
        """Score samples; one without an image, or with an unreadable one, is a fault."""
        broken = unreadable(sample.images[-1] for sample in samples if sample.images)
        fit = [sample for sample in samples if sample.images and sample.images[-1] not in broken]
        degrees = {degree.sample_id: degree for degree in matching_degrees(fit, self.clip, self.batch_size)}
        rows: list[dict[str, Any] | MeasureFault] = []
        for sample in samples:
            if not sample.images:
                rows.append(MeasureFault("no image"))
            elif sample.id not in degrees:
                rows.append(MeasureFault("unreadable image"))
            else:
                rows.append({"mean": degrees[sample.id].mean, "least": degrees[sample.id].least})
        return rows
