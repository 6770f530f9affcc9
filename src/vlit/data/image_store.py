"""Base64 images by id, from JSON or Parquet, as MIMIC-IT publishes them in files of many gigabytes.

Of a JSON file only the places of the wanted images are kept (one pass over the file, no parsing); each is read when it
is asked for. Of a Parquet file the wanted images are kept as text.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from vlit.common.content import read_document
from vlit.common.errors import InputError
from vlit.data.images import Base64Image
from vlit.data.sample import ImageSource

COLUMN = "base64"
_MEND = "download it, or mend data.images"


@dataclass(frozen=True)
class StoredImage:
    """A base64 string inside a JSON file: the bytes from `start` to `end`, quotes included."""

    path: Path
    start: int
    end: int
    upright: bool = True

    @property
    def key(self) -> str:
        """Hash of the encoded image's bytes. Raises `OSError` if the text is not base64."""
        return self._image().key

    def load(self) -> Image.Image:
        """Decode to RGB. Raises `OSError`."""
        return self._image().load()

    def _image(self) -> Base64Image:
        with self.path.open("rb") as file:
            file.seek(self.start)
            text = file.read(self.end - self.start)
        try:
            return Base64Image(json.loads(text), self.upright)
        except ValueError:
            raise OSError(f"{self.path} has changed since it was read: start again") from None


def read_base64_images(path: Path, wanted: Collection[str], upright: bool = True) -> dict[str, ImageSource]:
    """Find the wanted images of `{id: base64}` JSON, or of a Parquet file with an id index and a column `base64`.

    Args:
        path: the file.
        wanted: ids of images.
        upright: apply the EXIF orientation.

    Returns:
        Images by id, without the ids the file lacks and those it has twice with different content.

    Raises:
        InputError: if the file is absent, broken or in another format.
    """
    wanted = set(wanted)
    if not path.is_file():
        read_document(path, _MEND)  # says what is wrong
    with path.open("rb") as file:
        head = file.read(64)
    if head.startswith(b"PAR1"):
        return _from_parquet(path, wanted, upright)
    if head.lstrip().startswith(b"{"):
        places = _places(path, wanted)
        if places is not None:
            return {key: StoredImage(path, start, end, upright) for key, (start, end) in places.items()}
    images = read_document(path, _MEND).value
    if not isinstance(images, dict):
        raise InputError(f"{path} does not map image ids to base64 text: the top level must be an object")
    return {key: Base64Image(data, upright) for key, data in images.items() if key in wanted and isinstance(data, str)}


def _places(path: Path, wanted: Collection[str]) -> dict[str, tuple[int, int]] | None:
    """Return where the wanted strings of a flat JSON object stand; None if it is not one, or not whole."""
    found: dict[str, tuple[int, int]] = {}
    twice: set[str] = set()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        at = _after(text, 0, b"{")
        if at is not None and _next(text, at)[1] == b"}":
            return found
        while at is not None:
            key_start, quote = _next(text, at)
            key_end = _string_end(text, key_start) if quote == b'"' else None
            colon = _after(text, key_end, b":") if key_end is not None else None
            value_start, quote = _next(text, colon) if colon is not None else (0, b"")
            value_end = _string_end(text, value_start) if quote == b'"' else None
            if key_end is None or value_end is None:
                return None
            try:
                key = json.loads(text[key_start:key_end])
            except ValueError:
                return None
            if key in wanted:
                if key in found and text[slice(*found[key])] != text[value_start:value_end]:
                    twice.add(key)
                found[key] = (value_start, value_end)
            end, mark = _next(text, value_end)
            if mark == b"}":
                return None if text[end + 1 :].strip() else {k: place for k, place in found.items() if k not in twice}
            at = end + 1 if mark == b"," else None
    return None


def _next(text: mmap.mmap, at: int) -> tuple[int, bytes]:
    """Return the place and the byte of what comes after white space."""
    while at < len(text) and text[at : at + 1] in (b" ", b"\t", b"\r", b"\n"):
        at += 1
    return at, text[at : at + 1]


def _after(text: mmap.mmap, at: int, mark: bytes) -> int | None:
    place, found = _next(text, at)
    return place + 1 if found == mark else None


def _string_end(text: mmap.mmap, start: int) -> int | None:
    """Return the place after the closing quote of the string whose opening quote is at `start`."""
    at = start + 1
    while True:
        end = text.find(b'"', at)
        if end < 0:
            return None
        escapes = 0
        while text[end - 1 - escapes : end - escapes] == b"\\":
            escapes += 1
        if escapes % 2 == 0:
            return end + 1
        at = end + 1


def _from_parquet(path: Path, wanted: set[str], upright: bool) -> dict[str, ImageSource]:
    import pyarrow
    import pyarrow.compute
    import pyarrow.parquet

    images: dict[str, ImageSource] = {}
    try:
        file = pyarrow.parquet.ParquetFile(path)
        index = _index_column(path, file.schema_arrow)
        chosen_ids = pyarrow.array(sorted(wanted), pyarrow.string())
        for batch in file.iter_batches(batch_size=256, columns=[index, COLUMN]):
            ids = batch.column(index).cast(pyarrow.string())
            chosen = batch.filter(pyarrow.compute.is_in(ids, chosen_ids))
            keys = chosen.column(index).cast(pyarrow.string()).to_pylist()
            rows = zip(keys, chosen.column(COLUMN).to_pylist(), strict=True)
            images.update({key: Base64Image(data, upright) for key, data in rows if isinstance(data, str)})
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} is not a readable Parquet file ({reason}): fetch it again") from None
    return images


def _index_column(path: Path, schema: Any) -> str:
    """Return the name of the column with the image ids: the pandas index, else the one column next to `base64`."""
    names: list[str] = list(schema.names)
    pandas = schema.pandas_metadata or {}
    index = [column for column in pandas.get("index_columns", []) if isinstance(column, str)]
    candidates = index or [column for column in names if column != COLUMN]
    if COLUMN not in names or len(candidates) != 1:
        raise InputError(f"{path} has columns {names}: expected image ids as the index and a column `{COLUMN}`")
    return candidates[0]
