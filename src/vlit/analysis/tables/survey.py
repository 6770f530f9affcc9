"""The survey as data: Tables 1, 2 and 5 (models, datasets, tasks), queries over them, and the tree of Figure 2.

Rows were transcribed from the paper's text, where extraction garbled some cells. Such a cell is named in `uncertain`;
its reading is a guess or empty, and `raw` keeps the line as extracted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from vlit.analysis.published import read_rows
from vlit.analysis.table import STYLE, Table
from vlit.common.errors import InputError

Row = dict[str, str]
_CONSTRUCTION = {"AA": "Annotation adaption", "SI": "Self-instruct", "AA+SI": "Data mixing"}
_SHOWN = {"yes": "✓", "no": "✗"}
_TABLE_1 = {
    "name": "Name",
    "citation": "Reference",
    "training_paradigm": "Training paradigm",
    "pure_text": "Pure text",
    "data_source": "Data source",
    "self_construction": "Self-construction",
    "url_model": "Model URL",
    "url_data": "Data URL",
}
_TABLE_2 = {
    "name": "Name",
    "citation": "Reference",
    "model": "Model",
    "type": "Type",
    "global": "G",
    "regional": "R",
    "interleaved": "I",
    "images": "#Images",
    "video": "Video",
    "videos": "#Videos",
    "pairs": "#I-R",
}
_TABLE_5 = {"name": "Name", "citation": "Reference", "tasks": "Vision-language tasks"}
_COLUMN, _LINE = 2.3, 0.16  # inches per level of the tree, and per line of text
_LEAVES_A_LINE = 5


@dataclass(frozen=True)
class Survey:
    """The catalogue: MLLMs (Table 1), datasets (Table 2), tasks (Table 5), and the domains named in section 3.2.2."""

    models: list[Row]
    datasets: list[Row]
    tasks: list[Row]
    domains: list[Row]


@dataclass(frozen=True)
class Node:
    """A branch or leaf of Figure 2."""

    label: str
    children: list[Node] = field(default_factory=list)


def read_survey(folder: Path) -> Survey:
    """Read `table01.csv`, `table02.csv`, `table05.csv`, `fig02_domains.csv`.

    Raises:
        InputError: a file or column is absent.
    """
    needed = ("name", "uncertain", "raw")
    return Survey(
        read_rows(folder / "table01.csv", needed),
        read_rows(folder / "table02.csv", (*needed, "type", "global", "regional", "interleaved", "video")),
        read_rows(folder / "table05.csv", (*needed, "tasks")),
        read_rows(folder / "fig02_domains.csv", ("leaf", "name")),
    )


def find_rows(rows: list[Row], *, certain: bool = False, **conditions: str) -> list[Row]:
    """Return the rows whose columns have given values: `find_rows(survey.datasets, type="SI", regional="yes")`.

    A condition on `type` or `tasks` also matches one part of the cell (`SI` in `AA+SI`).

    Args:
        rows: one of the survey's tables.
        certain: leave out rows where a cell of a condition is uncertain.
        conditions: column and value.

    Raises:
        InputError: a column doesn't exist.
    """
    unknown = [name for name in conditions if rows and name not in rows[0]]
    if unknown:
        raise InputError(f"the catalogue has no column {unknown[0]!r}: choose from {', '.join(rows[0])}")
    return [
        row
        for row in rows
        if all(value in _parts(row[name], name) for name, value in conditions.items())
        and not (certain and set(conditions) & set(row["uncertain"].split(";")))
    ]


def survey_tables(survey: Survey) -> list[Table]:
    """Return Tables 1, 2 and 5 (no LaTeX: catalogues of 50 rows); a `?` follows every uncertain cell."""
    title_2 = "VLIT datasets (G global, R regional, I interleaved images; I-R pairs)"
    return [
        _table("table01", "MLLMs with a VLIT stage", survey.models, _TABLE_1),
        _table("table02", title_2, survey.datasets, _TABLE_2),
        _table("table05", "Visual tasks in VLIT data", survey.tasks, _TABLE_5),
    ]


def dataset_tree(survey: Survey) -> Node:
    """Return Figure 2: construction strategy from Table 2's type, tendency from its image columns and section 3.2.2.

    The figure is a picture that our text of the paper doesn't contain, so leaves follow the tables, not the drawing.
    """
    datasets = survey.datasets
    strategies = [
        Node(label, [Node(row["name"]) for row in datasets if row["type"] == key])
        for key, label in _CONSTRUCTION.items()
    ]
    forms = {"Regional images": "regional", "Interleaved images and text": "interleaved", "Video": "video"}
    objects = [
        Node(label, [Node(row["name"]) for row in find_rows(datasets, certain=False, **{column: "yes"})])
        for label, column in forms.items()
    ]
    domains: dict[str, list[Node]] = {}
    for row in survey.domains:
        domains.setdefault(row["leaf"], []).append(Node(row["name"]))
    text = Node("Rich text", domains.pop("Rich text", []))
    specific = Node("Specific domain", [Node(label, leaves) for label, leaves in domains.items()])
    tendency = Node("Instruction tendency", [Node("Specific object", [*objects, text]), specific])
    return Node("VLIT data", [Node("Construction strategy", strategies), tendency])


def figure_2(root: Node) -> Figure:
    """Draw the tree of datasets; the leaves of a branch are listed in lines next to it."""
    lines = _lines(root)
    with mpl.rc_context(STYLE):
        figure = plt.figure(figsize=(4 * _COLUMN + 4, _LINE * lines + 0.4))
        axes = figure.add_axes((0.01, 0.01, 0.98, 0.98))
        axes.set_xlim(0, 4 * _COLUMN + 4)
        axes.set_ylim(_LINE * lines, 0)
        axes.axis("off")
        _draw(axes, root, 0, 0.0)
    return figure


def _draw(axes: plt.Axes, node: Node, level: int, top: float) -> float:
    """Draw a node whose block starts at `top`; return its own height in the middle of the block."""
    middle = top + _lines(node) * _LINE / 2
    x = level * _COLUMN
    box = {"boxstyle": "round", "fc": "#e8eef7", "ec": "#7a93b8", "lw": 0.6}
    axes.text(x + 0.08, middle, node.label, va="center", ha="left", bbox=box)
    if _has_leaves(node):
        names = [child.label for child in node.children]
        text = "\n".join(", ".join(names[i : i + _LEAVES_A_LINE]) for i in range(0, len(names), _LEAVES_A_LINE))
        axes.text(x + _COLUMN - 0.5, middle, text or "none", va="center", ha="left", fontsize=7, linespacing=1.35)
        return middle
    for child in node.children:
        below = _draw(axes, child, level + 1, top)
        elbow = [x + 0.3, x + _COLUMN - 0.5, x + _COLUMN - 0.25, x + _COLUMN + 0.02]
        axes.plot(elbow, [middle, middle, below, below], color="#9aa7b8", lw=0.8, zorder=0)
        top += _lines(child) * _LINE
    return middle


def _lines(node: Node) -> int:
    if _has_leaves(node):
        return max(2, -(-len(node.children) // _LEAVES_A_LINE) + 1)
    return sum(_lines(child) for child in node.children)


def _has_leaves(node: Node) -> bool:
    return not any(child.children for child in node.children)


def _parts(cell: str, column: str) -> list[str]:
    if column == "type":
        return [cell, *cell.split("+")]
    if column == "tasks":
        return [cell, *(part.strip() for part in cell.split(","))]
    return [cell]


def _table(name: str, title: str, rows: list[Row], columns: dict[str, str]) -> Table:
    def shown(row: Row, column: str) -> str:
        mark = "?" if column in row["uncertain"].split(";") else ""
        return _SHOWN.get(row[column], row[column].replace("->", "→")) + mark

    cells = [[shown(row, column) for column in columns] for row in rows]
    unsure = sum(bool(row["uncertain"]) for row in rows)
    notes = [
        f"{len(rows)} rows; a ? follows cells (in {unsure} rows) that extraction garbled. The CSV keeps the raw line."
    ]
    keys = [*columns, "uncertain", "raw"]
    exact = [[row[key] for key in keys] for row in rows]
    header = list(columns.values())
    return Table(name, title, header, cells, notes=notes, exact=exact, exact_header=keys, latex=False)
