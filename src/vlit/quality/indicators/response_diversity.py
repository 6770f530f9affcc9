"""Response diversity (R): semantic clusters among the responses to each task (paper 4.2.3 "Diversity", Table 4).

The paper fixes: SimCSE embeddings, DBSCAN, the log of the number of clusters, and that the responses "for each task"
shall differ (Principle 4). It leaves open DBSCAN's radius and number, the base of the logarithm, and how tasks are put
together. Here each response is a text of the task of its instruction; embeddings have unit length; at most `per_task`
responses are drawn of each task, with a seed; the indicator is the natural logarithm of the mean number of clusters
over tasks. Noise is no cluster, and a task without a cluster counts one. Any encoder can be configured; offline it is
all-MiniLM-L6-v2, whose values can't be compared with SimCSE's. The radius has to fit the encoder and the data.

Clusters follow what responses are about more than how they are worded: `R_forms` (`vlit.quality.indicators.forms`)
counts wordings.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vlit.data.sample import Sample
from vlit.quality.algorithms.dbscan import dbscan
from vlit.quality.indicators.registry import Indicator, Value
from vlit.quality.indicators.task_diversity import FocusTask, PromptedTask, task_measure, tasks_in_use, tasks_of
from vlit.quality.instruments import Encode, Instruments
from vlit.quality.statistics import MeasureFault
from vlit.quality.tags import TagSettings


class ResponseEmbedding:
    """The statistic of R: an embedding, in half precision, and the task of each response."""

    name = "R"
    schema = pa.schema([("tasks", pa.list_(pa.string())), ("embeddings", pa.list_(pa.list_(pa.float16())))])

    def __init__(self, encoder: Encode, tasks: FocusTask | PromptedTask) -> None:
        self.encoder, self.tasks, self.key = encoder, tasks, f"{encoder.key}|{tasks.key}"

    def rows(self, samples: Sequence[Sample]) -> list[dict[str, Any] | MeasureFault]:
        """Embed each response."""
        named = self.tasks.rows(samples)
        texts = [turn.response for sample in samples for turn in sample.turns if turn.supervised]
        vectors: Iterator[Any] = iter(self.encoder(texts).astype(np.float16) if texts else [])
        found = [[next(vectors) for turn in sample.turns if turn.supervised] for sample in samples]
        return [
            row if isinstance(row, MeasureFault) else {"tasks": row["tasks"], "embeddings": some}
            for row, some in zip(named, found, strict=True)
        ]


@dataclass(frozen=True)
class ResponseDiversity:
    """Settings of the indicator.

    Attributes:
        eps: DBSCAN's radius on unit vectors: two texts of cosine c are sqrt(2 - 2 c) apart.
        min_samples: responses within the radius, itself included, that make a response a core.
        per_task: responses drawn of each task at most.
        seed: of the draw.
    """

    eps: float = 0.5
    min_samples: int = 5
    per_task: int = 2000
    seed: int = 0

    def clusters(self, embeddings: NDArray[np.floating]) -> NDArray[np.int64]:
        """Return the cluster of each embedding, a unit vector of (n, width); -1 is noise."""
        return dbscan(embeddings, self.eps, self.min_samples)

    def of(self, by_task: Mapping[str, NDArray[np.floating]]) -> tuple[float, dict[str, int]]:
        """Return the log of the mean number of clusters, and the number of each task.

        Args:
            by_task: unit vectors (n, width) of each task.
        """
        numbers = {}
        for task, embeddings in sorted(by_task.items()):
            rng = random.Random(f"{self.seed}|{task}")
            drawn = sorted(rng.sample(range(len(embeddings)), min(self.per_task, len(embeddings))))
            numbers[task] = max(1, int(self.clusters(embeddings[drawn]).max(initial=-1)) + 1)
        return (math.log(sum(numbers.values()) / len(numbers)) if numbers else 0.0), numbers


def vectors(table: pa.Table) -> NDArray[np.float16]:
    """Return the embeddings (responses, width) of a table of R, without a Python number a coordinate."""
    flat = table["embeddings"].combine_chunks().flatten()
    return flat.flatten().to_numpy(zero_copy_only=False).reshape(len(flat), -1)


def _value(table: pa.Table, samples: Sequence[Sample], instruments: Instruments) -> Value:
    embeddings, tasks = vectors(table), tasks_of(table)
    used = tasks_in_use(tasks, TagSettings(**instruments.options("tags")).coverage)
    places: dict[str, list[int]] = {task: [] for task in used}
    for place, task in enumerate(tasks):
        if task in places:
            places[task].append(place)
    settings = ResponseDiversity(**instruments.options("response_diversity"))
    number, clusters = settings.of({task: embeddings[where] for task, where in places.items()})
    return Value(number, {"response_clusters": clusters})


R = Indicator(
    key="R",
    label="Response diversity",
    value=_value,
    statistic=lambda instruments: ResponseEmbedding(instruments.encoder(), task_measure(instruments)),
    needs=("encoder", "tags"),
    symbol="R",
    row="RD",
    in_table_15=True,
)
