"""One self-contained page with every table, figure and the audit: no script, no network, readable without either."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from vlit.analysis.audit.text import audit_tables, in_short
from vlit.analysis.table import EMPTY, Table
from vlit.analysis.tables.conversations import ConversationExample

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
_WIDTH = 320  # largest side of a conversation's image, in pixels


@dataclass(frozen=True)
class Page:
    """What the report shows.

    Attributes:
        source: `published` or `runs`.
        tables: all but those of the audit and of conversations.
        figures: files of each figure, an SVG among them.
        examples: conversations.
        notes: sentences about sources and gaps.
        audit: the audit of the published numbers, if there is one.
        study: whether the folder `study` next to the page has a report of its own, to link to.
    """

    source: str
    tables: list[Table]
    figures: dict[str, list[Path]]
    examples: list[ConversationExample]
    notes: list[str]
    audit: dict[str, Any] | None
    study: bool = False


def report_html(page: Page) -> str:
    """Return the page as HTML, with figures and images inside."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    tables = {table.name: table for table in page.tables}
    sections: list[dict[str, Any]] = []
    for title, subtitle, names in _SECTIONS:
        figures = [_figure(name, page.figures[name]) for name in _FIGURES.get(title, ()) if name in page.figures]
        shown = [tables[name] for name in names if name in tables]
        if figures or shown:
            sections.append({"title": title, "subtitle": subtitle, "figures": figures, "tables": shown, "examples": []})
    if page.examples:
        examples = [{"table": example.table, "image": _image(example)} for example in page.examples]
        section = {"title": "Conversations", "subtitle": "Tables 9-14", "figures": [], "tables": []}
        sections.append({**section, "examples": examples})
    return environment.get_template("report.html.j2").render(
        source=page.source,
        study=page.study,
        notes=page.notes,
        sections=sections,
        audit=audit_tables(page.audit) if page.audit else [],
        in_short=in_short(page.audit) if page.audit else [],
        verdicts=page.audit["verdicts"].replace("`", "") if page.audit else "",
        folded=_FOLDED,
        empty=EMPTY,
    )


def _figure(name: str, paths: list[Path]) -> dict[str, str]:
    svg = next(path for path in paths if path.suffix == ".svg").read_bytes()
    return {"name": name, "caption": _CAPTIONS.get(name, name), "svg": base64.b64encode(svg).decode()}


def _image(example: ConversationExample) -> dict[str, str]:
    """Return the image of a conversation as base64 JPEG, or why it can't be read; empty without an image."""
    if example.image is None:
        return {}
    try:
        small = example.image.load()
    except OSError as error:
        return {"fault": f"The image cannot be read: {error}"}
    small.thumbnail((_WIDTH, _WIDTH))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=80)
    return {"jpeg": base64.b64encode(buffer.getvalue()).decode()}
