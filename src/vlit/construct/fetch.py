"""Downloads a file over connections that break: resumes, checks, and never leaves a broken file under its name."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from vlit.common.errors import InputError

CHUNK = 1 << 20
BROKEN = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError)
HOPELESS = (400, 401, 403, 404, 410)


@dataclass(frozen=True)
class Published:
    """A file on the web.

    Attributes:
        name: of the file here.
        url: where it is.
        md5: checksum, if its publisher or a widely used reader of it gives one.
        sha256: the same.
        unpack: folder its members go to, for a zip archive; None keeps the file as it is.
        members: which members to unpack; empty is all.
    """

    name: str
    url: str
    md5: str | None = None
    sha256: str | None = None
    unpack: str | None = None
    members: tuple[str, ...] = ()

    @property
    def checksum(self) -> tuple[str, str] | None:
        """Algorithm and hexadecimal digest; None if neither is known."""
        return ("sha256", self.sha256) if self.sha256 else ("md5", self.md5) if self.md5 else None


def size_of(url: str, timeout: float) -> int | None:
    """Bytes of a file, as the server says without sending it; None if it doesn't say or can't be reached."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=timeout) as answer:
            length = answer.headers.get("Content-Length")
            return int(length) if length else None
    except (*BROKEN, ValueError):
        return None


def download(file: Published, folder: Path, attempts: int, timeout: float, wait: float = 1.0) -> Path:
    """Download a file into a folder, going on from what is there of it.

    What has arrived is in `NAME.part` until all has and the checksum is right.

    Args:
        file: what to get.
        folder: where to put it.
        attempts: how often in a row a connection may break without a byte having come.
        timeout: seconds without a byte after which a connection counts as broken.
        wait: seconds before connecting again, doubled each time nothing comes.

    Returns:
        The file.

    Raises:
        InputError: if the server has no such file, keeps breaking off, or the checksum is wrong (what came is removed).
    """
    path, part = folder / file.name, folder / f"{file.name}.part"
    if path.is_file():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    barren = 0
    while True:
        before = part.stat().st_size if part.is_file() else 0
        try:
            if _receive(file.url, part, timeout):
                break
            fault = "the connection ended early"
        except urllib.error.HTTPError as error:
            if error.code in HOPELESS:
                raise InputError(f"{file.url} answers {error.code}: get {file.name} elsewhere into {folder}") from None
            fault = f"status {error.code}"
        except BROKEN as error:
            fault = str(error) or type(error).__name__
        grown = part.is_file() and part.stat().st_size > before
        barren = 0 if grown else barren + 1
        if barren == attempts:
            raise InputError(f"{file.url}: {fault}, {attempts} times in a row: run the same command later to go on")
        time.sleep(min(60.0, wait * 2 ** max(0, barren - 1)))
    _check(file, part)
    part.replace(path)
    return path


def _receive(url: str, part: Path, timeout: float) -> bool:
    """Append what a connection sends to `part`; whether the file is complete now."""
    have = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        whole = error.headers.get("Content-Range", "").removeprefix("bytes */")
        if error.code == 416 and whole == str(have):
            return True  # everything had come already
        if error.code == 416:
            part.unlink()  # longer than the file: it is another one
            return False
        raise
    with answer:
        goes_on = answer.status == 206
        if not goes_on:
            have = 0  # the server starts from the beginning
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else None
        with (
            part.open("ab" if goes_on else "wb") as file,
            tqdm(total=total, initial=have, unit="B", unit_scale=True, desc=part.stem, disable=None) as progress,
        ):
            while chunk := answer.read1(CHUNK):
                file.write(chunk)
                progress.update(len(chunk))
    return total is None or part.stat().st_size == total


def _check(file: Published, part: Path) -> None:
    if file.checksum is None:
        return
    algorithm, expected = file.checksum
    found = digest(part, algorithm)
    if found != expected:
        part.unlink()
        raise InputError(
            f"{file.url}: {algorithm} is {found}, not {expected}: what came is removed, run again, or compare with the "
            "publisher's page whether the file has changed"
        )


def digest(path: Path, algorithm: str) -> str:
    """Checksum of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def free_bytes(folder: Path) -> int:
    """Room left on the disk a folder is on, or is going to be on."""
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    return shutil.disk_usage(existing).free


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
