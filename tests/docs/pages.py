"""The documentation as the tests read it: pages, and the commands in them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "experiments" / "README.md",
    ROOT / "weights" / "mini" / "README.md",
]

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`((?:python (?:-m )?[\w./]|make |experiments/[a-z_0-9]+\.sh)[^`]*)`")
_COMMENT = re.compile(r"\s+#\s.*$")


def shown(page: Path) -> str:
    """Return the text of a page without its fenced blocks."""
    return _BLOCK.sub("", page.read_text(encoding="utf-8"))


def commands(page: Path) -> list[str]:
    """Return the command lines of a page: those in `sh` blocks, continued lines joined, and those in inline code.

    Inline code counts as a command where it begins with python, make or an experiment, and has no ellipsis.
    """
    text = page.read_text(encoding="utf-8")
    blocks = [content for language, content in _BLOCK.findall(text) if language == "sh"]
    lines = [_COMMENT.sub("", line).strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    inline = [found.replace("\n", " ") for found in _INLINE.findall(shown(page)) if "..." not in found]
    return list(dict.fromkeys(line for line in [*lines, *inline] if line and not line.startswith("# ")))
