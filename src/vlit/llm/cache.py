"""Replies on disk by content key, in one SQLite file: a process may be killed at any moment and loses nothing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from types import TracebackType

from vlit.common.errors import InputError
from vlit.llm.request import Reply


class ReplyCache:
    """A mapping of keys to replies. One process at a time; a context manager.

    The write-ahead log makes each `put` whole or not at all. Held exclusively, the file needs no shared memory and so
    works on a network file system too.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._database = sqlite3.connect(path, timeout=1, isolation_level=None)
            self._database.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.execute("CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, reply TEXT NOT NULL)")
            self._database.execute("BEGIN IMMEDIATE")
            self._database.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise InputError(f"cannot open {path} ({error}): another construct.py may be using it") from None
        except sqlite3.DatabaseError as error:
            raise InputError(f"{path} is no reply cache ({error}): move it away") from None

    def __enter__(self) -> ReplyCache:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def __contains__(self, key: str) -> bool:
        return self._database.execute("SELECT 1 FROM replies WHERE key = ?", (key,)).fetchone() is not None

    def __len__(self) -> int:
        (count,) = self._database.execute("SELECT COUNT(*) FROM replies").fetchone()
        return int(count)

    def get(self, key: str) -> Reply | None:
        """The reply of a key, if there is one."""
        row = self._database.execute("SELECT reply FROM replies WHERE key = ?", (key,)).fetchone()
        return None if row is None else Reply(**json.loads(row[0]))

    def put(self, key: str, reply: Reply) -> None:
        """Keep a reply; it is on disk when this returns."""
        self._database.execute("INSERT OR REPLACE INTO replies VALUES (?, ?)", (key, json.dumps(asdict(reply))))

    def forget(self, keys: Iterable[str]) -> None:
        """Remove replies, so that they are asked for again."""
        self._database.executemany("DELETE FROM replies WHERE key = ?", ((key,) for key in keys))
