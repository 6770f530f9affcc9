"""Reads JSON, JSON lines and their gzip, whatever the file is called, and names what is not JSON.

What people have under a dataset's name is often something else: a Git LFS pointer, a web page, an archive, a folder.
Each is recognised by its first bytes and refused in one line that says how to mend it.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlit.common.errors import InputError

MOST_RATIO = 200  # bytes unpacked to bytes packed; published annotations have at most 20
_HEAD = 512  # bytes that tell what a file is
_CUT_OFF = "ends in the middle, as a download that was cut off does: fetch it again"
_CUT_JSON = f"is not valid JSON: it {_CUT_OFF}"
_PAGE = (
    "is a web page, not data: the download was answered with a page (a login, a moved file); open its address in a"
    " browser, and fetch the file itself"
)
# (first bytes, what the file is and what to do)
_KINDS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "is a Git LFS pointer, not the file: run `git lfs pull` in its repository"),
    (b"/annex/objects/", "is a git-annex pointer, not the file: run `git annex get` in its repository"),
    (b"../.git/annex/", "is a git-annex pointer, not the file: run `git annex get` in its repository"),
    (b"PK\x03\x04", "is a zip archive: unpack it, and name the file in it"),
    (b"PAR1", "is a Parquet file, which this reader does not read: convert it to JSON"),
    (b"BZh", "is compressed with bzip2: unpack it (bunzip2)"),
    (b"\xfd7zXZ\x00", "is compressed with xz: unpack it (unxz)"),
    (b"(\xb5/\xfd", "is compressed with Zstandard: unpack it (unzstd)"),
    (b"7z\xbc\xaf\x27\x1c", "is a 7z archive: unpack it, and name the file in it"),
    (b"Rar!", "is a RAR archive: unpack it, and name the file in it"),
    (b"\x93NUMPY", "is a NumPy file: this reader takes JSON"),
    (b"SQLite format 3", "is an SQLite database: this reader takes JSON"),
    (b"\x80\x04\x95", "is a Python pickle, which is never opened: write it as JSON where it came from"),
    (b"\x89PNG", "is a picture: name the file with the annotations"),
    (b"\xff\xd8\xff", "is a picture: name the file with the annotations"),
    (b"%PDF", "is a PDF: name the file with the annotations"),
)


class RepeatedKeys(list[tuple[str, Any]]):
    """The pairs of a JSON object in which a key occurs more than once, in their order."""


@dataclass(frozen=True)
class Document:
    """The content of a JSON file.

    Attributes:
        value: the parsed value; of JSON lines, the list of the lines that parse.
        places: of JSON lines, where each value of the list stands (`name:line`); else empty.
        faults: of JSON lines, the lines that do not parse, with the reason.
    """

    value: Any
    places: list[str] = field(default_factory=list)
    faults: list[tuple[str, str]] = field(default_factory=list)


def read_document(path: Path, mend: str = "check the path", repeated_keys: bool = False) -> Document:
    """Read a JSON file, JSON lines, or the gzip of either, in UTF-8 or with a byte-order mark.

    Args:
        path: the file.
        mend: what to do where it is absent.
        repeated_keys: return an object with a repeated key as `RepeatedKeys`; else its last value counts, as in JSON.

    Raises:
        InputError: if the file is absent, unreadable or not JSON, in one line.
    """
    text = _text(path, _content(path, mend))
    hook = _pairs if repeated_keys else None
    try:
        return Document(json.loads(text, object_pairs_hook=hook))
    except json.JSONDecodeError as error:
        lines = _json_lines(path, text, hook) if error.msg == "Extra data" else None
        if lines is not None:
            return lines
        if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string"):
            raise InputError(f"{path} {_CUT_JSON}") from None
        raise InputError(
            f"{path} is not valid JSON (line {error.lineno}, column {error.colno}: {error.msg}): mend it there"
        ) from None
    except (ValueError, RecursionError) as error:  # a number of ten thousand digits, a nesting of ten thousand levels
        raise InputError(f"{path} is no JSON that can be read ({error}): mend it") from None


def _content(path: Path, mend: str) -> bytes:
    try:
        if path.is_dir():
            names = sorted(entry.name for entry in path.iterdir() if entry.suffix in (".json", ".jsonl", ".gz"))
            there = f" (it holds {', '.join(names[:5])}{', ...' if len(names) > 5 else ''})" if names else ""
            raise InputError(f"{path} is a folder: name the file in it{there}")
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"no file {path}: {mend}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check its permissions and the disk") from None
    if content.startswith(b"\x1f\x8b"):
        try:
            content = _unpacked(path, content)
        except EOFError:
            raise InputError(f"{path} {_CUT_OFF}") from None
        except (OSError, zlib.error) as error:
            raise InputError(f"{path} is a broken gzip file ({error}): fetch it again") from None
    _refuse_other_kinds(path, content[:_HEAD])
    return content


def _unpacked(path: Path, content: bytes) -> bytes:
    """Unpack gzip, and stop where it grows to more than any annotations do."""
    most = MOST_RATIO * len(content) + 2**20
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
        unpacked = file.read(most + 1)
    if len(unpacked) > most:
        raise InputError(f"{path} unpacks to more than {MOST_RATIO} times its size, as no annotations do: don't use it")
    return unpacked


def _refuse_other_kinds(path: Path, head: bytes) -> None:
    start = head.lstrip()
    if not start.strip(b"\x00"):
        raise InputError(f"{path} is {'full of zeros' if start else 'empty'}: fetch or write it again")
    for magic, kind in _KINDS:
        if head.startswith(magic):
            raise InputError(f"{path} {kind}")
    lowered = start[:64].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if lowered.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<error", b"<!--")):
        raise InputError(f"{path} {_PAGE}")


def _text(path: Path, content: bytes) -> str:
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not {encoding.removesuffix('-sig').upper()} (byte {error.start}: {error.reason}): convert it,"
            " e.g. iconv -f latin1 -t utf-8"
        ) from None


def _json_lines(path: Path, text: str, hook: Callable[[list[tuple[str, Any]]], Any] | None) -> Document | None:
    """Read one value a line; None where not even the first line is a value."""
    found = Document([])
    for number, line in enumerate(_lines(text), start=1):
        if not line.strip():
            continue
        place = f"{path.name}:{number}"
        try:
            found.value.append(json.loads(line, object_pairs_hook=hook))
            found.places.append(place)
        except (ValueError, RecursionError) as error:
            if not found.value and not found.faults:
                return None
            found.faults.append((place, f"the line is not valid JSON ({error})"))
    return found


def _lines(text: str) -> Iterator[str]:
    """Split at line feeds only: JSON text may hold U+2028 and U+0085 unescaped, which `splitlines` splits at."""
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        yield text[start:end]
        start = end + 1


def _pairs(pairs: list[tuple[str, Any]]) -> Any:
    made = dict(pairs)
    return made if len(made) == len(pairs) else RepeatedKeys(pairs)
