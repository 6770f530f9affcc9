"""Finished tables and figures, and how they are written: CSV, Markdown, LaTeX (booktabs); SVG, PNG, PDF."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import isnan
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from vlit.common.files import whole, write_text

EMPTY = "–"  # a cell with no number; CSV keeps it empty
ENDINGS = ("svg", "png", "pdf")
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "svg.hashsalt": "vlit",
    "svg.fonttype": "path",
    "axes.grid": False,
    "text.parse_math": False,  # a dollar in a dataset's name is a dollar
}
_DATES: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}
_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "–": "--",
    "—": "---",
    "±": r"$\pm$",
    "×": r"$\times$",
    "→": r"$\rightarrow$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "−": "$-$",
    "³": r"\textsuperscript{3}",
    "✓": "yes",
    "✗": "no",
    "ρ": r"$\rho$",
    "’": "'",
    "…": r"\ldots{}",
}


@dataclass(frozen=True)
class Table:
    """A table of text cells.

    Attributes:
        name: file name without ending, as `table03`.
        title: caption, in one sentence.
        header: column names.
        rows: cells as shown; an empty string means no value.
        bold: (row, column) places shown bold.
        blocks: rows before which a rule is drawn.
        notes: sentences shown under the table: sources, reasons for empty cells.
        exact: rows for CSV at full precision; `rows` if empty.
        exact_header: its column names; `header` if empty.
        latex: whether it is also written as LaTeX.
    """

    name: str
    title: str
    header: list[str]
    rows: list[list[str]]
    bold: set[tuple[int, int]] = field(default_factory=set)
    blocks: set[int] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    exact: list[list[str]] = field(default_factory=list)
    exact_header: list[str] = field(default_factory=list)
    latex: bool = True


def write_table(table: Table, folder: Path) -> list[Path]:
    """Write `NAME.csv`, `NAME.md` and, if it is wanted, `NAME.tex`; return their paths."""
    renderers: dict[str, Callable[[Table], str]] = {"csv": as_csv, "md": as_markdown}
    if table.latex:
        renderers["tex"] = as_latex
    paths = []
    for ending, render in renderers.items():
        path = folder / f"{table.name}.{ending}"
        write_text(path, render(table))
        paths.append(path)
    return paths


def write_figure(figure: Figure, name: str, folder: Path) -> list[Path]:
    """Write `NAME.svg`, `.png`, `.pdf` without dates, so that equal figures are equal files; return their paths."""
    paths = []
    for ending in ENDINGS:
        path = folder / f"{name}.{ending}"
        with whole(path) as temporary, mpl.rc_context(STYLE):
            figure.savefig(temporary, format=ending, dpi=160, metadata=_DATES[ending])
        paths.append(path)
    plt.close(figure)
    return paths


def as_csv(table: Table) -> str:
    """Return comma-separated values at full precision, without marks."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(_inert, table.exact_header or table.header))
    writer.writerows(map(_inert, row) for row in table.exact or table.rows)
    return text.getvalue()


def _inert(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula: one that begins like it, and is no number, is quoted."""
    if not cell.startswith(("=", "+", "-", "@", "\t", "\r")):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def as_markdown(table: Table) -> str:
    """Return a GitHub-flavoured table under its caption."""
    lines = [
        f"**{table.title}**",
        "",
        _line([" ".join(name.splitlines()) for name in table.header]),
        _line(["---"] * len(table.header)),
    ]
    for number, row in enumerate(table.rows):
        cells = [_markdown_escape(cell) or EMPTY for cell in row]
        lines.append(_line([f"**{c}**" if (number, place) in table.bold else c for place, c in enumerate(cells)]))
    lines += ["", *(f"- {note}" for note in table.notes)]
    return "\n".join(lines).rstrip() + "\n"


def _markdown_escape(cell: str) -> str:
    """Return a cell as text on one line: no column, no emphasis, no HTML."""
    text = " ".join(cell.splitlines()).replace("|", "\\|").replace("*", "\\*")
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", text)


def as_latex(table: Table) -> str:
    r"""Return a `table` float that needs `booktabs` and `graphicx`; wide tables are scaled to the line."""
    lines = [
        r"\begin{table}[t]",
        r"\centering",
        rf"\caption{{{latex_escape(table.title)}}}",
        rf"\label{{tab:{table.name}}}",
    ]
    lines += [r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"]
    lines += [rf"\begin{{tabular}}{{{'l' * len(table.header)}}}", r"\toprule"]
    lines += [" & ".join(latex_escape(cell) for cell in table.header) + r" \\", r"\midrule"]
    for number, row in enumerate(table.rows):
        if number in table.blocks:
            lines.append(r"\midrule")
        cells = [latex_escape(cell or EMPTY) for cell in row]
        cells = [rf"\textbf{{{c}}}" if (number, place) in table.bold else c for place, c in enumerate(cells)]
        lines.append(" & ".join(cells) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}}"]
    if table.notes:
        lines += [r"\par\smallskip{\footnotesize " + latex_escape(" ".join(table.notes)) + "}"]
    return "\n".join([*lines, r"\end{table}", ""])


def latex_escape(text: str) -> str:
    """Return text with LaTeX's special characters made printable; any other non-Latin-1 character becomes `?`."""
    return "".join(_LATEX.get(letter, letter if ord(letter) < 256 else "?") for letter in text)


def format_number(value: float | None, decimals: int) -> str:
    """Return a rounded number, or an empty string for a missing one; a minus zero loses its sign."""
    if value is None or isnan(value):
        return ""
    text = f"{value:.{decimals}f}"
    return text[1:] if text.startswith("-") and not float(text) else text


def exact_number(value: float) -> str:
    """Return a number with all its digits, or an empty string for a missing one."""
    return "" if isnan(value) else repr(float(value))


def exact_cells(row: Iterable[object]) -> list[str]:
    """Return a row's cells for CSV: floats with all their digits, anything else as text."""
    return [exact_number(value) if isinstance(value, float) else str(value) for value in row]


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
