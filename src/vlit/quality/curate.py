"""From a dataset to its curated subset: statistics once, stored; the filter afterwards, as often as one likes.

`ours_qc` is `ours` and a list of kept ids (paper 4.2.3). This first filter knows one statistic, matching degree.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from vlit.data.sample import Sample
from vlit.data.subset import KeptIds, fingerprint, write_kept
from vlit.errors import InputError
from vlit.files import whole, write_jsonl
from vlit.models.clip import Clip
from vlit.quality.matching_degree import MatchingDegree, matching_degrees

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Curation:
    """How a dataset is curated.

    Attributes:
        clip: makes the CLIP; called only when statistics are missing.
        batch_size: images or texts at once.
        keep: the share of samples kept, those of the largest least matching degree.
        folder: statistics, kept ids and rejects go to `{folder}/{dataset}/`.
    """

    clip: Callable[[], Clip]
    batch_size: int
    keep: float
    folder: Path

    def __post_init__(self) -> None:
        if not 0 < self.keep <= 1:
            raise InputError(f"quality.keep={self.keep}: it is the share of samples to keep, above 0 and at most 1")

    def kept(self, name: str, samples: Sequence[Sample]) -> KeptIds:
        """Curate a dataset and write `kept_ids.json` and `rejects.jsonl` (id, reason, degree, threshold)."""
        folder = Path(self.folder) / name
        mark = fingerprint(samples)
        degrees = self._statistics(folder / f"matching_degree-{mark[:16]}.parquet", samples)
        ranked = sorted(degrees, key=lambda degree: (degree.least, degree.sample_id), reverse=True)
        number = max(1, round(self.keep * len(ranked)))
        threshold = ranked[number - 1].least
        chosen = {degree.sample_id for degree in ranked[:number]}
        kept = KeptIds(name, mark, tuple(sample.id for sample in samples if sample.id in chosen))
        write_kept(folder / "kept_ids.json", kept)
        reason = "matching degree below the threshold"
        below = [
            {"sample_id": degree.sample_id, "reason": reason, "least": degree.least, "threshold": threshold}
            for degree in ranked[number:]
        ]
        scored = {degree.sample_id for degree in degrees}
        unscored = [sample.id for sample in samples if sample.id not in scored]
        write_jsonl(
            folder / "rejects.jsonl", [*below, *({"sample_id": id, "reason": "no image to match"} for id in unscored)]
        )
        log.info("%s: %d of %d kept, least matching degree >= %.2f", name, len(chosen), len(samples), threshold)
        return kept

    def _statistics(self, file: Path, samples: Sequence[Sample]) -> list[MatchingDegree]:
        if not file.exists():
            degrees = matching_degrees(samples, self.clip(), self.batch_size)
            with whole(file) as temporary:
                pq.write_table(pa.Table.from_pylist([asdict(degree) for degree in degrees]), temporary)
        return [MatchingDegree(**row) for row in pq.read_table(file).to_pylist()]
