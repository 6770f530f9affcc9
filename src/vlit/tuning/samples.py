"""The data step of a run: read the dataset, keep its curated ids, draw the common size (5.1.2).

Each step names itself in the log. Reading only reads. A curated dataset is what its list of kept ids says; the list is
made here, with the configured rules, only where there is none.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig

from vlit.common.errors import InputError
from vlit.common.files import locked, read_json, write_json
from vlit.data.sample import Rejects, Sample
from vlit.data.subset import InstructionSource, KeptIds, equal_size, sample_ids, select
from vlit.quality.curate import Curation
from vlit.quality.indicators.registry import register_from

log = logging.getLogger(__name__)

Read = Callable[[InstructionSource], list[Sample]]


@dataclass(frozen=True)
class DrawnSamples:
    """The samples of a run.

    Attributes:
        samples: in the order of the store.
        kept: the curated list they were drawn from, or None.
    """

    samples: list[Sample]
    kept: KeptIds | None

    @property
    def curation(self) -> dict[str, Any] | None:
        """What `provenance.json` records of the curated list."""
        if self.kept is None:
            return None
        return {
            "dataset": self.kept.dataset,
            "kept": len(self.kept.ids),
            "shortened": len(self.kept.turns),
            "rules": dict(self.kept.rules),
            "sha256": self.kept.digest,
        }


def run_samples(cfg: DictConfig, rejects: Rejects) -> DrawnSamples:
    """Read the configured dataset and return the samples of the run.

    Args:
        cfg: the configuration of `train.py` or `assess.py`.
        rejects: receives what the reader sets aside.
    """
    register_from(cfg.indicators)
    chosen: InstructionSource = instantiate(cfg.data)
    return draw(cfg, chosen, read(chosen, rejects), instantiate(cfg.quality), lambda other: read(other, Rejects()))


def check_lists(cfg: DictConfig) -> None:
    """Refuse the curated lists of a run that were made with other rules, before anything is read or written.

    Raises:
        InputError: naming both rules, and how to go on.
    """
    register_from(cfg.indicators)
    curation: Curation = instantiate(cfg.quality)
    compared = cfg.datasets.values() if cfg.data_size == "equal" else ()
    for name in {data.get("curated_from") for data in (cfg.data, *compared)} - {None}:
        curation.made(name)


def read(source: InstructionSource, rejects: Rejects) -> list[Sample]:
    """Read every sample of a store, and log it."""
    log.info("reading %s (%s)", source.store, source.annotations)
    return source.load(rejects)


def draw(
    cfg: DictConfig, chosen: InstructionSource, store: Sequence[Sample], curation: Curation, read_other: Read
) -> DrawnSamples:
    """Keep the curated ids of a dataset that has been read, and draw the common size.

    Args:
        cfg: the configuration: `datasets`, `data_size` ("equal", the smallest of them; "all"; or a number), `seed`.
        chosen: the dataset.
        store: every sample of its store.
        curation: reads and makes lists of kept ids.
        read_other: reads the store of a dataset it is compared with.

    Raises:
        InputError: for another `data_size` or one above the dataset's, and for a list that does not fit.
    """
    kept = None if chosen.curated_from is None else kept_ids(chosen, store, curation)
    samples = list(store) if kept is None else kept.of(store)
    size = cfg.data_size
    if size == "equal":
        compared = {name: instantiate(other) for name, other in cfg.datasets.items()}
        size = _common_size(chosen, store, len(samples), compared, curation, read_other)
    elif size == "all":
        size = len(samples)
    elif not isinstance(size, int) or size <= 0:
        raise InputError(f"data_size={size}: it is `equal`, `all` or a number of samples")
    drawn = select(samples, sample_ids([sample.id for sample in samples], size, cfg.seed))
    log.info(
        "drawing %d of %d samples of %s (data_size=%s seed=%s)", len(drawn), len(samples), chosen.name, cfg.data_size,
        cfg.seed,
    )  # fmt: skip
    return DrawnSamples(drawn, kept)


def kept_ids(source: InstructionSource, store: Sequence[Sample], curation: Curation) -> KeptIds:
    """Return the list of a curated dataset; where there is none, make it with the configured rules.

    Raises:
        InputError: if the list was made with other rules or from other samples.
    """
    name, file = source.store, curation.list_of(source.store)
    with locked(file.with_name("curating.lock")):  # runs that start together find the list of the first
        kept = curation.made(name)
        if kept is None:
            log.info("curating %s (%s)", name, curation.described())
            return curation.curate(name, store)
        curation.check(kept, store)
    log.info("keeping %d of %d samples of %s, as %s lists them (%s)", len(kept.ids), len(store), name, file,
             curation.described())  # fmt: skip
    return kept


def _common_size(
    chosen: InstructionSource,
    store: Sequence[Sample],
    count: int,
    compared: Mapping[str, InstructionSource],
    curation: Curation,
    read_other: Read,
) -> int:
    """Return the size of the smallest of the compared datasets, the chosen one with `count` samples among them.

    Sizes are kept next to the statistics, by the state of the files and the curated list.
    """
    memory = Path(curation.folder) / "sizes.json"
    known = read_json(memory) if memory.exists() else {}
    stores = {chosen.state(): store}
    sizes = {chosen.name: count}
    for name, other in compared.items():
        if name == chosen.name:
            continue
        state = other.state()
        kept = None if other.curated_from is None else curation.made(other.curated_from)
        key = f"{name} {state} {kept.digest if kept else ''}"
        if key not in known:
            if state not in stores:
                stores[state] = read_other(other)
            if other.curated_from is not None:
                kept = kept_ids(other, stores[state], curation)
                key = f"{name} {state} {kept.digest}"
            known[key] = len(stores[state] if kept is None else kept.ids)
            write_json(memory, known)
        sizes[name] = known[key]
    log.info("equal size: %s", ", ".join(f"{name} {size}" for name, size in sizes.items()))
    return equal_size(sizes)
