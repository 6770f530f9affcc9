"""CLIP's features of images: each image decoded and encoded once, and kept on disk by content and model.

A dataset shows an image in several samples, and statistics are computed again when texts or settings change; decoding
and encoding images is what costs. An image whose feature is stored is known to be readable, so that `assess.py` checks
and measures images with one decoding. Features don't depend on which images are encoded together (a few are filled up
to eight, as matrix products of one to three rows are rounded otherwise), so shards that share the file end with the
values of one pass.

A stored feature that is damaged counts as absent, and a damaged file is made again.

torch is imported where something is encoded: what only reads stored features and statistics need not wait for it.
"""

from __future__ import annotations

import logging
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np

from vlit.data.images import unreadable as undecodable
from vlit.data.sample import ImageSource
from vlit.quality.instruments import Vector

if TYPE_CHECKING:
    import torch

    from vlit.models.clip import Clip

log = logging.getLogger(__name__)

Made = TypeVar("Made")
_TABLE = (  # `crc` is of the vector
    "CREATE TABLE IF NOT EXISTS vectors (model TEXT, image TEXT, vector BLOB, crc INTEGER, PRIMARY KEY (model, image))"
)
_FEWEST_ROWS = 8  # encoded at once
_DECODERS = 8  # threads; Pillow decodes outside Python's lock


class ClipSource(Protocol):
    """A CLIP that is loaded when it is needed."""

    @property
    def name(self) -> str:
        """Name of the model."""

    @property
    def key(self) -> str:
        """Name of the model and state of its weights."""

    def load(self) -> Clip:
        """Load the model."""


@dataclass(frozen=True)
class ClipWeights:
    """The CLIP of quality control, as `quality.clip` configures it.

    Attributes:
        name: open_clip model name, or one defined in `configs`.
        weights: file with its weights.
        configs: folder of open_clip model configurations to register first, or None.
        tokenizer: folder of a transformers tokenizer; None takes the one open_clip has for the model.
        source: where to get the weights, for messages.
    """

    name: str
    weights: str
    configs: str | None
    tokenizer: str | None
    source: str

    @property
    def key(self) -> str:
        """Name of the model, and name, size and time of its weights file."""
        file = Path(self.weights)
        state = file.stat() if file.exists() else None
        return f"{self.name}|{file.name}|{(state.st_size, state.st_mtime_ns) if state else None}"

    def load(self) -> Clip:
        """Load the model.

        Raises:
            InputError: if the weights are missing or the name is unknown.
        """
        from vlit.models.clip import load_clip

        return load_clip(self.name, self.weights, self.configs, self.tokenizer, self.source)


