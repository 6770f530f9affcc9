"""Datasets as ordered lists of sample ids over a store: their sources, curated lists, and draws of equal size.

Reading a dataset only reads. What is left of it for training is a list of ids: `curate.py` writes the list of a curated
dataset with the rules that made it, and equal sizes (section 5.1.2) are drawn from ids.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from vlit.common.errors import InputError
from vlit.common.files import read_json, write_json
from vlit.data.checks import Unreadable
from vlit.data.images import portable_key
from vlit.data.sample import Rejects, Sample, Turn

Reader = Callable[..., list[Sample]]
UNTUNED = "none"  # name of the dataset of a run that tunes on nothing


@dataclass(frozen=True)
class InstructionSource:
    """One of the compared datasets: its name and the files it is read from.

    Attributes:
        name: `llava`, `mimic_it`, `ours`, `ours_qc`.
        read: the reader with its files; takes the rejects and `check`.
        annotations: file or folder the reader reads, for messages and overrides.
        images: folder or file of its images.
        curated_from: name of the dataset it is the curated part of, or None.
        outside: whether image names may lead out of the folder of images, for overrides; `read` has it too.
    """

    name: str
    read: Reader
    annotations: str
    images: str
    curated_from: str | None = None
    outside: bool = False

    @property
    def store(self) -> str:
        """Name of the dataset whose samples it reads: of a curated one, that of the uncurated."""
        return self.curated_from or self.name

    def load(self, rejects: Rejects, unreadable: Unreadable | None = None) -> list[Sample]:
        """Read every sample of the store; nothing is written, drawn or filtered here.

        Args:
            rejects: receives the unusable samples.
            unreadable: finds the images that can't be decoded; None leaves that to the reader, which decodes all.

        Raises:
            InputError: if there is no usable sample.
        """
        samples = self.read(rejects=rejects) if unreadable is None else self.read(rejects=rejects, check=unreadable)
        if not samples:
            raise InputError(f"{self.annotations} has no usable sample: {rejects.summary()}")
        return samples

    def state(self) -> str:
        """Identify what `load` reads: the reader's arguments, and names, sizes and times of the files.

        Raises:
            InputError: if there is no file.
        """
        path = Path(self.annotations)
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        states = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.is_file()]
        if not states:
            raise InputError(f"no data at {path} for dataset {self.name}: docs/paper_scale.md says where to get it")
        arguments = sorted(self.read.keywords.items()) if isinstance(self.read, partial) else []
        images = Path(self.images)
        return f"{arguments} {states} {images.stat().st_mtime_ns if images.exists() else None}"


@dataclass(frozen=True)
class KeptIds:
    """A curated dataset: the ids kept of a store, and what they follow from.

    Attributes:
        dataset: name of the store.
        fingerprint: of the store's samples (`fingerprint`).
        rules: settings of the filter that made the list, by name.
        ids: ids kept, in the store's order.
        turns: positions of the turns kept, of the samples that lose some of those they are supervised on.
    """

    dataset: str
    fingerprint: str
    rules: Mapping[str, Any]
    ids: tuple[str, ...]
    turns: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 of the ids, in order, and of the turns kept."""
        lines = [f"{name} {list(self.turns[name])}" if name in self.turns else name for name in self.ids]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def of(self, store: Sequence[Sample]) -> list[Sample]:
        """Return what is kept of a store's samples.

        Raises:
            InputError: if the store lacks an id or a turn.
        """
        return [
            _with_turns(one, self.turns[one.id]) if one.id in self.turns else one for one in select(store, self.ids)
        ]


def _with_turns(sample: Sample, kept: Sequence[int]) -> Sample:
    """Return a sample with some of its supervised turns; images of a turn left out come before the next."""
    if not kept or not set(kept) <= set(range(len(sample.turns))):
        raise InputError(f"{sample.id} has {len(sample.turns)} turns, and the list keeps {list(kept)}: make it again")
    turns: list[Turn] = []
    images = 0
    for place, turn in enumerate(sample.turns):
        images += turn.images
        if place in kept or not turn.supervised:
            turns.append(replace(turn, images=images))
            images = 0
    if images:  # of the last turns, which are left out: no question that is kept is about them
        return replace(sample, turns=tuple(turns), images=sample.images[:-images])
    return replace(sample, turns=tuple(turns))


def write_kept(path: Path, kept: KeptIds) -> None:
    """Write a curated list (`kept_ids.json`), whole or not at all."""
    write_json(path, asdict(kept))


def read_kept(path: Path) -> KeptIds:
    """Read a curated list.

    Raises:
        InputError: if the file is absent, cut off or in another format.
    """
    content = read_json(path, mend="write it with `python curate.py`")
    try:
        turns = {name: tuple(map(int, kept)) for name, kept in content.get("turns", {}).items()}
        return KeptIds(content["dataset"], content["fingerprint"], dict(content["rules"]), tuple(content["ids"]), turns)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise InputError(
            f"{path} has no dataset, fingerprint, rules and ids of a curated list: write it with `python curate.py`"
        ) from None


def equal_size(sizes: Mapping[str, int]) -> int:
    """Return the size all compared datasets are brought to: the smallest (section 5.1.2).

    Raises:
        InputError: if there is no dataset or one is empty.
    """
    empty = [name for name, size in sizes.items() if size <= 0]
    if empty or not sizes:
        raise InputError(f"no sample in {', '.join(empty) or 'any dataset'}: equal sizes can't be drawn")
    return min(sizes.values())


def sample_ids(ids: Sequence[str], size: int, seed: int) -> list[str]:
    """Draw `size` ids at random without replacement.

    Which ids are drawn depends on the set of ids and the seed, not on their order (they are sorted before the draw);
    the result keeps the given order.

    Raises:
        InputError: if an id repeats, or `size` is not within the number of ids.
    """
    if len(set(ids)) != len(ids):
        raise InputError(f"{len(ids) - len(set(ids))} ids repeat: ids must be unique to draw from them")
    if not 0 <= size <= len(ids):
        raise InputError(f"cannot draw {size} of {len(ids)} samples: choose a size within the dataset")
    chosen = set(random.Random(seed).sample(sorted(ids), size))
    return [item for item in ids if item in chosen]


def select(samples: Sequence[Sample], ids: Iterable[str]) -> list[Sample]:
    """Return the samples with the given ids, in the order of the ids.

    Raises:
        InputError: if the store lacks an id.
    """
    store = {sample.id: sample for sample in samples}
    ids = list(ids)
    absent = [item for item in ids if item not in store]
    if absent:
        raise InputError(
            f"{len(absent)} of {len(ids)} ids are not in the store (first: {absent[0]}): "
            "the list was made from other data, make it again"
        )
    return [store[item] for item in ids]


def fingerprint(samples: Iterable[Sample]) -> str:
    """Hash a dataset's content, in order: ids, texts and images (by content or, for files, name and size).

    The folder the data lies in has no part in it.
    """
    digest = hashlib.sha256()
    for sample in samples:
        turns = [(turn.instruction, turn.response, turn.images, turn.supervised) for turn in sample.turns]
        digest.update(json.dumps([sample.id, turns, [portable_key(image) for image in sample.images]]).encode())
    return digest.hexdigest()
