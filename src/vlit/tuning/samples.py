"""A dataset as it is tuned on: read, curated where it is a curated one, and brought to the common size (5.1.2)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from vlit.common.errors import InputError
from vlit.common.files import read_json, write_json
from vlit.data.rejects import Rejects
from vlit.data.sample import Sample
from vlit.data.subset import equal_size, sample_ids, select
from vlit.quality.curate import Curation

log = logging.getLogger(__name__)

Reader = Callable[..., list[Sample]]


@dataclass(frozen=True)
class DatasetSpec:
    """One of the compared datasets.

    Attributes:
        name: `llava`, `mimic_it`, `ours`, `ours_qc`.
        read: the reader with its files; takes the rejects.
        annotations: the file or folder the reader reads, for messages and overrides.
        images: the folder or file of its images.
        curated_from: the name of the dataset it is the curated part of, or None.
    """

    name: str
    read: Reader
    annotations: str
    images: str
    curated_from: str | None = None

    def load(self, curation: Curation, rejects: Rejects) -> list[Sample]:
        """Read and, where it is a curated dataset, keep its ids only."""
        samples = self.read(rejects=rejects)
        if not samples:
            raise InputError(f"{self.annotations} holds no usable sample: {rejects.summary()}")
        if self.curated_from is None:
            return samples
        return select(samples, curation.kept(self.curated_from, samples).ids)


def common_size(datasets: Mapping[str, DatasetSpec], chosen: DatasetSpec, count: int, curation: Curation) -> int:
    """The size of the smallest of the compared datasets, the chosen one with `count` samples among them.

    Sizes are remembered beside the curation's statistics, by the files' names, sizes and times.
    """
    memory = Path(curation.folder) / "sizes.json"
    known = read_json(memory) if memory.exists() else {}
    sizes = {chosen.name: count}
    for name, dataset in datasets.items():
        if name == chosen.name:
            continue
        key = f"{name} {_state(dataset)} {curation.rules if dataset.curated_from else ''}"
        if key not in known:
            known[key] = len(dataset.load(curation, Rejects()))
            write_json(memory, known)
        sizes[name] = known[key]
    log.info("sizes of the compared datasets: %s", ", ".join(f"{name} {size}" for name, size in sizes.items()))
    return equal_size(sizes)


def tuning_samples(
    chosen: DatasetSpec, datasets: Mapping[str, DatasetSpec], size: int | str, seed: int, curation: Curation,
    rejects: Rejects,
) -> list[Sample]:  # fmt: skip
    """The samples of a run.

    Args:
        chosen: the dataset.
        datasets: the datasets it is compared with.
        size: "equal" (the smallest of them), "all", or a number.
        seed: of the draw.
        curation: makes curated datasets.
        rejects: receives what the reader sets aside.

    Raises:
        InputError: for another `size`, or one above the dataset's.
    """
    samples = chosen.load(curation, rejects)
    if size == "equal":
        wanted = common_size(datasets, chosen, len(samples), curation)
    elif size == "all":
        wanted = len(samples)
    elif isinstance(size, int) and size > 0:
        wanted = size
    else:
        raise InputError(f"data_size={size}: it is `equal`, `all` or a number of samples")
    drawn = select(samples, sample_ids([sample.id for sample in samples], wanted, seed))
    log.info("%s: %d of %d samples drawn (data_size=%s)", chosen.name, len(drawn), len(samples), size)
    return drawn


def _state(dataset: DatasetSpec) -> str:
    path = Path(dataset.annotations)
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    states = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.is_file()]
    if not states:
        raise InputError(f"no data at {path} for dataset {dataset.name}: see the README on where to get it")
    return str(states)
