"""Where an image comes from: a file, a member of a zip, a base64 string. All decode fully, to RGB, on demand."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import os
import struct
import zipfile
import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from PIL import Image

from vlit.data.sample import ImageSource

# What Pillow's decoders raise on broken files, besides OSError.
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


@dataclass(frozen=True)
class FileImage:
    """An image file."""

    path: Path

    @property
    def key(self) -> str:
        """Hash of path, size and time of change: a file written anew is another image."""
        status = self.path.stat()
        return _digest(f"{self.path.resolve()}|{status.st_size}|{status.st_mtime_ns}".encode())

    def load(self) -> Image.Image:
        """Decode to RGB. Raises `OSError` that names the path."""
        return _decode(self.path.read_bytes(), str(self.path))


@dataclass(frozen=True)
class ZipImage:
    """A member of a zip archive, read without unpacking the archive."""

    archive: Path
    member: str

    @property
    def key(self) -> str:
        """Member name, size and checksum, which the archive's directory holds."""
        info = self._info()
        return _digest(f"{info.filename}|{info.file_size}|{info.CRC}".encode())

    def load(self) -> Image.Image:
        """Decode to RGB. Raises `OSError` that names archive and member."""
        where = f"{self.archive}:{self.member}"
        info = self._info()
        try:
            data = _open_zip(self.archive, os.getpid()).read(info)
        except (zipfile.BadZipFile, zlib.error) as error:
            raise OSError(f"cannot read {where}: {error}") from None
        return _decode(data, where)

    def _info(self) -> zipfile.ZipInfo:
        try:
            return _open_zip(self.archive, os.getpid()).getinfo(self.member)
        except KeyError:
            raise FileNotFoundError(f"no member {self.member} in {self.archive}") from None


@dataclass(frozen=True)
class Base64Image:
    """An encoded image as text, in the standard or the URL-safe alphabet, with or without its padding."""

    data: str = field(repr=False)

    @property
    def key(self) -> str:
        """Hash of the encoded image's bytes. Raises `OSError` if the text is not base64."""
        return _digest(self._bytes())

    def load(self) -> Image.Image:
        """Decode to RGB. Raises `OSError` that names the hash."""
        data = self._bytes()
        return _decode(data, f"base64 image {_digest(data)[:12]}")

    def _bytes(self) -> bytes:
        text = "".join(self.data.split()).replace("-", "+").replace("_", "/").rstrip("=")
        try:
            return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except (binascii.Error, ValueError) as error:
            raise OSError(f"not base64: {self.data[:20]!r}...: {error}") from None


def portable_key(image: ImageSource) -> str:
    """A key that does not change when the data moves to another folder or machine (a file: its name and size)."""
    if isinstance(image, FileImage):
        return f"{image.path.name}|{image.path.stat().st_size}"
    return image.key


def unreadable(images: Iterable[ImageSource], threads: int = 8) -> dict[ImageSource, str]:
    """Decode every image once, whole, and say which can't be decoded and why.

    Decoding runs outside Python's lock, hence threads.
    """
    distinct = list(dict.fromkeys(images))
    with ThreadPoolExecutor(threads) as pool:
        faults = pool.map(_fault, distinct)
        return {image: fault for image, fault in zip(distinct, faults, strict=True) if fault}


def _fault(image: ImageSource) -> str | None:
    try:
        image.load()
    except OSError as error:
        return str(error)
    return None


def _decode(data: bytes, where: str) -> Image.Image:
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.convert("RGB")
    except _DECODER_ERRORS as error:
        raise OSError(f"cannot decode {where}: {error}") from None


@lru_cache(maxsize=8)
def _open_zip(archive: Path, process: int) -> zipfile.ZipFile:
    """Keep archives open, as listing a large one takes seconds; one a process, as forks share a file's position."""
    try:
        return zipfile.ZipFile(archive)
    except zipfile.BadZipFile as error:
        raise OSError(f"{archive} is not a readable zip archive: {error}") from None


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
