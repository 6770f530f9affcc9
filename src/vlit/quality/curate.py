"""From a dataset to its curated subset: statistics once, stored; the filter afterwards, as often as one likes.

`ours_qc` is `ours` and a list of kept ids (paper 4.2.3). Matching degree is measured when it is missing; correctness,
its stand-in `contrast` and tasks need a judge and a sentence encoder, and are read from what `assess.py` stored.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.stats import rankdata

from vlit.common.errors import InputError
from vlit.common.files import write_jsonl
from vlit.data.sample import Sample
from vlit.data.subset import KeptIds, fingerprint, write_kept
from vlit.models.clip import Clip
from vlit.quality.indicators.matching_degree import MatchingMeasure
from vlit.quality.indicators.tasks import balanced_ids
from vlit.quality.statistics import StatisticsStore

log = logging.getLogger(__name__)

FEATURES = "image_features.sqlite"
COLUMNS = {
    "matching_degree": "least",
    "correctness": "agreement",
    "contrast": "margin",
}  # what of a statistic the filter looks at


@dataclass(frozen=True)
class Curation:
    """How a dataset is curated.

    Attributes:
        clip: makes the CLIP; called only when matching degrees are missing.
        clip_key: names its weights.
        folder: statistics, kept ids and rejects go to `{folder}/{dataset}/`.
        batch_size: images or texts at once.
        rank_by: the statistics that order samples, by their mean rank: `matching_degree`, `correctness`, `contrast`.
        keep: the share of samples kept, from above.
        matching_degree: least value of a kept sample, or None.
        correctness: likewise, of the share of yes among the votes on its worst response.
        contrast: likewise, of the margin in nats.
        judge: whose correctness, where several have judged: the beginning of the statistics' key.
        balanced: the number of samples drawn so that tasks are as even as can be, or None for all that pass.
        seed: of that draw.
    """

    clip: Callable[[], Clip]
    clip_key: str
    folder: Path
    batch_size: int = 256
    rank_by: Sequence[str] = ("matching_degree",)
    keep: float = 0.8
    matching_degree: float | None = None
    correctness: float | None = None
    contrast: float | None = None
    judge: str | None = None
    balanced: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.keep <= 1:
            raise InputError(f"quality.keep={self.keep}: it is the share of samples to keep, above 0 and at most 1")
        if not self.rank_by or set(self.rank_by) - set(COLUMNS):
            raise InputError(f"quality.rank_by={list(self.rank_by)}: one or more of {', '.join(COLUMNS)}")

    @property
    def rules(self) -> str:
        """Everything that decides who is kept, in one line."""
        least = ", ".join(f"{name} >= {value}" for name, value in self._least().items())
        drawn = f"balanced={self.balanced} seed={self.seed}" if self.balanced is not None else ""
        judge = f"judge={self.judge}" if self.judge else ""
        return " ".join(filter(None, [f"keep={self.keep} by {'+'.join(self.rank_by)}", least, judge, drawn]))

    def measure(self) -> MatchingMeasure:
        """Matching degree, with the features of images kept beside the statistics."""
        return MatchingMeasure(self.clip, self.clip_key, Path(self.folder) / FEATURES, self.batch_size)

    def kept(self, name: str, samples: Sequence[Sample]) -> KeptIds:
        """Curate a dataset and write `kept_ids.json` and `rejects.jsonl` (id, reason, value, threshold).

        Raises:
            InputError: if a statistic is needed that nobody has measured.
        """
        store = StatisticsStore.of(Path(self.folder), name, samples)
        scores = {key: self._scores(key, store, samples) for key in dict.fromkeys([*self.rank_by, *self._least()])}
        rejects = [reject for some in scores.values() for reject in without_value(some)]
        for key, least in self._least().items():
            rejects += below(scores[key], least)
        rejects = first_reasons([*rejects, *worst([scores[key] for key in self.rank_by], self.keep)])
        if self.balanced is not None:
            rejects += self._not_drawn(self.balanced, store, samples, {reject["sample_id"] for reject in rejects})
        out = {reject["sample_id"] for reject in rejects}
        kept = KeptIds(name, fingerprint(samples), tuple(sample.id for sample in samples if sample.id not in out))
        if not kept.ids:
            raise InputError(f"no sample of {name} passes {self.rules}: lower the thresholds")
        folder = Path(self.folder) / name
        write_kept(folder / "kept_ids.json", kept)
        write_jsonl(folder / "rejects.jsonl", rejects)
        log.info("%s: %d of %d kept (%s)", name, len(kept.ids), len(samples), self.rules)
        for reason, number in Counter(reject["reason"] for reject in rejects).most_common():
            log.info("  %d: %s", number, reason)
        return kept

    def _least(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in COLUMNS if getattr(self, name) is not None}

    def _scores(self, name: str, store: StatisticsStore, samples: Sequence[Sample]) -> Scores:
        if name == "matching_degree":
            measure = self.measure()
            store.compute(measure, samples)
            table = store.read(measure, samples)
        else:
            table = store.stored(name, samples, self.judge)
        return Scores(name.replace("_", " "), *_values_and_faults(table, COLUMNS[name]))

    def _not_drawn(
        self, size: int, store: StatisticsStore, samples: Sequence[Sample], rejected: set[str]
    ) -> list[Reject]:
        tasks, faults = _values_and_faults(store.stored("tasks", samples), "task")
        left = {sample.id: tasks[sample.id] for sample in samples if sample.id in tasks and sample.id not in rejected}
        drawn = set(balanced_ids(left, size, self.seed))
        unknown = [name for name in faults if name not in rejected]
        return [
            *({"sample_id": name, "reason": f"no task: {faults[name]}"} for name in unknown),
            *({"sample_id": name, "reason": f"not drawn: its task, {left[name]}, has enough"}
              for name in left if name not in drawn),
        ]  # fmt: skip


def _values_and_faults(table: pa.Table, column: str) -> tuple[dict, dict[str, str]]:
    rows = list(zip(*(table[name].to_pylist() for name in ("sample_id", "fault", column)), strict=True))
    values = {sample_id: value for sample_id, fault, value in rows if fault is None}
    return values, {sample_id: fault for sample_id, fault, _ in rows if fault is not None}


Reject = dict[str, Any]  # sample_id, reason, and the value and threshold where there is one


@dataclass(frozen=True)
class Scores:
    """One statistic of a dataset: the value of each sample, or what went wrong; larger is better."""

    name: str
    values: dict[str, float]
    faults: dict[str, str]


def without_value(scores: Scores) -> list[Reject]:
    """The samples a statistic has no value for."""
    return [{"sample_id": name, "reason": f"no {scores.name}: {fault}"} for name, fault in scores.faults.items()]


def below(scores: Scores, least: float) -> list[Reject]:
    """The samples whose value is below `least`."""
    return [_below(sample_id, scores.name, value, least) for sample_id, value in scores.values.items() if value < least]


def worst(deciding: Sequence[Scores], keep: float) -> list[Reject]:
    """All but the share `keep` of the samples that have every value: those of the least mean rank, ties by id.

    One statistic ranks by its values; of several, each value becomes its rank among the samples (from 0 to 1, ties
    in the middle), so that none outweighs another by its scale.
    """
    ids = sorted(set.intersection(*(set(scores.values) for scores in deciding)))
    if not ids:
        return []
    columns = [np.array([scores.values[name] for name in ids]) for scores in deciding]
    if len(columns) > 1:
        columns = [rankdata(column) / len(ids) for column in columns]
    combined = dict(zip(ids, np.mean(columns, axis=0).tolist(), strict=True))
    ranked = sorted(ids, key=lambda name: (combined[name], name), reverse=True)
    number = max(1, round(keep * len(ranked)))
    threshold = combined[ranked[number - 1]]
    name = " and ".join(scores.name for scores in deciding)
    return [_below(sample_id, name, combined[sample_id], threshold) for sample_id in ranked[number:]]


def first_reasons(rejects: Iterable[Reject]) -> list[Reject]:
    """One reason a sample: the first."""
    found: dict[str, Reject] = {}
    for reject in rejects:
        found.setdefault(reject["sample_id"], reject)
    return list(found.values())


def _below(sample_id: str, name: str, value: float, threshold: float) -> Reject:
    return {"sample_id": sample_id, "reason": f"{name} below the threshold", "value": value, "threshold": threshold}
