"""Get the public files that construct.py reads: `python -m vlit.construct.fetch`; `dry_run=true` prints their sizes.

A broken download is resumed where it stopped, and no broken file is left under its name.
`only=[captions_and_instances]` gets some of the files.
"""

from __future__ import annotations

import http.client
import logging
import shutil
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig
from tqdm import tqdm

from vlit.common.digest import checksum_of
from vlit.common.entry import entry
from vlit.common.errors import InputError

log = logging.getLogger("vlit.fetch")  # as a command this module has another name
CHUNK = 1 << 20  # bytes
BROKEN = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError)
PERMANENT = (400, 401, 403, 404, 410)  # statuses that another attempt does not change
SUMS = "SHA256SUMS"
MOST_MEMBERS = 500_000  # of an archive; train2014.zip has 82,783
MOST_RATIO = 200  # bytes unpacked to bytes packed; the published annotations have at most 20


@dataclass(frozen=True)
class PublishedFile:
    """A file on the web.

    Attributes:
        name: name of the file on this machine.
        url: its address.
        md5: checksum, if its publisher or a widely used reader of it gives one.
        sha256: the same.
        unpack: folder of its members, for a zip archive; None keeps the file as it is.
        members: members to unpack, a name with a slash at its end is a folder. No other file of the archive is written.
    """

    name: str
    url: str
    md5: str | None = None
    sha256: str | None = None
    unpack: str | None = None
    members: Sequence[str] = ()

    @property
    def checksum(self) -> tuple[str, str] | None:
        """Algorithm and hexadecimal digest; None if neither is known."""
        return ("sha256", self.sha256) if self.sha256 else ("md5", self.md5) if self.md5 else None


