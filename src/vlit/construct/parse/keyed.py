"""Well-formed JSON with repeated keys, in the shapes that language models give it."""

from __future__ import annotations

import json
import re
from typing import Any

Said = tuple[str, str]  # role, "User" or "AI", and what it says
NAMES = {"User": ("user", "human", "question", "q"), "AI": ("ai", "assistant", "gpt", "chatgpt", "bot", "answer", "a")}
ROLE_OF = {name: role for role, names in NAMES.items() for name in names}
DECODER = json.JSONDecoder(object_pairs_hook=list)
BETWEEN = re.compile(r"[\s,;]*")
FENCED = re.compile(r"\A\s*```[a-zA-Z]*\n(.*?)\n?```\s*\Z", re.DOTALL)
ROLE_KEYS = {"role", "from", "speaker"}
TEXT_KEYS = {"content", "value", "text"}


class _OtherError(Exception):
    """The JSON is not a conversation."""


def read_keyed(text: str) -> list[Said] | None:
    """Return who says what, in order, if the whole text is JSON and a conversation; otherwise None.

    Read are one object with repeated keys, a list of such objects, several of them one after another, any of these
    under another key, as a string in JSON, or in a code fence, and messages with a role and a content.
    """
    fenced = FENCED.match(text)
    text = (fenced[1] if fenced else text).strip()
    said: list[Said] = []
    position = 0
    try:
        while position < len(text):
            value, position = DECODER.raw_decode(text, position)
            said += _said(value)
            position = BETWEEN.match(text, position).end()  # type: ignore[union-attr]  # it matches nothing, too
    except (ValueError, RecursionError, _OtherError):
        return None
    return said or None


def role_of(name: object) -> str | None:
    """The role a key stands for: "User 2", "assistant" ..."""
    return ROLE_OF.get(name.strip().lower().rstrip("0123456789").rstrip(" _-#")) if isinstance(name, str) else None


def _said(value: Any) -> list[Said]:
    if isinstance(value, str):
        inner = read_keyed(value)
        if inner is None:
            raise _OtherError
        return inner
    if not isinstance(value, list) or not value:
        raise _OtherError
    if not all(isinstance(item, tuple) for item in value):  # a list of objects, not an object
        return [said for item in value for said in _said(item)]
    keys = {key.lower() for key, _ in value}
    if keys & ROLE_KEYS and keys & TEXT_KEYS:
        return _message({key.lower(): content for key, content in value})
    if len(value) == 1 and role_of(value[0][0]) is None:
        return _said(value[0][1])
    return [_spoken(role_of(key), content) for key, content in value]


def _message(message: dict[str, Any]) -> list[Said]:
    role = next(message[key] for key in message if key in ROLE_KEYS)
    return [_spoken(role_of(role), next(message[key] for key in message if key in TEXT_KEYS))]


def _spoken(role: str | None, content: object) -> Said:
    if role is None or isinstance(content, list):
        raise _OtherError
    return role, content if isinstance(content, str) else json.dumps(content) if content is not None else ""