class ImageFeatures:
    """Encodes images and texts to unit vectors by CLIP, and keeps those of images.

    Args:
        source: the model, loaded when the first image or text is encoded.
        file: where features are kept, an SQLite file that several processes may share; None keeps nothing.
        batch_size: images or texts at once.
    """

    def __init__(self, source: ClipSource, file: Path | None, batch_size: int = 256) -> None:
        self.source, self.key, self.file, self.batch_size = source, source.key, file, batch_size
        self._faults: dict[str, str] = {}  # of images that can't be decoded, by key

    @cached_property
    def clip(self) -> Clip:
        """The model."""
        return self.source.load()

    def of(self, images: Sequence[ImageSource]) -> list[Vector | None]:
        """Return the feature of each image; None for one that can't be decoded."""
        keys = [_key(image) for image in images]
        by_key = {key: image for key, image in zip(keys, images, strict=True) if key is not None}
        found = self._stored(list(by_key))
        new = {key: image for key, image in by_key.items() if key not in found and key not in self._faults}
        with ThreadPoolExecutor(_DECODERS) as pool:

            def decoded(some: Sequence[str]) -> dict[str, torch.Tensor | None]:
                return dict(zip(some, pool.map(lambda key: self._pixels(key, new[key]), some), strict=True))

            for some in prefetched(decoded, chunks(list(new), self.batch_size)):
                fresh = self._encode(some)
                self._store(fresh)
                found.update(fresh)
        return [None if key is None else found.get(key) for key in keys]

    def of_texts(self, texts: Iterable[str]) -> dict[str, Vector]:
        """Return the vector of each distinct text."""
        ordered = sorted(set(texts))
        if not ordered:
            return {}
        clip = self.clip
        batches = prefetched(lambda some: clip.tokenize(list(some)), chunks(ordered, self.batch_size))
        rows = [row for ids in batches for row in unit(clip.model.encode_text, ids)]  # type: ignore[arg-type]
        return dict(zip(ordered, rows, strict=True))

    def unreadable(self, images: Iterable[ImageSource], encode: bool = True) -> dict[ImageSource, str]:
        """Find the images that can't be decoded, and why; those with a stored feature are not decoded for it.

        Args:
            images: any number of images.
            encode: encode the others at once, so that they need not be decoded again for their features.
        """
        keys = {image: _key(image) for image in images}
        if encode:
            self.of(list(keys))
        known = {*self._stored([key for key in keys.values() if key is not None]), *self._faults}
        return {
            **{image: self._faults[key] for image, key in keys.items() if key in self._faults},
            **undecodable(image for image, key in keys.items() if key not in known),
        }

    def _pixels(self, key: str, image: ImageSource) -> torch.Tensor | None:
        try:
            return self.clip.image_transform(image.load())
        except OSError as error:
            self._faults[key] = str(error)
            return None

    def _encode(self, decoded: dict[str, torch.Tensor | None]) -> dict[str, Vector]:
        import torch

        readable = {key: pixels for key, pixels in decoded.items() if pixels is not None}
        if not readable:
            return {}
        vectors = unit(self.clip.model.encode_image, torch.stack(list(readable.values())))  # type: ignore[arg-type]
        return dict(zip(readable, vectors, strict=True))

    def _stored(self, keys: Sequence[str]) -> dict[str, Vector]:
        if self.file is None or not self.file.exists():
            return {}
        found: dict[str, Vector] = {}
        try:
            with closing(self._connection()) as connection:
                for some in chunks(keys, 500):
                    places = ",".join("?" * len(some))
                    query = f"SELECT image, vector, crc FROM vectors WHERE model = ? AND image IN ({places})"
                    for key, blob, crc in connection.execute(query, (self.key, *some)):
                        if isinstance(blob, bytes) and zlib.crc32(blob) == crc:
                            found[key] = np.frombuffer(blob, np.float32)
        except sqlite3.OperationalError:  # locked, or no space
            raise
        except sqlite3.DatabaseError as error:
            log.warning("%s is damaged (%s): it is made again", self.file, error)
            self.file.unlink(missing_ok=True)
            return {}
        return found

    def _store(self, vectors: dict[str, Vector]) -> None:
        if self.file is None or not vectors:
            return
        self.file.parent.mkdir(parents=True, exist_ok=True)
        blobs = {key: vector.tobytes() for key, vector in vectors.items()}
        rows = [(self.key, key, blob, zlib.crc32(blob)) for key, blob in blobs.items()]
        with closing(self._connection()) as connection, connection:
            connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?)", rows)

    def _connection(self) -> sqlite3.Connection:
        connection = sqlite3.connect(str(self.file), timeout=60)  # another shard may be writing
        connection.execute(_TABLE)
        return connection


def unit(encode: torch.nn.Module, rows: torch.Tensor) -> Vector:
    """Encode rows (n, ...) to unit vectors (n, width); a few rows are repeated to be eight (see the module)."""
    import torch
    from torch.nn.functional import normalize

    filled = rows if len(rows) >= _FEWEST_ROWS else rows.repeat(_FEWEST_ROWS, *[1] * (rows.dim() - 1))[:_FEWEST_ROWS]
    with torch.inference_mode():
        return normalize(encode(filled)[: len(rows)], dim=-1).numpy()


def _key(image: ImageSource) -> str | None:
    try:
        return image.key
    except OSError:
        return None


def prefetched(make: Callable[[Sequence[str]], Made], given: Iterable[Sequence[str]]) -> Iterator[Made]:
    """Yield `make(some)` for each of the given; the next one is computed while one is used."""
    with ThreadPoolExecutor(1) as pool:
        waiting = None
        for some in given:
            last, waiting = waiting, pool.submit(make, some)
            if last is not None:
                yield last.result()
        if waiting is not None:
            yield waiting.result()


def chunks(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Yield consecutive parts of at most `size` items."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