def size_of(url: str, timeout: float) -> int | None:
    """Ask the server for the bytes of a file without getting it; None if it doesn't answer that."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=timeout) as answer:
            length = answer.headers.get("Content-Length")
            return int(length) if length else None
    except (*BROKEN, ValueError):
        return None


def download(file: PublishedFile, folder: Path, attempts: int, timeout: float, wait: float = 1.0) -> Path:
    """Download a file into a folder, or the rest of it.

    Until it is complete and its checksum is right, it is named `NAME.part`.

    Args:
        file: the file.
        folder: the folder.
        attempts: connections in a row that may break without a byte having arrived.
        timeout: seconds without a byte after which a connection counts as broken.
        wait: seconds before connecting again, doubled each time that nothing arrives.

    Returns:
        The path of the file.

    Raises:
        InputError: if the server has no such file, keeps breaking off, or the checksum is wrong (the file is removed).
    """
    path, part = folder / file.name, folder / f"{file.name}.part"
    if path.is_file():
        if file.checksum is not None and (found := checksum_of(path, file.checksum[0])) != file.checksum[1]:
            raise InputError(
                f"{path}: its {file.checksum[0]} is {found}, not {file.checksum[1]}: it is not the published file, "
                "remove it and run again"
            )
        return path
    folder.mkdir(parents=True, exist_ok=True)
    without_bytes = 0
    while True:
        before = part.stat().st_size if part.is_file() else 0
        try:
            if _receive(file.url, part, timeout):
                break
            fault = "the connection ended early"
        except urllib.error.HTTPError as error:
            if error.code in PERMANENT:
                raise InputError(f"{file.url} answers {error.code}: get {file.name} elsewhere into {folder}") from None
            fault = f"status {error.code}"
        except BROKEN as error:
            fault = str(error) or type(error).__name__
        grown = part.is_file() and part.stat().st_size > before
        without_bytes = 0 if grown else without_bytes + 1
        if without_bytes == attempts:
            raise InputError(f"{file.url}: {fault}, {attempts} times in a row: run the same command later to continue")
        time.sleep(min(60.0, wait * 2 ** max(0, without_bytes - 1)))
    _check(file, part)
    part.replace(path)
    return path


def _receive(url: str, part: Path, timeout: float) -> bool:
    """Append what a connection sends to `part`, and return whether the file is complete."""
    start = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        answer = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        size = error.headers.get("Content-Range", "").removeprefix("bytes */")
        if error.code == 416 and size == str(start):
            return True  # it was complete already
        if error.code == 416:
            part.unlink()  # longer than the file: it is part of another one
            return False
        raise
    with answer:
        resumed = answer.status == 206
        if not resumed:
            start = 0  # the server sends the file from its beginning
        length = answer.headers.get("Content-Length")
        total = start + int(length) if length else None
        with (
            part.open("ab" if resumed else "wb") as file,
            tqdm(total=total, initial=start, unit="B", unit_scale=True, desc=part.stem, disable=None) as progress,
        ):
            while chunk := answer.read1(CHUNK):
                file.write(chunk)
                progress.update(len(chunk))
    return total is None or part.stat().st_size == total


def _check(file: PublishedFile, part: Path) -> None:
    if file.checksum is None:
        return
    algorithm, expected = file.checksum
    found = checksum_of(part, algorithm)
    if found != expected:
        part.unlink()
        raise InputError(
            f"{file.url}: {algorithm} is {found}, not {expected}: the file is removed; run again, or look on the "
            "publisher's page whether it has changed"
        )


def free_bytes(folder: Path) -> int:
    """Return the free bytes of the disk that a folder is on, or is going to be on."""
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    return shutil.disk_usage(existing).free


def dry_run(files: Sequence[PublishedFile], folder: Path, timeout: float) -> Iterator[str]:
    """Yield a line for each file: its size, whether it is here already, and how it is checked."""
    total = 0
    for file in files:
        path = folder / file.name
        size = path.stat().st_size if path.is_file() else size_of(file.url, timeout)
        state = "here" if path.is_file() else "to fetch"
        total += 0 if path.is_file() else size or 0
        check = file.checksum[0] if file.checksum else "size only"
        yield f"{file.name:42} {_readable(size):>10}  {state:8}  {check:9}  {file.url}"
    yield f"{_readable(total)} to fetch, {_readable(free_bytes(folder))} free at {folder}"


def fetch(
    files: Sequence[PublishedFile], folder: Path, attempts: int, timeout: float, wait: float = 1.0
) -> Iterator[str]:
    """Download the files that are not here, check and unpack them; yields a line for each file.

    The SHA-256 of every file goes to `SHA256SUMS`. A file without a published checksum is
    compared with the one of an earlier download, if there is one.

    Raises:
        InputError: as `download` does, if two files or members have one name, or if an archive is broken, unpacks to
            more than it should, or has members outside its folder.
    """
    _check_names(files, folder)
    for file in files:
        path = download(file, folder, attempts, timeout, wait)
        _remember(path, folder / SUMS)
        unpacked = _unpack(file, path, folder) if file.unpack is not None else 0
        yield f"{file.name}: {_readable(path.stat().st_size)}" + (f", {unpacked} files unpacked" if unpacked else "")


def _check_names(files: Sequence[PublishedFile], folder: Path) -> None:
    """Refuse files of which one would take the place of another, or of the list of their digests."""
    taken = {(folder / SUMS).resolve(): "the list of digests"}
    for file in files:
        unpacked = [folder / str(file.unpack) / name for name in file.members] if file.unpack is not None else []
        if file.unpack is not None and not file.members:
            raise InputError(f"files: {file.name} is unpacked and lists no members: list what is wanted of it")
        for place in {path.resolve() for path in (folder / file.name, *unpacked)}:
            if place in taken:
                raise InputError(f"files: {place} comes from {file.name} and is {taken[place]}: rename one of them")
            taken[place] = f"part of {file.name}"


def _remember(path: Path, sums: Path) -> None:
    lines = sums.read_text().splitlines() if sums.is_file() else []
    known = {name: value for value, name in (line.split("  ", 1) for line in lines)}
    value = checksum_of(path, "sha256")
    if known.get(path.name, value) != value:
        raise InputError(f"{path} differs from an earlier download ({sums}): remove the file, or its line there")
    if path.name not in known:
        with sums.open("a") as file:
            file.write(f"{value}  {path.name}\n")


def _unpack(file: PublishedFile, path: Path, folder: Path) -> int:
    """Unpack members that are absent or incomplete, and return their number."""
    target = folder / str(file.unpack)
    try:
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
            members = [info for info in members if any(_is_listed(info.filename, name) for name in file.members)]
            if len(members) < len(file.members):
                raise InputError(f"{path} lacks members of {list(file.members)}: remove it and get it again")
            missing = [info for info in members if not _is_unpacked(target / info.filename, info.file_size)]
            for info in missing:
                if not (target / info.filename).resolve().is_relative_to(target.resolve()):
                    raise InputError(f"{path} has a member outside its folder ({info.filename}): don't use it")
            _check_sizes(path, missing, target)
            for info in missing:
                archive.extract(info, target)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{path} is no readable zip archive ({error}): remove it and get it again") from None
    return len(missing)


def _is_listed(member: str, listed: str) -> bool:
    """Return whether a member is the listed one, or in the listed folder (`train2014/`)."""
    return member.startswith(listed) if listed.endswith("/") else member == listed


def _check_sizes(path: Path, members: Sequence[zipfile.ZipInfo], target: Path) -> None:
    """Refuse an archive that no publisher of annotations makes, or that does not fit the disk, before unpacking it."""
    size = sum(info.file_size for info in members)
    packed = sum(info.compress_size for info in members)
    if len(members) > MOST_MEMBERS:
        raise InputError(f"{path} has {len(members):,} members, more than {MOST_MEMBERS:,}: don't use it")
    if size > MOST_RATIO * max(packed, 1):
        raise InputError(f"{path} unpacks to {size / max(packed, 1):,.0f} times its size: don't use it")
    if size > (free := free_bytes(target)):
        raise InputError(
            f"{path} unpacks to {_readable(size)}, and {target} has {_readable(free)} free: make room there"
        )


def _is_unpacked(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _readable(size: int | None) -> str:
    if size is None:
        return "size ?"
    units = ["B", "kB", "MB", "GB", "TB"]
    power = min(len(units) - 1, max(0, (len(str(size)) - 1) // 3))
    return f"{size / 1000**power:.{0 if power == 0 else 1}f} {units[power]}"


@entry("fetch")
def main(cfg: DictConfig) -> None:
    """Get the chosen files, or list them."""
    chosen = list(cfg.files) if cfg.only is None else list(cfg.only)
    unknown = [name for name in chosen if name not in cfg.files]
    if unknown:
        raise InputError(f"only: {', '.join(unknown)} unknown, choose from {', '.join(map(str, cfg.files))}")
    files = [PublishedFile(**cfg.files[name]) for name in chosen]
    folder = Path(cfg.folder)
    if cfg.dry_run:
        lines = dry_run(files, folder, cfg.timeout)
    else:
        lines = fetch(files, folder, cfg.attempts, cfg.timeout, cfg.wait)
    for line in lines:
        log.info(line)


if __name__ == "__main__":
    main()
