"""The survey as data: Tables 1, 2 and 5 (models, datasets, tasks), queries over them, and the tree of Figure 2.

Rows were transcribed from the paper's text, where extraction garbled some cells. Such a cell is named in `uncertain`;
its reading is a guess or empty, and `raw` keeps the line as extracted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from vlit.analysis.published import read_rows
from vlit.analysis.tables.table import Table
from vlit.common.errors import InputError

Row = dict[str, str]
_CONSTRUCTION = {"AA": "Annotation adaption", "SI": "Self-instruct", "AA+SI": "Data mixing"}
_SHOWN = {"yes": "✓", "no": "✗"}


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


def query(rows: list[Row], *, certain: bool = False, **conditions: str) -> list[Row]:
    """Rows whose columns have the given values: `query(survey.datasets, type="SI", regional="yes")`.

    A condition on `type` or `tasks` also matches one part of the cell (`SI` in `AA+SI`).

    Args:
        rows: one of the survey's tables.
        certain: leave out rows where a cell that is asked about is uncertain.
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
    """Tables 1, 2 and 5; a `?` follows every uncertain cell."""
    models = {
        "name": "Name",
        "citation": "Reference",
        "training_paradigm": "Training paradigm",
        "pure_text": "Pure text",
        "data_source": "Data source",
        "self_construction": "Self-construction",
        "url_model": "Model URL",
        "url_data": "Data URL",
    }
    datasets = {
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
    tasks = {"name": "Name", "citation": "Reference", "tasks": "Vision-language tasks"}
    return [
        _table("table01", "MLLMs with a VLIT stage", survey.models, models),
        _table(
            "table02",
            "VLIT datasets (G global, R regional, I interleaved images; I-R pairs)",
            survey.datasets,
            datasets,
        ),
        _table("table05", "Visual tasks in VLIT data", survey.tasks, tasks),
    ]


def tree(survey: Survey) -> Node:
    """Figure 2 rebuilt: construction strategy from Table 2's type, tendency from its image columns and section 3.2.2.

    The figure is a picture that our text of the paper doesn't hold, so leaves follow the tables, not the drawing.
    """
    datasets = survey.datasets
    strategies = [
        Node(label, [Node(row["name"]) for row in datasets if row["type"] == key])
        for key, label in _CONSTRUCTION.items()
    ]
    forms = {"Regional images": "regional", "Interleaved images and text": "interleaved", "Video": "video"}
    objects = [
        Node(label, [Node(r["name"]) for r in query(datasets, certain=False, **{column: "yes"})])
        for label, column in forms.items()
    ]
    domains: dict[str, list[Node]] = {}
    for row in survey.domains:
        domains.setdefault(row["leaf"], []).append(Node(row["name"]))
    text = Node("Rich text", domains.pop("Rich text", []))
    specific = Node("Specific domain", [Node(label, leaves) for label, leaves in domains.items()])
    tendency = Node("Instruction tendency", [Node("Specific object", [*objects, text]), specific])
    return Node("VLIT data", [Node("Construction strategy", strategies), tendency])


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
    return Table(name, title, list(columns.values()), cells, notes=notes, exact=exact, exact_header=keys)
