"""What is written: tables in three formats, the page, and the command itself."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from PIL import Image

from vlit.analysis.report import Page, report_html
from vlit.analysis.table import Table, as_csv, as_latex, as_markdown, format_number
from vlit.analysis.tables.conversations import ConversationExample, choose_examples
from vlit.common.errors import InputError

REPOSITORY = Path(__file__).parents[2]
NASTY = Table(
    "table03",
    "50% of R&D_x",
    ["a_b", "c|d"],
    [["1 ± 2 {x}", "<b> & \\ ~ ^ # $"], ["", "→ ✓?"]],
    {(0, 0)},
    {1},
    ["see ρ"],
)


def page_of(*tables: Table, examples: list[ConversationExample] | None = None) -> str:
    return report_html(Page("published", list(tables), {}, examples or [], [], None))


def run(*overrides: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "tables.py", *overrides]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("output")
    done = run("source=published", f"output={folder}")
    assert done.returncode == 0, done.stderr
    return folder


def test_csv_keeps_cells_as_they_are() -> None:
    assert list(csv.reader(io.StringIO(as_csv(NASTY)))) == [NASTY.header, *NASTY.rows]


def test_markdown_escapes() -> None:
    text = as_markdown(NASTY)
    assert "| **1 ± 2 {x}** |" in text
    assert "c|d" not in text.splitlines()[3]
    assert text.count("–") == 1  # the empty cell


def test_html_escapes_and_shows_bold_cells_rules_and_notes() -> None:
    (row,) = re.findall(r'<figure id="table03">.*</figure>', page_of(NASTY))
    assert row == (
        '<figure id="table03"><figcaption>50% of R&amp;D_x</figcaption><div class=scroll><table><thead><tr><th>a_b</th>'
        "<th>c|d</th></tr></thead><tbody><tr><td><b>1 ± 2 {x}</b></td><td>&lt;b&gt; &amp; \\ ~ ^ # $</td></tr>"
        "<tr class=rule><td>–</td><td>→ ✓?</td></tr></tbody></table></div><p class=note>see ρ</p></figure>"
    )


def test_a_long_table_is_folded() -> None:
    page = page_of(dataclasses.replace(NASTY, name="table01"))
    assert '<details><summary>50% of R&amp;D_x (2 rows)</summary><figure id="table01">' in page


def test_latex_escapes() -> None:
    text = as_latex(NASTY)
    assert r"50\% of R\&D\_x" in text
    assert r"\textbf{1 $\pm$ 2 \{x\}}" in text
    assert text.count(r"\midrule") == 2


@pytest.mark.parametrize(
    ("value", "decimals", "text"), [(-0.0004, 2, "0.00"), (float("nan"), 1, ""), (None, 1, ""), (1.25, 2, "1.25")]
)
def test_numbers(value: float | None, decimals: int, text: str) -> None:
    assert format_number(value, decimals) == text


def test_the_command_writes_everything(output: Path) -> None:
    names = {path.name for path in (output / "tables").iterdir()}
    wanted = [
        "table01",
        "table02",
        "table03",
        "table04",
        "table05",
        "table06",
        "table07",
        "table08",
        "table15",
        "table15_extended",
    ]
    assert {f"{name}.{ending}" for name in wanted for ending in ("csv", "md")} <= names
    survey = {"table01", "table02", "table05"}  # of the survey, no LaTeX: catalogues of 50 rows and more
    assert {name.removesuffix(".tex") for name in names if name.endswith(".tex")} & set(wanted) == set(wanted) - survey
    figures = {path.name for path in (output / "figures").iterdir()}
    assert {f"{name}.{ending}" for name in ("fig02", "fig05") for ending in ("svg", "png", "pdf")} <= figures
    assert json.loads((output / "audit.json").read_text())["summary"]["icc"] == {"exact": 6, "differs": 2}
    assert (output / "audit.md").read_text().startswith("# Audit")


def test_table_3_comes_back_as_published(output: Path, published_folder: Path) -> None:
    with (output / "tables" / "table03.csv").open() as ours, (published_folder / "table03.csv").open() as paper:
        for written, printed in zip(csv.DictReader(ours), csv.DictReader(paper), strict=True):
            assert {name: float(written[name]) for name in printed if name not in ("model", "data")} == {
                name: float(value) for name, value in printed.items() if name not in ("model", "data")
            }


def test_empty_cells_of_table_4_stay_empty(output: Path) -> None:
    with (output / "tables" / "table04.csv").open() as handle:
        rows = {row["data"]: row for row in csv.DictReader(handle)}
    assert [rows[data][key] for data in ("LLaVA", "MIMIC-IT") for key in ("R", "OG")] == [""] * 4


def test_the_page_needs_nothing_from_outside(output: Path) -> None:
    page = (output / "report.html").read_text()
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    assert page.count("<svg") == 0  # inside data URIs
    assert page.count("data:image/svg+xml") == 3


def test_no_torch_is_imported() -> None:
    code = "import sys; import vlit.analysis.build; sys.exit('torch' in sys.modules or 'lightning' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("source=paper", "one of published, runs"),
        ("icc=best", "one of one-way random"),
        ("paper=nowhere", "no file"),
        ("colour=red", "colour"),
    ],
)
def test_bad_settings_are_one_line(override: str, message: str) -> None:
    done = run(override)
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_runs_to_tables(make_run: Callable[..., Path], make_quality: Callable[..., Path], tmp_path: Path) -> None:
    for place, data in enumerate(("llava", "ours", "ours_qc")):  # a dataset is missing, and a seed
        make_quality(data, MD=30.0 + place)
        for seed in (0, 1) if data != "ours" else (0,):
            make_run("llava", data, seed)
    folder = tmp_path / "out"
    done = run("source=runs", f"runs={tmp_path / 'runs'}", f"indicators={tmp_path / 'quality'}", f"output={folder}")
    assert done.returncode == 0, done.stderr
    assert "Missing cells of the design: LLaVA, Ours, seed 1." in done.stdout
    assert (folder / "report.html").is_file()
    assert (folder / "tables" / "mixed_effects.csv").is_file()


def test_conversations_become_tables_with_their_images(tmp_path: Path) -> None:
    turns = [{"User": f"Question {i}?", "AI": "Yes & no."} for i in range(2)]
    for kind, image in (("global", 7), ("region", "r.png")):
        annotations = [{"img_ids": [image], "instruction_type": kind, "conversations": turns}] * 3
        (tmp_path / f"{kind}.json").write_text(json.dumps({"image_source": "COCO2014", "annotations": annotations}))
    Image.new("RGB", (8, 8), "red").save(tmp_path / "COCO_train2014_000000000007.jpg")
    found = choose_examples(tmp_path, tmp_path)
    assert [example.table.name for example in found] == ["table09", "table10", "table13", "table14"]
    assert found[0].table.rows[:2] == [["User", "Question 0?"], ["AI Assistant", "Yes & no."]]
    shown = page_of(examples=found)
    assert shown.count("data:image/jpeg") == 2  # the image as a whole; that of the region isn't there
    assert "<dt>AI Assistant</dt><dd>Yes &amp; no.</dd>" in shown
    assert "not found" in found[2].table.notes[0]
    with pytest.raises(InputError, match="no conversations"):
        choose_examples(tmp_path / "none", None)


def test_region_images_are_read_from_their_archive(tmp_path: Path) -> None:
    turns = [{"User": "What is marked?", "AI": "A cup."}]
    annotations = [
        {"img_ids": [name], "instruction_type": "region", "conversations": turns} for name in ("a.jpg", "b.jpg")
    ]
    (tmp_path / "region.json").write_text(json.dumps({"annotations": annotations}))
    Image.new("RGB", (8, 8), "blue").save(tmp_path / "a.jpg")
    with zipfile.ZipFile(tmp_path / "region_images.zip", "w") as archive:
        archive.write(tmp_path / "a.jpg", "region_images/a.jpg")
        archive.writestr("region_images/b.jpg", b"not a picture")
    (tmp_path / "a.jpg").unlink()
    pages = {example.table.notes[0]: page_of(examples=[example]) for example in choose_examples(tmp_path, None)}
    assert "data:image/jpeg" in pages["Image: a.jpg."]
    assert "cannot be read" in pages["Image: b.jpg."]


@pytest.mark.parametrize("name", ["published_tables", "study", "your_own_runs"])
def test_notebooks_run(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY / "src"))  # a kernel starts in notebooks/
    notebook = nbformat.read(REPOSITORY / "notebooks" / f"{name}.ipynb", as_version=4)
    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(REPOSITORY / "notebooks")}}).execute()


@pytest.mark.slow
def test_published_tables_take_less_than_twenty_seconds(tmp_path: Path) -> None:
    if os.getloadavg()[0] > (os.cpu_count() or 1):
        pytest.skip("the machine is busy with other work: its time says nothing")
    start = time.monotonic()
    assert run("source=published", f"output={tmp_path}").returncode == 0
    assert time.monotonic() - start < 20


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="no pdflatex on this machine: install texlive-latex-recommended"
)
def test_latex_compiles(output: Path, tmp_path: Path) -> None:
    tables = sorted((output / "tables").glob("*.tex"))
    body = "\n\\clearpage\n".join(path.read_text() for path in tables) + as_latex(NASTY)
    packages = "\\usepackage[T1]{fontenc}\\usepackage{booktabs,graphicx}"
    (tmp_path / "all.tex").write_text(
        f"\\documentclass{{article}}{packages}\\begin{{document}}\n{body}\n\\end{{document}}\n"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240, errors="replace"
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "all.pdf").stat().st_size > 10_000


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium on this machine")
def test_the_page_shows_in_a_browser(output: Path, tmp_path: Path) -> None:
    quiet = [
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-quic",
    ]
    command = [
        "chromium",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        *quiet,
        f"--user-data-dir={tmp_path / 'profile'}",
    ]
    picture = tmp_path / "page.png"
    command += ["--window-size=1280,3000", f"--screenshot={picture}", (output / "report.html").as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=180)
    with Image.open(picture) as shot:
        colours = shot.convert("L").getcolors()
    assert colours is not None
    assert max(colours)[1] > 240  # a light page,
    assert sum(count for count, shade in colours if shade < 120) > 5000  # with something on it
