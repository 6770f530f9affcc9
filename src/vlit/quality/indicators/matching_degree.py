"""Matching degree (MD): how well the words of a sample fit its image, by CLIP (paper 4.2.3 "Correctness", Table 4).

The paper fixes the similarity of CLIP's image and text representations and prints it around 30, the usual cosine x
100. It leaves open what the text of a sample is and how a long one is read. Here each response is a text, cut into
sentences, since CLIP's context is short and one wrong sentence must not drown among right ones; a response of one or
two words means nothing by itself and is read behind its instruction. A response's degree is the mean over its
sentences; a sample's is the mean over its responses (`mean`, Table 4) and the least of them (`least`, what the filter
looks at).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from vlit.data.sample import Sample, Turn
from vlit.models.clip import Clip
from vlit.quality.image_features import ImageFeatures, Vector, ahead, chunks, unit
from vlit.quality.statistics import MeasureFault

SHORT = 3  # words; a shorter response is read behind its instruction
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True)
class MatchingDegree:
    """Matching degree of one sample, x 100: over its responses, the mean and the least."""

    sample_id: str
    mean: float
    least: float


def texts_of(turn: Turn) -> list[str]:
    """The texts of a turn that are held against the image."""
    response = turn.response.strip()
    if len(response.split()) < SHORT:
        return [f"{turn.instruction.strip()} {response}"]
    return [sentence for sentence in _SENTENCE_END.split(response) if sentence]


def matching_degrees(samples: Sequence[Sample], features: ImageFeatures) -> list[MatchingDegree]:
    """Score samples that have an image that can be read; each image and each text is encoded once.

    A sample's last image is the one its supervised turns speak of (earlier ones belong to in-context examples).
    """
    pictured = [sample for sample in samples if sample.images]
    images = features.of([sample.images[-1] for sample in pictured])
    spoken = [[texts_of(turn) for turn in sample.turns if turn.supervised] for sample in pictured]
    texts = _encode_texts((text for turns in spoken for turn in turns for text in turn), features)
    degrees = []
    for sample, image, turns in zip(pictured, images, spoken, strict=True):
        if image is not None and turns:
            # Products summed by row, so that a degree doesn't depend on what stands beside it.
            cosines = [(np.stack([texts[text] for text in turn]) * image).sum(axis=1) for turn in turns]
            by_turn = [100 * float(some.astype(np.float64).mean()) for some in cosines]
            degrees.append(MatchingDegree(sample.id, sum(by_turn) / len(by_turn), min(by_turn)))
    return degrees


def _encode_texts(texts: Iterable[str], features: ImageFeatures) -> dict[str, Vector]:
    clip, ordered = features.clip, sorted(set(texts))
    vectors = [
        unit(clip.model.encode_text, ids)  # type: ignore[arg-type]
        for ids in ahead(lambda some: clip.tokenize(list(some)), chunks(ordered, features.batch_size))
    ]
    return dict(zip(ordered, (row for rows in vectors for row in rows), strict=True))


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
