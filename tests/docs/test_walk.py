"""Names of functions in the documentation exist, and the walks of the data are short."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT

NAME = re.compile(r"`(vlit(?:\.\w+)+)`")
WALKS = ("image", "sample", "reply", "statistic", "prediction")


def imported(name: str) -> object:
    """Return what a dotted name means: a module, or something in one.

    Raises:
        LookupError: if there is no such thing.
    """
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError as error:
            if not name.startswith(str(error.name)):
                raise
            continue
        for part in parts[length:]:
            if not hasattr(found, part):
                raise LookupError(f"{name}: no {part}")
            found = getattr(found, part)
        return found
    raise LookupError(name)


def walks() -> dict[str, list[str]]:
    """Return the dotted names of each walk of `docs/architecture.md`, step by step."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition("## The walk of the data")[2]
    parts = re.split(r"^\*\*An? (\w+)\*\*", text, flags=re.MULTILINE)[1:]
    return {
        name: re.findall(r"^\d+\. `(vlit[\w.]+)`", content, re.MULTILINE)
        for name, content in zip(parts[::2], parts[1::2], strict=True)
    }


def test_every_walk_leads_from_a_file_to_a_table_in_at_most_eight_functions() -> None:
    found = walks()
    assert tuple(found) == WALKS
    for name, steps in found.items():
        assert 3 <= len(steps) <= 8, name
        assert all(callable(imported(step)) for step in steps), name
        assert imported(steps[-1]).__module__.startswith("vlit.analysis."), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_name_of_the_package_on_a_page_can_be_imported(page: Path) -> None:
    for name in sorted(set(NAME.findall(page.read_text(encoding="utf-8")))):
        imported(name)


@pytest.mark.parametrize("name", ["vlit.nothing", "vlit.data.sample.Nothing", "vlit.data.sample.Sample.nothing"])
def test_a_wrong_name_is_found(name: str) -> None:
    with pytest.raises(LookupError):
        imported(name)
