"""Replies of a language model, kept on disk by the content of what was asked: a killed run asks nothing twice."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path


class ReplyCache:
    """An append-only file of replies; a last line cut off by a kill is left out and asked again."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._replies: dict[str, str] = {}
        if self.path.exists():
            content = self.path.read_bytes()
            for line in content.split(b"\n"):
                try:
                    row = json.loads(line)
                    self._replies[row["key"]] = row["reply"]
                except (ValueError, KeyError, TypeError):
                    continue
            if content and not content.endswith(b"\n"):  # or the next reply would be glued to the torn line
                with self.path.open("ab") as file:
                    file.write(b"\n")

    def get(self, asked: object, ask: Callable[[], str]) -> str:
        """The stored reply to `asked` (anything JSON can write), or `ask()`'s, which is then stored."""
        key = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
        if key not in self._replies:
            reply = ask()
            with self._lock:
                self._replies[key] = reply
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with self.path.open("ab") as file:
                    file.write((json.dumps({"key": key, "reply": reply}) + "\n").encode())
                    file.flush()
                    os.fsync(file.fileno())
        return self._replies[key]
