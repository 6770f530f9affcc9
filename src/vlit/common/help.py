"""`--help` of a command: what it does, every group with its choices and a line each, and its configuration.

Hydra's own answer composes every choice first, which takes seconds. `--cfg job` still shows the whole configuration.
"""

from __future__ import annotations

import itertools
import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

WIDTH = 120  # characters of a line


def command_help(about: str, configurations: Path, config_name: str) -> str:
    """Return the text of `--help`.

    Args:
        about: docstring of the command's file.
        configurations: the `conf` folder.
        config_name: name of the command's configuration in it, without suffix.
    """
    main = (configurations / f"{config_name}.yaml").read_text(encoding="utf-8")
    chosen = groups(configurations, config_name)
    listed = [line for folder, default in chosen.items() for line in _listing(folder, default)]
    parts = [
        about.strip(),
        "Choices (group=name; * is the default):\n" + "\n".join(listed) if listed else "",
        f"Configuration (key=value changes it; conf/{config_name}.yaml):\n{main.strip()}",
        "`--cfg job` shows all of it with every choice made, `--hydra-help` Hydra's own options.",
    ]
    return "\n\n".join(part for part in parts if part)


def groups(configurations: Path, config_name: str) -> dict[Path, str | None]:
    """Return the groups a command chooses from, each with the name of its default choice, in the order of its file.

    A group that another choice selects (`tuning: ${scale}/${model}`) is left out: it is no choice of the user's.
    """
    found: dict[Path, str | None] = {}
    for group, chosen in _defaults(configurations / f"{config_name}.yaml"):
        folder = configurations / group
        if folder.is_dir() and folder not in found and "${" not in str(chosen or ""):
            found[folder] = chosen
        elif folder.is_dir() and "/" not in str(chosen):
            found.setdefault(folder, None)  # the default follows another choice, but can be overridden
    return found


def _defaults(file: Path) -> Iterator[tuple[str, str | None]]:
    content: Any = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    for entry in content.get("defaults", []):
        if isinstance(entry, Mapping):
            for key, chosen in entry.items():
                group = str(key).removeprefix("optional ").removeprefix("override ").partition("@")[0].strip("/ ")
                if group and not str(key).startswith("override"):
                    yield group, chosen


def _listing(folder: Path, chosen: str | None) -> Iterator[str]:
    yield f"  {folder.name}"
    for file in sorted(folder.glob("*.yaml")):
        mark = "*" if file.stem == chosen else " "
        yield f"    {mark} {file.stem:<22} {textwrap.shorten(_first_sentence(file), WIDTH - 29, placeholder=' ...')}"


def _first_sentence(file: Path) -> str:
    """Return the first sentence of the comment a file begins with."""
    lines = file.read_text(encoding="utf-8").splitlines()
    comment = itertools.takewhile(lambda line: line.startswith("#"), lines)
    text = " ".join(line.removeprefix("#").strip() for line in comment if not line.startswith("# @package"))
    return re.split(r"(?<=[.!?])\s", text, maxsplit=1)[0]
