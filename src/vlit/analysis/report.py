"""One self-contained page with every table, figure and the audit: no script, no network, readable without either."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from vlit.analysis.audit.text import audit_tables, in_short
from vlit.analysis.tables.conversations import Example
from vlit.analysis.tables.conversations import as_html as example_html
from vlit.analysis.tables.table import Table, as_html

_SECTIONS = (
    ("Results", "Tables 3 and 4", ("table03", "table04", "table04_extended")),
    ("Correlation", "Table 15 and Figure 5", ("table15", "table15_extended", "mixed_effects")),
    ("Doses", "One principle varied at a time", ("dose_effects", "indicator_effects", "dose_predictions")),
    ("Noise", "One run by seed and questions, and the power of a study", ("noise", "power")),
    ("Survey", "Tables 1, 2 and 5, Figure 2", ("table01", "table02", "table05")),
    ("Hyperparameters", "Tables 6-8", ("table06", "table07", "table08")),
)
_FIGURES = {"Correlation": ("fig05", "fig05_published"), "Doses": ("doses",), "Survey": ("fig02",)}
_CAPTIONS = {
    "fig02": "Figure 2. VLIT datasets by strategy and tendency, rebuilt from Table 2 and section 3.2.2."
    " A dataset is missing from a branch where the text of the paper lost its mark.",
    "fig05": "Figure 5. Correlation of quality indicators with performance, computed here.",
    "doses": "Accuracy over all questions as one principle is varied: mean and range of the seeds. The base is hollow.",
    "fig05_published": "Figure 5 as the paper's Table 15 gives it.",
}
_FOLDED = {"table04_extended", "table15_extended", "table01", "table02", "table05", "audit_p"}  # long: shown on demand


@dataclass(frozen=True)
class Page:
    """What the report shows."""

    source: str
    tables: list[Table]
    figures: dict[str, list[Path]]
    examples: list[Example]
    notes: list[str]
    audit: dict[str, Any] | None
    study: bool = False  # whether the page of our own runs stands beside this one


def report_html(page: Page) -> str:
    """The page as HTML, with figures inside as SVG."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    by_name = {table.name: table for table in page.tables}
    sections = []
    for title, subtitle, names in _SECTIONS:
        parts = [_figure(name, page.figures[name]) for name in _FIGURES.get(title, ()) if name in page.figures]
        parts += [_table(by_name[name]) for name in names if name in by_name]
        if parts:
            sections.append({"title": title, "subtitle": subtitle, "parts": parts})
    if page.examples:
        parts = [Markup(example_html(example)) for example in page.examples]
        sections.append({"title": "Conversations", "subtitle": "Tables 9-14", "parts": parts})
    audit = [_table(table) for table in audit_tables(page.audit)] if page.audit else []
    return environment.get_template("report.html.j2").render(
        source=page.source,
        study=page.study,
        notes=page.notes,
        sections=sections,
        audit=audit,
        in_short=in_short(page.audit) if page.audit else [],
        verdicts=page.audit["verdicts"].replace("`", "") if page.audit else "",
    )


def _table(table: Table) -> Markup:
    text = as_html(table)
    if table.name in _FOLDED:
        summary = Markup.escape(f"{table.title} ({len(table.rows)} rows)")
        text = f"<details><summary>{summary}</summary>{text}</details>"
    return Markup(text)


def _figure(name: str, paths: list[Path]) -> Markup:
    svg = next(path for path in paths if path.suffix == ".svg").read_bytes()
    caption = Markup.escape(_CAPTIONS.get(name, name))
    image = f'<img alt="{caption}" src="data:image/svg+xml;base64,{base64.b64encode(svg).decode()}">'
    return Markup(f'<figure id="{name}">{image}<figcaption>{caption}</figcaption></figure>')
