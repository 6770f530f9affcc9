"""Where an image comes from: a file, a member of a zip, a base64 string. All decode fully, to RGB, on demand."""

from __future__ import annotations

import base64
import binascii
import hashlib
import itertools
import os
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from PIL import Image

from vlit.common.progress import progress
from vlit.data.decode import LARGEST_FILE, decode
from vlit.data.sample import ImageSource

# COCO's names of one image, by year of release: 000000000042.jpg and COCO_train2014_000000000042.jpg.
_COCO_NAME = re.compile(r"(?:COCO_(?:train|val|test)\d{4}_)?(\d{1,12})(?:\.(?:jpg|JPG|jpeg))?")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_LONGEST_NAME = 255  # characters of a file's name, on the file systems in use
_COCO_SPLITS = ("COCO_train2014_", "COCO_val2014_", "COCO_test2014_", "COCO_test2015_", "")


@dataclass(frozen=True)
class FileImage:
    """An image file. `upright` applies the EXIF orientation."""

    path: Path
    upright: bool = True

    @property
    def key(self) -> str:
        """Hash of path, size and time of change: a rewritten file is another image."""
        status = self.path.stat()
        return _digest(f"{self.path.resolve()}|{status.st_size}|{status.st_mtime_ns}".encode())

    def load(self) -> Image.Image:
        """Decode to RGB. Raises `OSError` that names the path."""
        _check_size(self.path.stat().st_size, str(self.path))
        return decode(self.path.read_bytes(), str(self.path), self.upright)


@dataclass(frozen=True)
class ZipImage:
    """A member of a zip archive, read without unpacking the archive."""

    archive: Path
    member: str
    upright: bool = True

    @property
    def key(self) -> str:
        """Member name, size and checksum, which the archive's directory holds."""
        info = self._info()
        return _digest(f"{info.filename}|{info.file_size}|{info.CRC}".encode())

    def load(self) -> Image.Image:
        """Decode to RGB. Raises `OSError` that names archive and member."""
        where = f"{self.archive}:{self.member}"
        info = self._info()
        _check_size(info.file_size, where)
        try:
            data = _open_zip(self.archive, os.getpid()).read(info)
        except NotImplementedError:
            raise OSError(
                f"cannot read {where}: a way of compression that Python does not know, such as Deflate64 (Windows"
                " Explorer above 2 GB): unpack the archive and pack it again, or use the folder"
            ) from None
        except RuntimeError:
            raise OSError(f"cannot read {where}: it is encrypted: unpack the archive with its password") from None
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise OSError(f"cannot read {where}: {error}") from None
        return decode(data, where, self.upright)

    def _info(self) -> zipfile.ZipInfo:
        try:
            return _open_zip(self.archive, os.getpid()).getinfo(self.member)
        except KeyError:
            raise FileNotFoundError(f"no member {self.member} in {self.archive}") from None


@dataclass(frozen=True)
class Base64Image:
    """An encoded image as text, in the standard or the URL-safe alphabet, with or without its padding."""

    data: str = field(repr=False)
    upright: bool = True

    @property
    def key(self) -> str:
        """Hash of the encoded image's bytes. Raises `OSError` if the text is not base64."""
        return _digest(self._bytes())

    def load(self) -> Image.Image:
        """Decode to RGB. Raises `OSError` that names the hash."""
        data = self._bytes()
        return decode(data, f"base64 image {_digest(data)[:12]}", self.upright)

    def _bytes(self) -> bytes:
        text = "".join(self.data.split()).replace("-", "+").replace("_", "/").rstrip("=")
        try:
            return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except (binascii.Error, ValueError) as error:
            raise OSError(f"not base64: {self.data[:20]!r}...: {error}") from None


@dataclass(frozen=True)
class ImageFolder:
    """A folder of images, looked up by the names that annotation files give them.

    COCO's images have two published names each, with and without the split in front; either finds the other.

    Attributes:
        folder: the folder.
        upright: apply the EXIF orientation.
        outside: follow names that lead out of the folder (absolute ones, or with `..`). Such a file is shown to a
            judge's server and in reports, so that an annotation file of somebody else's must not name it.
    """

    folder: Path
    upright: bool = True
    outside: bool = False
    _known: dict[str, FileImage | None] = field(default_factory=dict, init=False, repr=False, compare=False)

    def find(self, name: str) -> FileImage | None:
        """Return the image of a name or a COCO id, or None if the folder has no such file.

        Raises:
            OSError: if the name leads out of the folder, or can be no file's name.
        """
        if name not in self._known:  # each picture of a published file has two samples
            self._known[name] = self._find(name)
        return self._known[name]

    def _find(self, name: str) -> FileImage | None:
        parts = name.split("/")
        leads_out = name.startswith("/") or ".." in parts or _DRIVE.match(name)
        if "\0" in name or (leads_out and not self.outside):
            raise OSError(
                f"{name[:100]!r} leads out of the image folder: give a path inside it, or set data.outside=true if the"
                " annotations are your own"
            )
        if len(name) > _LONGEST_NAME and max(map(len, parts)) > _LONGEST_NAME:
            raise OSError(f"{name[:60]!r}... is no file's name")
        place = os.path.join(self.folder, *parts[:-1], "")  # noqa: PTH118 - strings, as there are 158,000 names
        for candidate in itertools.chain(parts[-1:], _other_names(parts[-1])):
            if os.path.isfile(place + candidate):  # noqa: PTH113
                return FileImage(Path(place + candidate), self.upright)
        return None


def _other_names(name: str) -> Iterator[str]:
    found = _COCO_NAME.fullmatch(name)
    if found is not None:
        for split in _COCO_SPLITS:
            yield f"{split}{int(found[1]):012d}.jpg"


def portable_key(image: ImageSource) -> str:
    """Return a key that does not change when the data moves to another folder or machine.

    A file has its name and size, anything else its content's key.
    """
    if isinstance(image, FileImage):
        return f"{image.path.name}|{image.path.stat().st_size}"
    return image.key


def unreadable(images: Iterable[ImageSource], threads: int = 8) -> dict[ImageSource, str]:
    """Decode every image once, whole, and return the reasons of those that cannot be decoded.

    Decoding runs outside Python's lock, hence threads.
    """
    distinct = list(dict.fromkeys(images))
    with ThreadPoolExecutor(threads) as pool:
        faults = progress(pool.map(_fault, distinct), "decoding", "picture", len(distinct))
        return {image: fault for image, fault in zip(distinct, faults, strict=True) if fault}


def _fault(image: ImageSource) -> str | None:
    try:
        image.load()
    except OSError as error:
        return str(error)
    return None


@lru_cache(maxsize=8)
def _open_zip(archive: Path, process: int) -> zipfile.ZipFile:
    """Keep archives open, as listing a large one takes seconds; one a process, as forks share a file's position."""
    try:
        return zipfile.ZipFile(archive)
    except zipfile.BadZipFile as error:
        raise OSError(f"{archive} is not a readable zip archive: {error}") from None


def _check_size(size: int, where: str) -> None:
    """Refuse a file that no picture within the bounds of `decode` has, before it is read or unpacked."""
    if size > LARGEST_FILE:
        raise OSError(f"cannot decode {where}: {size:,} bytes are more than {LARGEST_FILE:,}: make it smaller")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
