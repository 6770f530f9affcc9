"""Curation: from a dataset to its kept ids, by the filter's rules over stored statistics (paper 4.2.3).

`ours_qc` is `ours` and a list of kept ids. The list is what training reads: `curate.py` writes it with the rules that
made it, and a list that was made with other rules or from other data is refused. Matching degree is measured where it
is missing; what needs a judge or a sentence encoder is read from what `assess.py` stored. Where everything is stored,
neither torch nor a model is loaded.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from vlit.common.errors import InputError
from vlit.common.files import write_jsonl
from vlit.data.sample import Sample
from vlit.data.subset import KeptIds, fingerprint, read_kept, write_kept
from vlit.quality.filter import Rejection, SampleValues, below, first_reasons, overrides, without_value, worst
from vlit.quality.image_features import ClipSource, ImageFeatures
from vlit.quality.indicators.balance import balanced_ids
from vlit.quality.indicators.registry import BY_KEY
from vlit.quality.instruments import Instruments
from vlit.quality.statistics import StatisticsStore

log = logging.getLogger(__name__)

FEATURES = "image_features.sqlite"
CURATE = "python curate.py"


@dataclass(frozen=True)
class Curation:
    """The filter of a dataset, as `quality=` configures it.

    Attributes:
        clip: CLIP of matching degree, loaded only where something has to be encoded.
        folder: statistics, kept ids and rejects go to `{folder}/{dataset}/`.
        batch_size: images or texts encoded at once.
        rank_by: indicators that rank samples, by their mean rank: any that has `ranks_by`, as MD, C, C_contrast.
        keep: share of samples kept, the best first.
        least: least value of a kept sample by indicator; None is no threshold.
        judge: start of the key of the statistics to read where several have judged, or None.
        balanced: samples drawn of those that pass, as even over tasks as can be; None keeps all that pass.
        seed: of that draw.
        command: how a list is made, for messages.
    """

    clip: ClipSource
    folder: Path
    batch_size: int = 256
    rank_by: Sequence[str] = ("MD",)
    keep: float = 0.8
    least: Mapping[str, float | None] = field(default_factory=dict)
    judge: str | None = None
    balanced: int | None = None
    seed: int = 0
    command: str = CURATE

    def __post_init__(self) -> None:
        if not 0 < self.keep <= 1:
            raise InputError(f"quality.keep={self.keep}: it is the share of samples to keep, above 0 and at most 1")
        able = [key for key, indicator in BY_KEY.items() if indicator.ranks_by]
        if not self.rank_by or set(self.rank_by) - set(able):
            raise InputError(f"quality.rank_by={list(self.rank_by)}: one or more of {', '.join(able)}")
        unknown = sorted(set(self.least) - set(able))
        if unknown:
            raise InputError(f"quality.least.{unknown[0]}: thresholds are on {', '.join(able)}")

    @property
    def rules(self) -> dict[str, Any]:
        """Everything that decides which samples are kept, by its name below `quality.`; None is off."""
        by_clip = "MD" in {*self.rank_by, *self._least()}
        return {
            "rank_by": list(self.rank_by),
            "keep": self.keep,
            **{f"least.{key}": value for key, value in self._least().items()},
            "clip.name": self.clip.name if by_clip else None,
            "judge": self.judge,
            "balanced": self.balanced,
            "seed": None if self.balanced is None else self.seed,
        }

    def described(self) -> str:
        """Return the rules as overrides of a command, in one line."""
        return " ".join(overrides(self.rules, {}))

    def features(self) -> ImageFeatures:
        """Return CLIP with the features of images that are kept next to the statistics."""
        return ImageFeatures(self.clip, Path(self.folder) / FEATURES, self.batch_size)

    def list_of(self, name: str) -> Path:
        """Return the file of a dataset's kept ids."""
        return Path(self.folder) / name / "kept_ids.json"

    def made(self, name: str) -> KeptIds | None:
        """Read the list of a dataset; None if there is none.

        Raises:
            InputError: if it was made with other rules.
        """
        path = self.list_of(name)
        if not path.exists():
            return None
        kept = read_kept(path)
        here = overrides(kept.rules, self.rules)
        if here:
            there = overrides(self.rules, kept.rules)
            usual = Curation(self.clip, self.folder).rules
            again = " ".join([self.command, f"data={name}", *overrides(self.rules, usual)])
            raise InputError(
                f"{path} was made with {' '.join(here)}, but {' '.join(there)} here: add {' '.join(here)} to keep to"
                f" the list, or make it again with `{again}`"
            )
        return kept

    def check(self, kept: KeptIds, samples: Sequence[Sample]) -> None:
        """Refuse a list that was made from other samples.

        Raises:
            InputError: if the fingerprints differ.
        """
        if kept.fingerprint != fingerprint(samples):
            raise InputError(
                f"{self.list_of(kept.dataset)} was made from other data than {kept.dataset} now has ({len(samples)}"
                f" samples): make it again with `{self.command} data={kept.dataset}` and this command's data settings"
            )

    def curate(self, name: str, samples: Sequence[Sample]) -> KeptIds:
        """Filter a dataset and write `kept_ids.json` and `rejects.jsonl` (id, reason, value, threshold).

        Raises:
            InputError: if a statistic is needed that has not been measured, or no sample passes.
        """
        store = StatisticsStore.of(Path(self.folder), name, samples)
        columns = {key: self._values(key, store, samples) for key in dict.fromkeys([*self.rank_by, *self._least()])}
        rejected = [rejection for column in columns.values() for rejection in without_value(column)]
        for key, least in self._least().items():
            rejected += below(columns[key], least)
        rejected = first_reasons([*rejected, *worst([columns[key] for key in self.rank_by], self.keep)])
        if self.balanced is not None:
            rejected += self._not_drawn(self.balanced, store, samples, {one["sample_id"] for one in rejected})
        out = {rejection["sample_id"] for rejection in rejected}
        ids = tuple(sample.id for sample in samples if sample.id not in out)
        if not ids:
            raise InputError(f"no sample of {name} passes {self.described()}: lower the thresholds")
        kept = KeptIds(name, fingerprint(samples), self.rules, ids)
        write_jsonl(self.list_of(name).with_name("rejects.jsonl"), rejected)
        write_kept(self.list_of(name), kept)
        log.info("%s: %d of %d kept (%s)", name, len(ids), len(samples), self.described())
        for reason, number in Counter(rejection["reason"] for rejection in rejected).most_common():
            log.info("  %d: %s", number, reason)
        return kept

    def _least(self) -> dict[str, float]:
        return {key: value for key, value in self.least.items() if value is not None}

    def _values(self, key: str, store: StatisticsStore, samples: Sequence[Sample]) -> SampleValues:
        indicator = BY_KEY[key]
        assert indicator.ranks_by is not None
        if indicator.statistic is not None and set(indicator.needs) <= {"features"}:
            measure = indicator.statistic(Instruments(features=self.features))
            store.compute(measure, samples)
            table = store.read(measure, samples)
        else:
            table = store.stored(indicator.source, samples, self.judge)
        return SampleValues(key, *_values_and_faults(table, indicator.ranks_by))

    def _not_drawn(
        self, size: int, store: StatisticsStore, samples: Sequence[Sample], rejected: set[str]
    ) -> list[Rejection]:
        tasks, faults = _values_and_faults(store.stored("T", samples), "task")
        left = {sample.id: tasks[sample.id] for sample in samples if sample.id in tasks and sample.id not in rejected}
        drawn = set(balanced_ids(left, size, self.seed))
        unknown = [name for name in faults if name not in rejected]
        return [
            *(Rejection(sample_id=name, reason=f"no task: {faults[name]}") for name in unknown),
            *(Rejection(sample_id=name, reason=f"not drawn: its task, {left[name]}, has enough")
              for name in left if name not in drawn),
        ]  # fmt: skip


def _values_and_faults(table: pa.Table, column: str) -> tuple[dict[str, Any], dict[str, str]]:
    rows = list(zip(*(table[name].to_pylist() for name in ("sample_id", "fault", column)), strict=True))
    values = {sample_id: value for sample_id, fault, value in rows if fault is None}
    return values, {sample_id: fault for sample_id, fault, _ in rows if fault is not None}
