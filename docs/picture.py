"""Write the import picture of `docs/architecture.md`, from the imports of the code itself: `make picture`."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import grimp

from vlit.common.files import write_text

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- docs/picture.py -->\n", "<!-- end -->\n"


def main() -> None:
    """Replace what is between the markers of the page."""
    page = PAGE.read_text(encoding="utf-8")
    write_text(PAGE, filled(page, picture(imports(), order())))
    print(f"wrote {PAGE.relative_to(ROOT)}")


def order() -> list[str]:
    """Return the packages in the order of the pipeline, as the import contract lists them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = next(one["layers"] for one in settings["tool"]["importlinter"]["contracts"] if one["type"] == "layers")
    return list(reversed(layers))


def imports() -> dict[str, set[str]]:
    """Return the packages that each package of `vlit` imports, lazy imports included."""
    graph = grimp.build_graph("vlit")
    found: dict[str, set[str]] = {}
    for module in graph.modules:
        for other in graph.find_modules_directly_imported_by(module):
            if "." in module and "." in other:
                found.setdefault(_package(module), set()).add(_package(other))
    return {package: others - {package} for package, others in found.items()}


def picture(imported: dict[str, set[str]], packages: list[str]) -> str:
    """Return a mermaid graph of the imports that follow from no others, and a table of all.

    Args:
        imported: by package, the packages it imports.
        packages: every package, in the order of the pipeline.
    """
    arrows = [
        f"    {package} --> {other}"
        for package in packages
        for other in packages
        if other in imported.get(package, ()) and not _through_another(package, other, imported)
    ]
    head = ["imports", *(f"`{other}`" for other in packages[:-1])]
    rows = [
        [f"**`{package}`**", *("x" if other in imported.get(package, ()) else "" for other in packages[:-1])]
        for package in packages
    ]
    table = [_row(head), "|---" + "|:-:" * (len(packages) - 1) + "|", *map(_row, rows)]
    return "\n".join(["```mermaid", "graph BT", *arrows, "```", "", *table, ""])


def filled(page: str, content: str) -> str:
    """Return a page with the content between its markers."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        sys.exit(f"error: {PAGE}: no lines {BEGIN.strip()} and {END.strip()}: put the markers back")
    return before + begin + content + end + after


def _package(module: str) -> str:
    return module.split(".")[1]


def _through_another(package: str, other: str, imported: dict[str, set[str]]) -> bool:
    """Return whether a package reaches another through a third that it imports."""
    waiting, seen = [one for one in imported.get(package, ()) if one != other], set[str]()
    while waiting:
        one = waiting.pop()
        if other in imported.get(one, ()):
            return True
        if one not in seen:
            seen.add(one)
            waiting += imported.get(one, ())
    return False


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |")


if __name__ == "__main__":
    main()
