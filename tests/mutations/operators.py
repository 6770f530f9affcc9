"""What can happen to a file on its way: keys lost, values of another type, rows twice, other encodings, cuts."""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Callable
from random import Random
from typing import Any

ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 3.5, 10**40, float("nan"), float("inf"), "", " ", "\u200b", "abc", "\ud800", "\0",
    "<image>",
    "</s>", "../x", "/etc/passwd", "a" * 3000, [], {}, [[]], [None], ["a", 1], {"a": 1}, [{"from": "human"}],
)  # fmt: skip


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value inside a JSON value."""
    found = [at] if at else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in items:
        found += places(item, (*at, name))
    return found


def mutated(value: Any, rng: Random, times: int) -> Any:
    """Return a copy of a JSON value with `times` changes."""
    value = copy.deepcopy(value)
    for _ in range(times):
        paths = places(value)
        if not paths:
            return rng.choice(ODD)
        *above, last = rng.choice(paths)
        parent = value
        for name in above:
            parent = parent[name]
        rng.choice(_CHANGES)(parent, last, rng)
    return value


def _delete(parent: Any, last: Any, rng: Random) -> None:
    del parent[last]


def _retype(parent: Any, last: Any, rng: Random) -> None:
    parent[last] = copy.deepcopy(rng.choice(ODD))


def _nest(parent: Any, last: Any, rng: Random) -> None:
    parent[last] = [parent[last]] if rng.random() < 0.5 else {"value": parent[last]}


def _duplicate(parent: Any, last: Any, rng: Random) -> None:
    if isinstance(parent, list):
        parent.insert(rng.randrange(len(parent) + 1), copy.deepcopy(parent[last]))
    else:
        parent[f"{last}_2"] = copy.deepcopy(parent[last])


def _rename(parent: Any, last: Any, rng: Random) -> None:
    if isinstance(parent, dict):
        parent[rng.choice((str(last).upper(), f"{last}s", "video", ""))] = parent.pop(last)
    else:
        rng.shuffle(parent)


def _stringify(parent: Any, last: Any, rng: Random) -> None:
    value = parent[last]
    parent[last] = value + rng.choice("\x00é\u2028") if isinstance(value, str) else json.dumps(value)


_CHANGES: tuple[Callable[[Any, Any, Random], None], ...] = (_delete, _retype, _nest, _duplicate, _rename, _stringify)


def encoded(value: Any, rng: Random) -> bytes:
    """Return a JSON value as a file somebody could have: mostly UTF-8, at times another encoding or damaged."""
    indent = rng.choice((None, None, 1))
    text = json.dumps(value, indent=indent, ensure_ascii=rng.random() < 0.8)
    data = text.encode("utf-8", "surrogatepass")
    at = rng.randrange(len(data))
    ways = {
        0: lambda: b"\xef\xbb\xbf" + data,
        1: lambda: text.encode("utf-16", "surrogatepass"),
        2: lambda: text.replace("e", "é").encode("latin-1", "replace"),
        3: lambda: gzip.compress(data, mtime=0),
        4: lambda: "\r\n".join(map(json.dumps, value)).encode() if isinstance(value, list) else data,
        5: lambda: data[:at],
        6: lambda: data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :],
        7: lambda: _repeated_key(data, rng),
        8: lambda: data.replace(b"\n", b"\r\n"),
        9: lambda: b"[" * 5000 + data + b"]" * 5000,
    }
    return ways.get(rng.randrange(16), lambda: data)()


def _repeated_key(data: bytes, rng: Random) -> bytes:
    """Return the text with the first member of an object twice."""
    starts = [place for place in range(len(data)) if data[place : place + 2] == b'{"']
    if not starts:
        return data
    at = rng.choice(starts) + 1
    key = data[at : data.index(b'"', at + 1) + 1]
    return data[:at] + key + b": 1, " + data[at:]
