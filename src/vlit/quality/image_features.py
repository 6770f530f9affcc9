"""CLIP's features of images: each image decoded and encoded once, and kept on disk by content and model.

A dataset shows an image in several samples, and statistics are computed again when texts or settings change; images
are what costs. Features don't depend on which images are encoded together (a few are filled up to eight, as matrix
products of one to three rows are rounded otherwise), so shards that share the file end with the values of one pass.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from vlit.data.sample import ImageSource
from vlit.models.clip import Clip

Vector = NDArray[np.float32]
Made = TypeVar("Made")
_TABLE = "CREATE TABLE IF NOT EXISTS features (model TEXT, image TEXT, vector BLOB, PRIMARY KEY (model, image))"
_LEAST = 8  # rows encoded at once
_DECODERS = 8  # Pillow decodes outside Python's lock


class ImageFeatures:
    """Images -> unit vectors.

    Args:
        clip: the model.
        key: names its weights.
        file: where features are kept, an SQLite file that several processes may share; None keeps nothing.
        batch_size: images at once.
    """

    def __init__(self, clip: Clip, key: str, file: Path | None, batch_size: int = 256) -> None:
        self.clip, self.key, self.file, self.batch_size = clip, key, file, batch_size

    def of(self, images: Sequence[ImageSource]) -> list[Vector | None]:
        """The feature of each image; None for one that can't be read."""
        keys = [_key(image) for image in images]
        by_key = {key: image for key, image in zip(keys, images, strict=True) if key is not None}
        found = self._kept(list(by_key))
        new = {key: image for key, image in by_key.items() if key not in found}
        with ThreadPoolExecutor(_DECODERS) as pool:

            def decoded(some: Sequence[str]) -> dict[str, torch.Tensor | None]:
                return dict(zip(some, pool.map(self._decoded, map(new.__getitem__, some)), strict=True))

            for some in ahead(decoded, chunks(list(new), self.batch_size)):
                fresh = self._encode(some)
                self._keep(fresh)
                found.update(fresh)
        return [None if key is None else found.get(key) for key in keys]

    def _decoded(self, image: ImageSource) -> torch.Tensor | None:
        try:
            return self.clip.image_transform(image.load())
        except OSError:
            return None

    def _encode(self, decoded: dict[str, torch.Tensor | None]) -> dict[str, Vector]:
        readable = {key: pixels for key, pixels in decoded.items() if pixels is not None}
        if not readable:
            return {}
        vectors = unit(self.clip.model.encode_image, torch.stack(list(readable.values())))  # type: ignore[arg-type]
        return dict(zip(readable, vectors, strict=True))

    def _kept(self, keys: Sequence[str]) -> dict[str, Vector]:
        if self.file is None or not self.file.exists():
            return {}
        found: dict[str, Vector] = {}
        with closing(self._connection()) as connection:
            for some in chunks(keys, 500):
                places = ",".join("?" * len(some))
                query = f"SELECT image, vector FROM features WHERE model = ? AND image IN ({places})"
                rows = connection.execute(query, (self.key, *some))
                found.update((key, np.frombuffer(blob, np.float32)) for key, blob in rows)
        return found

    def _keep(self, vectors: dict[str, Vector]) -> None:
        if self.file is None or not vectors:
            return
        self.file.parent.mkdir(parents=True, exist_ok=True)
        rows = [(self.key, key, vector.tobytes()) for key, vector in vectors.items()]
        with closing(self._connection()) as connection, connection:
            connection.executemany("INSERT OR IGNORE INTO features VALUES (?, ?, ?)", rows)

    def _connection(self) -> sqlite3.Connection:
        connection = sqlite3.connect(str(self.file), timeout=60)  # another shard may be writing
        connection.execute(_TABLE)
        return connection


@torch.inference_mode()
def unit(encode: torch.nn.Module, rows: torch.Tensor) -> Vector:
    """Encode rows to unit vectors, a few rows repeated to be eight (see the module's docstring)."""
    filled = rows if len(rows) >= _LEAST else rows.repeat(_LEAST, *[1] * (rows.dim() - 1))[:_LEAST]
    return functional.normalize(encode(filled)[: len(rows)], dim=-1).numpy()


def _key(image: ImageSource) -> str | None:
    try:
        return image.key
    except OSError:
        return None


def ahead(make: Callable[[Sequence[str]], Made], given: Iterable[Sequence[str]]) -> Iterator[Made]:
    """What `make` makes of each of the given, the next one already under way while one is used."""
    with ThreadPoolExecutor(1) as pool:
        waiting = None
        for some in given:
            last, waiting = waiting, pool.submit(make, some)
            if last is not None:
                yield last.result()
        if waiting is not None:
            yield waiting.result()


def chunks(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """So many at a time."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
