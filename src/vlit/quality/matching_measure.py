"""Matching degree as a stored statistic: the same values as `matching_degrees`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from vlit.data.sample import Sample
from vlit.models.clip import Clip
from vlit.quality.image_features import ImageFeatures
from vlit.quality.matching_degree import matching_degrees
from vlit.quality.statistics import MeasureFault


class MatchingMeasure:
    """The statistic: mean over a sample's responses (Table 4) and the least of them (the filter).

    Args:
        clip: makes an open_clip model; called when the first sample is scored.
        key: names its weights.
        file: where image features are kept, or None.
        batch_size: images or texts at once.
    """

    name = "matching_degree"
    schema = pa.schema([("mean", pa.float64()), ("least", pa.float64())])

    def __init__(self, clip: Callable[[], Clip], key: str, file: Path | None = None, batch_size: int = 256) -> None:
        self.clip, self.key, self.file, self.batch_size = clip, key, file, batch_size

    @cached_property
    def features(self) -> ImageFeatures:
        """The features of images, by the model that also reads the texts."""
        return ImageFeatures(self.clip(), self.key, self.file, self.batch_size)

    def rows(self, samples: Sequence[Sample]) -> list[dict[str, Any] | MeasureFault]:
        """Score samples; one without an image, or with an unreadable one, is a fault."""
        degrees = {degree.sample_id: degree for degree in matching_degrees(samples, self.features)}
        rows: list[dict[str, Any] | MeasureFault] = []
        for sample in samples:
            if not sample.images:
                rows.append(MeasureFault("no image"))
            elif sample.id not in degrees:
                rows.append(MeasureFault("unreadable image"))
            else:
                rows.append({"mean": degrees[sample.id].mean, "least": degrees[sample.id].least})
        return rows
