"""Response diversity (R): semantic clusters among responses (paper 4.2.3 "Diversity", Table 4).

The paper fixes: SimCSE embeddings, DBSCAN, the log of the number of clusters. It leaves open DBSCAN's radius and
number, the base of the logarithm, and the unit. Here a sample is one text, its responses one after another; embeddings
have unit length; the logarithm is natural (2.3, as printed for "Ours", is then ten clusters); a dataset without a
cluster has 0 like one with a single one; noise is no cluster. Any encoder can be configured; offline it is
all-MiniLM-L6-v2, whose values can't be compared with SimCSE's.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vlit.data.sample import Sample
from vlit.quality.algorithms.dbscan import dbscan
from vlit.quality.indicators.registry import Indicator, Value
from vlit.quality.instruments import Encode, Instruments
from vlit.quality.statistics import MeasureFault, responses


class ResponseEmbedding:
    """The statistic of R: one embedding a sample, in half precision."""

    name = "R"
    schema = pa.schema([("embedding", pa.list_(pa.float16()))])

    def __init__(self, encoder: Encode) -> None:
        self.encoder, self.key = encoder, encoder.key

    def rows(self, samples: Sequence[Sample]) -> list[dict[str, Any] | MeasureFault]:
        """Embed each sample's responses."""
        if not samples:
            return []
        vectors = self.encoder([responses(sample) for sample in samples]).astype(np.float16)
        return [{"embedding": vector} for vector in vectors]


@dataclass(frozen=True)
class ResponseDiversity:
    """DBSCAN's settings on unit vectors: two texts of cosine c are sqrt(2 - 2 c) apart."""

    eps: float = 0.5
    min_samples: int = 5

    def of(self, embeddings: NDArray[np.floating]) -> tuple[float, NDArray[np.int64]]:
        """Return the log of the number of clusters, and the cluster of each embedding (-1: noise).

        Args:
            embeddings: unit vectors (n, width).
        """
        labels = dbscan(embeddings, self.eps, self.min_samples)
        return math.log(max(1, int(labels.max(initial=-1)) + 1)), labels


def vectors(column: pa.ChunkedArray) -> NDArray[np.float16]:
    """Return the stored embeddings (n, width) of samples that have one, without a Python number a coordinate."""
    return column.combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1)


def _value(table: pa.Table, samples: Sequence[Sample], instruments: Instruments) -> Value:
    settings = ResponseDiversity(**instruments.options("response_diversity"))
    number, labels = settings.of(vectors(table["embedding"]))
    clusters = dict(zip(table["sample_id"].to_pylist(), labels.tolist(), strict=True))
    return Value(number, {"response_clusters": dict(Counter(map(str, clusters.values())).most_common())}, clusters)


R = Indicator(
    key="R",
    label="Response diversity",
    value=_value,
    statistic=lambda instruments: ResponseEmbedding(instruments.encoder()),
    needs=("encoder",),
    symbol="R",
    row="RD",
    in_table_15=True,
)
