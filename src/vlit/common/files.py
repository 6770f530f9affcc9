"""Write files and folders whole or not at all, under a temporary name that is then renamed; one writer at a time."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from vlit.common.errors import InputError, storage_error


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`; rename it to `path` on success, remove it on any failure.

    Raises:
        InputError: if the disk is full, read-only or gone.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        os.close(handle)
        temporary = Path(name)
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes private files; results are for everybody the umask admits
        temporary.replace(path)
    except OSError as error:
        raise (storage_error(error, path) or error) from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


@contextmanager
def replaced_folder(
    folder: Path,
    marker: str | None = None,
    *,
    what: str = "output",
    mend: str = "move it away, or name another folder",
    is_current: Callable[[], bool] | None = None,
) -> Iterator[Path]:
    """Yield a fresh, empty folder to fill; it takes the place of `folder` on success, else `folder` is unchanged.

    Args:
        folder: the folder to write; a link to a folder is followed.
        marker: file that every earlier output of this kind contains; None: an existing folder is never replaced.
        what: the kind of output, for the message.
        mend: what the user can do about a folder that must not be replaced, for the message.
        is_current: whether `folder` already holds what was to be written. Called before the swap: another process may
            have been faster, whose files then stay.

    Raises:
        InputError: if `folder` holds something that must not be replaced, or the disk is full, read-only or gone.
    """
    is_replaceable(folder, marker, what, mend)
    place = folder.resolve()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=f".{place.name}.") as temporary:
            fresh, earlier = Path(temporary) / "fresh", Path(temporary) / "earlier"
            fresh.mkdir()  # inside, because the temporary folder itself is private
            yield fresh
            if is_current is not None and is_current():
                return
            if is_replaceable(folder, marker, what, mend):
                place.rename(earlier)
            try:
                fresh.rename(place)
            except BaseException:
                if earlier.exists():
                    earlier.rename(place)
                raise
    except OSError as error:
        raise (storage_error(error, folder) or error) from None


def is_replaceable(
    folder: Path, marker: str | None, what: str = "output", mend: str = "move it away, or name another folder"
) -> bool:
    """Return whether `folder` contains `marker`, so that it may be replaced; False if it is absent or empty.

    Raises:
        InputError: if it is neither: somebody else's files, or a file.
    """
    if marker is not None and (folder / marker).is_file():
        return True
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} exists and is no earlier {what}: {mend}" if marker else f"{folder} exists: {mend}")
    return False


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file while something is made; wait for the process that holds it.

    The system takes the lock from a process that ends, however it ends: there are no stale ones.

    Raises:
        InputError: if the disk is full, read-only or gone.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        lock.acquire()
    except (OSError, NotImplementedError) as error:
        if isinstance(error, NotImplementedError) or error.errno in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
            raise InputError(f"{path}: this file system has no locks: put its folder on another disk") from None
        raise (storage_error(error, path) or error) from None
    try:
        yield
    finally:
        lock.release()


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path`, whole or not at all."""
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any, indent: int | None = 2) -> None:
    """Write `value` as JSON to `path`, whole or not at all."""
    write_text(path, json.dumps(value, indent=indent, ensure_ascii=False) + "\n")


def write_jsonl(path: Path, rows: Iterable[Any]) -> None:
    """Write one JSON value per line to `path`, whole or not at all."""
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def read_json(path: Path, mend: str = "check the path") -> Any:
    """Read a JSON file.

    Raises:
        InputError: if the file is absent, with `mend`, which tells the user what to do, or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"no file {path}: {mend}") from None
    except json.JSONDecodeError as error:
        cut = error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated string")
        how = "ends in the middle, as a file that was cut off does" if cut else f"is not valid JSON ({error})"
        raise InputError(f"{path} {how}: fetch or write it again") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not valid JSON ({error}): fetch or write it again") from None


def read_jsonl(path: Path) -> list[Any]:
    """Read a file with one JSON value per line.

    Raises:
        InputError: naming the line that is not JSON.
    """
    rows = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            rows.append(json.loads(line))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{path}:{number} is not valid JSON ({error}): remove or mend the line") from None
    return rows
