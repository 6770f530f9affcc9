"""A finished table, and how it is written: CSV for programs, Markdown, LaTeX (booktabs) and HTML for readers."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from math import isnan
from pathlib import Path

from vlit.common.files import write_text

EMPTY = "–"  # a cell with no number; CSV keeps it empty
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


def write_table(table: Table, folder: Path) -> list[Path]:
    """Write `NAME.csv`, `.md` and `.tex`, and return their paths."""
    renderers: dict[str, Callable[[Table], str]] = {"csv": as_csv, "md": as_markdown, "tex": as_latex}
    paths = []
    for ending, render in renderers.items():
        path = folder / f"{table.name}.{ending}"
        write_text(path, render(table))
        paths.append(path)
    return paths


def as_csv(table: Table) -> str:
    """Comma-separated values at full precision, without marks."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.exact_header or table.header)
    writer.writerows(table.exact or table.rows)
    return text.getvalue()


def as_markdown(table: Table) -> str:
    """A GitHub-flavoured table under its caption."""
    lines = [f"**{table.title}**", "", _line(table.header), _line(["---"] * len(table.header))]
    for number, row in enumerate(table.rows):
        cells = [cell.replace("|", "\\|").replace("*", "\\*") or EMPTY for cell in row]
        lines.append(_line([f"**{c}**" if (number, place) in table.bold else c for place, c in enumerate(cells)]))
    lines += ["", *(f"- {note}" for note in table.notes)]
    return "\n".join(lines).rstrip() + "\n"


def as_latex(table: Table) -> str:
    r"""A `table` float that needs `booktabs` and `graphicx`; wide tables are scaled to the line."""
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


def as_html(table: Table) -> str:
    """An HTML `figure` with caption, table and notes."""
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in table.header)
    body = []
    for number, row in enumerate(table.rows):
        cells = []
        for place, cell in enumerate(row):
            text = html.escape(cell) or EMPTY
            cells.append(f"<td>{f'<b>{text}</b>' if (number, place) in table.bold else text}</td>")
        body.append(f"<tr{' class=rule' if number in table.blocks else ''}>{''.join(cells)}</tr>")
    notes = "".join(f"<p class=note>{html.escape(note)}</p>" for note in table.notes)
    return (
        f'<figure id="{table.name}"><figcaption>{html.escape(table.title)}</figcaption><div class=scroll><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>{notes}</figure>"
    )


def latex_escape(text: str) -> str:
    """Text with LaTeX's special characters written so that they print; any other non-ASCII character becomes `?`."""
    return "".join(_LATEX.get(letter, letter if ord(letter) < 256 else "?") for letter in text)


def number(value: float | None, decimals: int) -> str:
    """A rounded number, or an empty string for a missing one; a minus zero loses its sign."""
    if value is None or isnan(value):
        return ""
    text = f"{value:.{decimals}f}"
    return text[1:] if text.startswith("-") and not float(text) else text


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
