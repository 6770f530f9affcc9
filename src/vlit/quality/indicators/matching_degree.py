"""Matching degree (MD): how well the words of a sample fit its image, by CLIP (paper 4.2.3 "Correctness", Table 4).

The paper fixes the similarity of CLIP's image and text representations and prints it around 30, the usual cosine x
100. It leaves open what the text of a sample is and how a long one is read. Here each response is a text, cut into
sentences, since CLIP's context is short and one wrong sentence must not drown among right ones; a response of one or
two words means nothing by itself and is read after its instruction. A response's degree is the mean over its
sentences; a sample's is the mean over its responses (`mean`, Table 4) and the least of them (`least`, by which the
filter ranks).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from vlit.data.sample import Sample, Turn
from vlit.quality.indicators.registry import Indicator, Value, mean_of
from vlit.quality.instruments import Features, Instruments
from vlit.quality.statistics import MeasureFault

SHORT_RESPONSE = 3  # words; a shorter response is read after its instruction
SHOWN = 12  # samples of each end that the report shows
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True)
class MatchingDegree:
    """Matching degree of one sample, x 100: of each response, their mean and the least of them."""

    sample_id: str
    responses: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over the responses."""
        return sum(self.responses) / len(self.responses)

    @property
    def least(self) -> float:
        """The least of the responses."""
        return min(self.responses)


def texts_of(turn: Turn) -> list[str]:
    """Return the texts of a turn that are compared with the image."""
    response = turn.response.strip()
    if len(response.split()) < SHORT_RESPONSE:
        return [f"{turn.instruction.strip()} {response}"]
    return [sentence for sentence in _SENTENCE_END.split(response) if sentence]


def matching_degrees(samples: Sequence[Sample], features: Features) -> list[MatchingDegree]:
    """Score the samples that have a readable image; each image and each text is encoded once.

    A sample's last image is the one of its supervised turns (earlier ones belong to in-context examples).
    """
    pictured = [sample for sample in samples if sample.images]
    images = features.of([sample.images[-1] for sample in pictured])
    responses = [[texts_of(turn) for turn in sample.turns if turn.supervised] for sample in pictured]
    texts = features.of_texts(text for turns in responses for turn in turns for text in turn)
    degrees = []
    for sample, image, turns in zip(pictured, images, responses, strict=True):
        if image is not None and turns:
            # Products summed by row, so that a degree doesn't depend on the other rows of its matrix.
            cosines = [(np.stack([texts[text] for text in turn]) * image).sum(axis=1) for turn in turns]
            by_turn = [100 * float(some.astype(np.float64).mean()) for some in cosines]
            degrees.append(MatchingDegree(sample.id, tuple(by_turn)))
    return degrees


class MatchingMeasure:
    """The statistic of MD: mean over a sample's responses (Table 4) and the least of them (the filter)."""

    name = "MD"
    schema = pa.schema([("mean", pa.float64()), ("least", pa.float64()), ("responses", pa.list_(pa.float64()))])

    def __init__(self, features: Features) -> None:
        self.features, self.key = features, f"{features.key}|by response"

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
                degree = degrees[sample.id]
                rows.append({"mean": degree.mean, "least": degree.least, "responses": list(degree.responses)})
        return rows


def _value(table: pa.Table, samples: Sequence[Sample], instruments: Instruments) -> Value:
    ranked = [name for _, name in sorted(zip(table["least"].to_pylist(), table["sample_id"].to_pylist(), strict=True))]
    details = {"lowest": {"worst": ranked[:SHOWN], "best": ranked[::-1][:SHOWN]}}
    return Value(mean_of("mean")(table, samples, instruments).number, details)


MD = Indicator(
    key="MD",
    label="Matching degree",
    value=_value,
    statistic=lambda instruments: MatchingMeasure(instruments.features()),
    needs=("features",),
    distribution="least",
    ranks_by="least",
    by_response="responses",
    symbol="MD",
    row="MD",
    in_table_15=True,
)
