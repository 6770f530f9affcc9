"""The pages themselves: a short README, links that resolve, a picture that is up to date, plain words."""

from __future__ import annotations

import re
import subprocess
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, shown

LINK = re.compile(r"\]\(([^)\s]+)\)")
MARKDOWN = sorted(
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()
    if (ROOT / name).is_file()
)  # fmt: skip
# What no page is to contain: words of the place the work is done in, and idioms that the field does not use.
FOREIGN = re.compile(
    r"\b(issue \d+|issues \d+|session \d+|helper session|worktrees?|/work/|/tmp/|wt-\w+"
    r"|anew|beside|go_on|theirs to take|speaks of|goes with it|the \w+ room|rooms?)\b"
)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_the_readme_is_read_in_five_minutes() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_resolve(page: Path) -> None:
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link) or link.startswith("#"):
            continue
        target, _, anchor = link.partition("#")
        found = page.parent / target
        assert found.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in anchors(found), f"{page.name}: {link}"


def test_every_page_of_the_documentation_is_linked_from_the_readme() -> None:
    linked = set(LINK.findall((ROOT / "README.md").read_text(encoding="utf-8")))
    assert {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} <= linked


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda page: page.name)
def test_pages_are_in_plain_words(page: Path) -> None:
    found = FOREIGN.search(re.sub(r"`[^`]*`", "", shown(page)))
    assert found is None, f"{page.name}: {found and found[0]}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"`((?:conf|docs|experiments|notebooks|paper|slurm|src|tests|weights)/[\w./-]*\w)`", text):
        given = "NAME" in name or name == "weights/paper"  # a name to choose; a folder that users fill
        assert given or (ROOT / name).exists(), f"{page.name}: {name}"


def test_the_import_picture_is_that_of_the_code() -> None:
    spec = spec_from_file_location("picture", ROOT / "docs" / "picture.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawn = module.picture(module.imports(), module.order())
    assert module.filled(page, drawn) == page, "run `make picture`"
    assert "common --> " not in drawn  # the lowest package imports none


def test_the_picture_leaves_out_what_follows() -> None:
    spec = spec_from_file_location("picture", ROOT / "docs" / "picture.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    drawn = module.picture({"c": {"a", "b"}, "b": {"a"}}, ["a", "b", "c"])
    assert "c --> b" in drawn and "b --> a" in drawn and "c --> a" not in drawn
    assert "| **`c`** | x | x |" in drawn
