"""Folders that are built whole or not at all and say what they were built from, so that they are built once."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vlit.errors import InputError
from vlit.files import read_json


def mark_of(folder: Path, name: str, what: str) -> object:
    """What the file `name` of a folder says it was built from; None if the folder is absent or empty.

    Raises:
        InputError: if the folder holds something else than `what`.
    """
    if (folder / name).is_file():
        return read_json(folder / name, mend="remove the folder and build again")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is there and no earlier {what}: move it away, or name another folder")
    return None


@contextmanager
def replacing(folder: Path, is_built: Callable[[], bool]) -> Iterator[Path]:
    """Yield a fresh folder to fill, which takes the place of `folder` on success.

    If `is_built` then says that `folder` is there, another process was faster: its files are the same and stay.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
        fresh = Path(temporary) / "fresh"
        yield fresh
        if is_built():
            return
        if folder.exists():
            folder.replace(Path(temporary) / "earlier")
        fresh.replace(folder)
