"""A dataset is a list of ids over a store: drawing equal sizes (section 5.1.2) and keeping curated lists."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from vlit.common.errors import InputError
from vlit.common.files import read_json, write_json
from vlit.data.images import portable_key
from vlit.data.sample import Sample


@dataclass(frozen=True)
class KeptIds:
    """A curated list: the ids kept of a dataset, and the fingerprint of the dataset they were chosen from."""

    dataset: str
    fingerprint: str
    ids: tuple[str, ...]


def equal_size(sizes: Mapping[str, int]) -> int:
    """The size all compared datasets are brought to: the smallest (section 5.1.2).

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
    """Look the ids up, in their order.

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
        kept = KeptIds(content["dataset"], content["fingerprint"], tuple(content["ids"]))
    except (KeyError, TypeError):
        raise InputError(f"{path} is not a list of kept ids: it needs dataset, fingerprint and ids") from None
    return kept


def fingerprint(samples: Iterable[Sample]) -> str:
    """Hash of a dataset's content, in order: ids, texts and images (by content or, for files, name and size).

    The folder the data lies in has no part in it.
    """
    digest = hashlib.sha256()
    for sample in samples:
        turns = [(turn.instruction, turn.response, turn.images, turn.supervised) for turn in sample.turns]
        digest.update(json.dumps([sample.id, turns, [portable_key(image) for image in sample.images]]).encode())
    return digest.hexdigest()
