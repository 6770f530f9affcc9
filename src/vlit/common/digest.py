"""Digests of what is made once and read often, so that a damaged file is found before anything is computed from it.

A folder that was made (a world, datasets, unpacked weights) or is shipped has a list of its files as `sha256sum -c`
reads it. The generated world's 4,800 files of 50 MB are compared in a third of a second.
"""

from __future__ import annotations

import hashlib
import logging
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlit.common.errors import InputError
from vlit.common.files import read_json, write_text

log = logging.getLogger(__name__)

SUMS = "SHA256SUMS"


def write_sums(folder: Path) -> None:
    """Write the list of a folder's files, which are all there; texts for people are not in it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in (SUMS, "README.md"))
    write_text(
        folder / SUMS, "".join(f"{checksum_of(path)}  {path.relative_to(folder).as_posix()}\n" for path in files)
    )


def damage(folder: Path) -> str | None:
    """Return what is wrong with the first file that is not as the list says, or None. Further files are ignored."""
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return f"{folder / SUMS} is missing or damaged"
    for line in lines:
        expected, _, name = line.partition("  ")
        try:
            found = checksum_of(folder / name)
        except FileNotFoundError:
            return f"{folder / name} is missing"
        except OSError as error:
            return f"{folder / name} cannot be read ({error.strerror})"
        if found != expected:
            return f"{folder / name} is damaged: it is not what {SUMS} says"
    return None if lines else f"{folder / SUMS} is empty"


def is_whole(folder: Path, record: str, made_from: Mapping[str, Any]) -> bool:
    """Return whether a folder was made from what `made_from` says, and has its files as they were written.

    What is damaged is named in the log, since it is made again.

    Args:
        folder: the folder.
        record: its JSON file that says what it was made from, and maybe more.
        made_from: what the record must say.
    """
    try:
        found = read_json(folder / record)
    except InputError:
        found = None
    if isinstance(found, dict) and {key: found.get(key) for key in made_from} != dict(made_from):
        return False
    wrong = damage(folder) if isinstance(found, dict) else f"{folder / record} is damaged"
    if wrong is not None:
        log.warning("%s; %s is made again", wrong, folder)
    return wrong is None


def checksum_of(path: Path, algorithm: str = "sha256") -> str:
    """Return the checksum of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def sealed(text: str) -> str:
    """Return a text behind a checksum of it, which `opened` compares."""
    return f"{zlib.crc32(text.encode()):08x} {text}"


def opened(line: bytes) -> str | None:
    """Return the text of what `sealed` returned; None if it is damaged."""
    checksum, _, text = line.partition(b" ")
    return text.decode() if checksum == f"{zlib.crc32(text):08x}".encode() else None
