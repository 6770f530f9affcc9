"""`experiments/readme.py` fills the tables of README.md and docs/ from committed results."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments import readme
from vlit.common.errors import InputError

BEGIN, END = "<!-- experiments/readme.py: {} -->\n", "<!-- end -->\n"


def test_every_table_is_filled_from_the_committed_results() -> None:
    page = "".join(f"# {name}\n\n{BEGIN.format(name)}old\n{END}\n" for name in readme.TABLES)
    filled, names = readme.fill(page, "page.md")
    assert names == list(readme.TABLES)
    assert "old\n" not in filled
    assert readme.fill(filled, "page.md") == (filled, names)
    for name in set(names) - {"time"}:
        table = filled.partition(BEGIN.format(name))[2].partition(END)[0].splitlines()
        assert len(table) > 3
        assert len({line.count("|") for line in table}) == 1, name
    assert filled.startswith("# main job\n\n<!-- experiments/readme.py: main job -->\n| | Overall | SU |")
    assert "| OpenFlamingo |" in filled


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BEGIN.format("weather") + END, "no table 'weather': choose from main job"),
        (BEGIN.format("grid") + "| a |\n", "'grid' has no end"),
        (BEGIN.format("grid") + BEGIN.format("noise") + END, "'grid' has no end"),
    ],
)
def test_a_broken_marker_is_named(text: str, message: str) -> None:
    with pytest.raises(InputError, match=f"page.md: .*{message}"):
        readme.fill(text, "page.md")


def test_pages_with_markers_are_written_and_others_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docs").mkdir()
    pages = {"README.md": "no table\n", "docs/study.md": BEGIN.format("noise") + END, "docs/other.md": "none either\n"}
    for name, text in pages.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(readme, "ROOT", tmp_path)
    readme.main()
    assert "| by seed |" in (tmp_path / "docs/study.md").read_text()
    assert [(tmp_path / name).read_text() for name in ("README.md", "docs/other.md")] == ["no table\n", "none either\n"]


def test_the_pages_have_the_tables_of_the_committed_results() -> None:
    for page in (readme.ROOT / "README.md", *(readme.ROOT / "docs").glob("*.md")):
        text = page.read_text(encoding="utf-8")
        assert readme.fill(text, page.name)[0] == text
