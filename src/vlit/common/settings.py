"""Checks a composed configuration against the declared keys (`vlit.common.keys`), before any work.

Every leaf is looked up and converted strictly: no text for a number, no number for a switch, no NaN anywhere. All that
is wrong is said in one line. Nothing here imports torch.
"""

from __future__ import annotations

import difflib
import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Literal, NewType, get_args, get_origin

import msgspec
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError

from vlit.common.errors import InputError
from vlit.common.keys import COMMANDS, HYDRA, KEYS, Dotted, Nullable, Open, TextOrGroup, kind_of_path

Problem = NewType("Problem", str)  # "seed=abc: it is a whole number, 0 or more"
_OURS = ("vlit.", "torch.", "lightning.")  # packages whose `_target_`s have declared arguments
_MOST_SHOWN = 5  # wrong keys named
_LONGEST = 60  # characters of a value


def check(cfg: DictConfig, command: str) -> None:
    """Refuse a configuration in which a key is unknown, or a value is of the wrong type, out of range or not finite.

    Args:
        cfg: the composed configuration.
        command: name of the command's configuration in `conf/`; one that has no declared keys is not checked.

    Raises:
        InputError: naming every wrong key, its value and what it should be.
        OmegaConfBaseException: if an interpolation can't be resolved, or a value is missing (`???`).
    """
    if command not in COMMANDS:
        return
    found = list(_problems(cfg, "", command))
    # Of a value that other keys take over, only the key that has it is said to be wrong.
    own = {key: problem for key, problem in found if not _is_copied(cfg, key)} or dict(found)
    if own:
        more = f"; and {len(own) - _MOST_SHOWN} more" if len(own) > _MOST_SHOWN else ""
        raise InputError("; ".join(list(own.values())[:_MOST_SHOWN]) + more)


@cache
def declared(key: str, command: str) -> Any:
    """Return the type of a dotted key; `Open` below a node that takes any key, None if nothing reads it."""
    for table in _patterns(command):
        for pattern, kind in table:
            if pattern.fullmatch(key):
                return kind
    return None


@cache
def _patterns(command: str) -> tuple[list[tuple[re.Pattern[str], Any]], ...]:
    """Return Hydra's keys, the command's own and the shared ones as patterns, the more exact first."""
    tables = (HYDRA, COMMANDS.get(command, {}), KEYS)
    return tuple(
        [
            (_pattern(key), table[key])
            for key in sorted(table, key=lambda key: (key.endswith("**"), key.count("*"), -len(key)))
        ]
        for table in tables
    )


def _pattern(key: str) -> re.Pattern[str]:
    parts = re.escape(key).replace(r"\*\*", ".+").replace(r"\*", r"[^.]+")
    return re.compile(parts)


def _problems(node: Any, key: str, command: str) -> Iterator[tuple[str, Problem]]:
    """Yield what is wrong with a node, by its key."""
    kind = declared(key, command) if key else None
    if kind is Open and not isinstance(node, DictConfig):
        yield from _not_finite(node, key)
    elif kind is not None and not (kind in (Nullable, Open, TextOrGroup) and isinstance(node, DictConfig)):
        value = OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node
        if wrong := _wrong(value, kind):
            yield key, Problem(f"{key}={shown(value)}: {wrong}")
    elif isinstance(node, DictConfig) and _is_foreign(node.get("_target_")):
        yield from _not_finite(node, key)  # somebody's own class, with its own arguments
    elif isinstance(node, DictConfig):
        for name in node:
            with suppress(InterpolationResolutionError):  # of a group that this command does not have
                yield from _problems(node[name], f"{key}.{name!s}" if key else str(name), command)
    elif isinstance(node, ListConfig) and all(isinstance(item, DictConfig) for item in node):
        for number, item in enumerate(node):
            yield from _problems(item, f"{key}.{number}", command)
    else:
        yield key, Problem(_unread(key, node, command))


def _is_foreign(target: Any) -> bool:
    return isinstance(target, str) and _wrong(target, Dotted) is None and not target.startswith(_OURS)


def _unread(key: str, value: Any, command: str) -> str:
    own, shared = (COMMANDS.get(command, {}), KEYS)
    group = [name for name in (*own, *shared) if name.startswith(f"{key}.")]
    if group:
        some = ", ".join(dict.fromkeys(name.removeprefix(f"{key}.").split(".")[0] for name in group))
        return f"{key}={shown(value)}: it is a group of settings ({some}), not a value"
    close = difflib.get_close_matches(key, [name for name in (*own, *shared) if "*" not in name], 1)
    return f"{key}={shown(value)}: nothing reads this key{f', do you mean {close[0]}?' if close else ''}"


def _wrong(value: Any, kind: Any) -> str | None:
    """Return what a value should be, or None if it is that."""
    if not _finite(value):
        return "it is a finite number"
    try:
        msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError:
        if isinstance(value, int | float) and not isinstance(value, bool) and _accepts_text(kind):
            return f"it is {description(kind)}; quote a number that is a text twice, \"KEY='{value}'\""
        return f"it is {description(kind)}"
    wanted = kind_of_path(kind)
    return _wrong_path(Path(value), wanted) if wanted and isinstance(value, str) else None


def _wrong_path(path: Path, wanted: str) -> str | None:
    """Return what is wrong with an existing path; one that does not exist is left to what makes or needs it."""
    try:
        if not path.exists():
            return None
    except (OSError, ValueError) as error:
        return f"it is no path ({error})"
    if wanted == "file" and path.is_dir():
        return "it is a folder, and a file is needed"
    if wanted == "folder" and not path.is_dir():
        return "it is a file, and a folder is needed"
    return None if os.access(path, os.R_OK) else "it can't be read: change its permissions"


def _not_finite(node: Any, key: str) -> Iterator[tuple[str, Problem]]:
    value = OmegaConf.to_container(node, resolve=False) if OmegaConf.is_config(node) else node
    if not _finite(value):
        yield key, Problem(f"{key}={shown(value)}: it is a finite number")


def _finite(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(map(_finite, value.values()))
    if isinstance(value, list):
        return all(map(_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def description(kind: Any) -> str:
    """Return what values of a declared type are, in words."""
    for meta in getattr(kind, "__metadata__", ()):
        if meta.description:
            return str(meta.description)
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(str, get_args(kind)))}"
    if get_origin(kind) is list:
        return f"a list, each item {description(get_args(kind)[0])}"
    if get_origin(kind) is dict:
        return f"a group of settings, each {description(get_args(kind)[1])}"
    if arguments := get_args(kind):
        some = [description(one) for one in arguments if one is not type(None)]
        return " or ".join(some) + (" or null" if type(None) in arguments else "")
    return {Any: "anything", bool: "true or false", float: "a number", int: "a whole number", str: "a text"}[kind]


def _accepts_text(kind: Any) -> bool:
    arguments = getattr(kind, "__args__", ()) if get_origin(kind) is not Literal else ()
    origin = getattr(kind, "__origin__", None)
    return kind is str or origin is str or any(_accepts_text(one) for one in (*arguments, *get_args(origin)))


def shown(value: Any) -> str:
    """Return a value as it is written on the command line, cut to a readable length."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = str(value) or "''"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _is_copied(cfg: DictConfig, key: str) -> bool:
    """Return whether a key, or a node above it, takes its value from elsewhere in the configuration."""
    node: Any = cfg
    for name in key.split("."):
        place = int(name) if OmegaConf.is_list(node) else name
        if OmegaConf.is_interpolation(node, place):
            return True
        node = node[place]
    return False
