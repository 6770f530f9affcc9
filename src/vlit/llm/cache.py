"""Replies on disk by content key, and a language model that answers from them: no request is sent twice."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TypeVar

from vlit.common.digest import opened, sealed
from vlit.common.errors import InputError
from vlit.llm.request import ChatRequest, Price, Prompt, Reply, RequestFailed, Sampling, key_of

log = logging.getLogger(__name__)

Request_contra = TypeVar("Request_contra", bound=ChatRequest, contravariant=True)


class ReplyCache:
    """A mapping of content keys to replies in one SQLite file. One process at a time; a context manager.

    The write-ahead log makes each `put` whole or not at all, so a process may be killed at any moment. Locked
    exclusively, the file needs no shared memory and so works on a network file system too. A reply has a checksum: one
    that is damaged counts as absent.

    Raises:
        InputError: if another process has the file open, or it is no reply cache.
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
            (found,) = self._database.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise InputError(
                    f"{path} is damaged ({str(found).splitlines()[-1]}): `sqlite3 {path} .recover` saves what can be"
                    " saved; or move it away, and its replies are requested, and paid for, again"
                )
        except sqlite3.OperationalError as error:
            raise InputError(f"cannot open {path} ({error}): another process may be using it") from None
        except sqlite3.DatabaseError as error:
            raise InputError(f"{path} is no reply cache ({error}): move it away") from None

    def __enter__(self) -> ReplyCache:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def __contains__(self, key: str) -> bool:
        return self.get(key) is not None

    def __len__(self) -> int:
        (count,) = self._database.execute("SELECT COUNT(*) FROM replies").fetchone()
        return int(count)

    def get(self, key: str) -> Reply | None:
        """Return the reply of a key, if there is one."""
        row = self._database.execute("SELECT reply FROM replies WHERE key = ?", (key,)).fetchone()
        return None if row is None else self._read(key, row[0])

    def _read(self, key: str, row: object) -> Reply | None:
        stored = row if isinstance(row, str) else ""
        text = stored if stored.startswith("{") else opened(stored.encode())  # older rows have no checksum
        if text is None:
            log.warning("%s: the reply %s is damaged, and requested again", self.path, key[:12])
            self.forget([key])
            return None
        return Reply(**json.loads(text))

    def put(self, key: str, reply: Reply) -> None:
        """Store a reply; it is on disk when this returns."""
        self._database.execute("INSERT OR REPLACE INTO replies VALUES (?, ?)", (key, sealed(json.dumps(asdict(reply)))))

    def forget(self, keys: Iterable[str]) -> None:
        """Remove replies, so that their requests are sent again."""
        self._database.executemany("DELETE FROM replies WHERE key = ?", ((key,) for key in keys))


class LanguageModel(Protocol[Request_contra]):
    """A model that answers requests: `ServerModel`, `BatchModel`, `LocalModel`, or one that needs no language model."""

    @property
    def name(self) -> str:
        """The model's name."""

    @property
    def price(self) -> Price:
        """Price of its tokens."""

    def body(self, request: Request_contra) -> dict[str, Any]:
        """Return everything a reply depends on, as JSON values: their hash is the reply's key in the cache."""

    def answer(self, requests: Mapping[str, Request_contra], cache: ReplyCache) -> None:
        """Put a reply, or why there is none, into the cache for every request that has none there, by key.

        Raises:
            InputError: if that is not possible now; whatever was answered stays in the cache.
        """


class CachedModel:
    """A language model with the file of its replies; the file is open only while it answers.

    Args:
        model: the language model.
        replies: the file.
        sampling: how replies are drawn.

    Attributes:
        key: everything but the messages that a reply depends on, as JSON.
    """

    def __init__(self, model: LanguageModel[Prompt], replies: str | Path, sampling: Sampling) -> None:
        self.model, self.replies, self.sampling = model, Path(replies), sampling
        body = model.body(self.prompt("", ""))
        self._failed: set[str] = set()  # keys that this process has asked for in vain
        self.key = json.dumps({key: value for key, value in body.items() if key != "messages"}, sort_keys=True)

    def prompt(self, system: str, text: str, image: str | None = None, seed: int | None = None) -> Prompt:
        """Make a prompt with this model's sampling; `image` is a data URL, `seed` takes the place of its seed."""
        return Prompt(system, text, self.sampling if seed is None else replace(self.sampling, seed=seed), image)

    def __call__(self, prompts: Sequence[Prompt]) -> list[str | RequestFailed]:
        """Return the first text of the reply to each prompt, or why there is none.

        Raises:
            InputError: if replies can't be had now: no server, no model, the budget is used up, a batch is to be sent.
                What was answered is kept.
        """
        keys = [key_of(self.model.body(prompt)) for prompt in prompts]
        with ReplyCache(self.replies) as cache:
            # What failed before may do well now: a fault of the server's is not kept for good.
            found = {key: cache.get(key) for key in keys if key not in self._failed}
            cache.forget(key for key, reply in found.items() if reply is not None and reply.error is not None)
            self.model.answer(dict(zip(keys, prompts, strict=True)), cache)
            replies = [cache.get(key) for key in keys]
        self._failed |= {key for key, reply in zip(keys, replies, strict=True) if reply and reply.error is not None}
        return [_text(reply) for reply in replies]

    def by_group(self, groups: Sequence[Sequence[Prompt]]) -> list[list[str] | RequestFailed]:
        """Return the replies to each group of prompts, or the first failure among them. All are asked together.

        Raises:
            InputError: as a call does.
        """
        replies = iter(self([prompt for group in groups for prompt in group]))
        return [_whole([next(replies) for _ in group]) for group in groups]


def _text(reply: Reply | None) -> str | RequestFailed:
    if reply is None or reply.error is not None:
        return RequestFailed(reply.error if reply else "no reply")
    text = reply.texts[0] if reply.texts else ""
    return text if text.strip() else RequestFailed("empty reply")


def _whole(replies: list[str | RequestFailed]) -> list[str] | RequestFailed:
    failed = next((reply for reply in replies if isinstance(reply, RequestFailed)), None)
    return failed if failed is not None else [reply for reply in replies if isinstance(reply, str)]
