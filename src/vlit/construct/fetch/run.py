"""Fetches and unpacks a list of files; a dry run says what that would take."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from vlit.construct.fetch.download import Published, digest, download, free_bytes, size_of
from vlit.errors import InputError

SUMS = "SHA256SUMS"


def plan(files: Sequence[Published], folder: Path, timeout: float) -> Iterator[str]:
    """Say of each file how large it is, whether it can be checked, and what is here already."""
    total = 0
    for file in files:
        path = folder / file.name
        size = path.stat().st_size if path.is_file() else size_of(file.url, timeout)
        state = "here" if path.is_file() else "to fetch"
        total += 0 if path.is_file() else size or 0
        check = file.checksum[0] if file.checksum else "size only"
        yield f"{file.name:42} {_readable(size):>10}  {state:8}  {check:9}  {file.url}"
    yield f"{_readable(total)} to fetch, {_readable(free_bytes(folder))} free at {folder}"


def fetch(files: Sequence[Published], folder: Path, attempts: int, timeout: float, wait: float = 1.0) -> Iterator[str]:
    """Download what is not here, check and unpack it; yields a line for each file.

    The SHA-256 of every file goes to `SHA256SUMS`. A file whose checksum its publisher doesn't give is compared with
    that of an earlier download, if there is a line of it.

    Raises:
        InputError: as `download` does, if an archive is broken or its members would leave the folder.
    """
    for file in files:
        path = download(file, folder, attempts, timeout, wait)
        _remember(path, folder / SUMS)
        unpacked = _unpack(file, path, folder) if file.unpack is not None else 0
        yield f"{file.name}: {_readable(path.stat().st_size)}" + (f", {unpacked} files unpacked" if unpacked else "")


def _remember(path: Path, sums: Path) -> None:
    lines = sums.read_text().splitlines() if sums.is_file() else []
    known = {name: value for value, name in (line.split("  ", 1) for line in lines)}
    value = digest(path, "sha256")
    if known.get(path.name, value) != value:
        raise InputError(f"{path} is not what an earlier download was ({sums}): remove the file, or its line there")
    if path.name not in known:
        with sums.open("a") as file:
            file.write(f"{value}  {path.name}\n")


def _unpack(file: Published, path: Path, folder: Path) -> int:
    """Unpack members that are not there in full; how many there were to unpack."""
    target = folder / str(file.unpack)
    try:
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
            if file.members:
                members = [info for info in members if info.filename in file.members]
            if len(members) < len(file.members):
                raise InputError(f"{path} lacks members of {list(file.members)}: fetch it again")
            todo = [info for info in members if not _is_there(target / info.filename, info.file_size)]
            for info in todo:
                if not (target / info.filename).resolve().is_relative_to(target.resolve()):
                    raise InputError(f"{path} has a member outside its folder ({info.filename}): don't use it")
                archive.extract(info, target)
    except zipfile.BadZipFile as error:
        raise InputError(f"{path} is no readable zip archive ({error}): remove it and fetch it again") from None
    return len(todo)


def _is_there(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _readable(size: int | None) -> str:
    if size is None:
        return "size ?"
    units = ["B", "kB", "MB", "GB", "TB"]
    power = min(len(units) - 1, max(0, (len(str(size)) - 1) // 3))
    return f"{size / 1000**power:.{0 if power == 0 else 1}f} {units[power]}"
