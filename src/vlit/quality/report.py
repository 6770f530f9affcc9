"""The report page of a dataset: indicators, distributions, tasks, clusters, a map, worst and best samples.

Figures are SVG in the page, with searchable text.
"""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray

from vlit.common.files import write_text
from vlit.data.sample import Sample
from vlit.quality.indicators.registry import BY_KEY
from vlit.quality.indicators.response_diversity import vectors

MOST_BARS = 40
MOST_POINTS = 3000  # of a map, evenly over the dataset
COLORS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#ee8866", "#44bb99", "#994455", "#997700")
GRAY = "#bbbbbb"
_STYLE: Any = {"font.size": 8, "text.parse_math": False, "svg.fonttype": "none", "svg.hashsalt": "vlit",
          "axes.spines.top": False, "axes.spines.right": False}  # fmt: skip
_LABEL = 40  # characters
_BAR = 0.19  # inches
_COUNTS = (
    ("Instructions of each task", "tasks"),
    ("Instruction clusters of each task", "instruction_clusters"),
    ("Response clusters of each task", "response_clusters"),
    ("Wordings of each task's questions, effective number", "forms_of_tasks"),
    ("Wordings of each task's answers, effective number", "answer_forms_of_tasks"),
)


def write_report(
    path: Path, name: str, found: Mapping[str, Any], tables: Mapping[str, pa.Table], samples: Sequence[Sample]
) -> None:
    """Write the page, one file that needs no other.

    Args:
        path: file to write.
        name: name of the dataset.
        found: what `Assessment.values` returned.
        tables: statistics by the key of their indicator.
        samples: the drawn samples.
    """
    details = found["details"]
    by_id = {sample.id: sample for sample in samples}
    galleries = [
        (f"The {end} by matching degree", [_shown(by_id[one]) for one in ids])
        for end, ids in details.get("lowest", {}).items()
    ]
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    page = environment.get_template("report.html.j2").render(
        name=name,
        size=len(samples),
        indicators=[_indicator_row(key, value, found["reasons"]) for key, value in found["indicators"].items()],
        faults="; ".join(f"{key}: {count} {why}" for key, some in details["faults"].items()
                         for why, count in some.items()) or "none",
        figures=[*_distributions(tables, by_id), *_counts(details), *_maps(tables, by_id)],
        galleries=galleries,
    )  # fmt: skip
    write_text(path, page)


def _indicator_row(key: str, value: float | None, reasons: Mapping[str, str]) -> dict[str, str]:
    label = BY_KEY[key].label if key in BY_KEY else ""
    return {
        "key": key, "label": label, "value": "" if value is None else f"{value:.2f}", "reason": reasons.get(key, "")
    }  # fmt: skip


def _distributions(tables: Mapping[str, pa.Table], ids: Collection[str]) -> Iterator[tuple[str, Markup | None]]:
    for key, indicator in BY_KEY.items():
        column = indicator.distribution
        if column is not None and key in tables:
            rows = tables[key].select(["sample_id", column]).to_pylist()
            values = [row[column] for row in rows if row[column] is not None and row["sample_id"] in ids]
            yield f"{key}: {column} by sample", Markup(as_svg(histogram(values))) if values else None


def _counts(details: Mapping[str, Any]) -> Iterator[tuple[str, Markup]]:
    for title, key in _COUNTS:
        if details.get(key):
            yield title, Markup(as_svg(bars(dict(list(details[key].items())[:MOST_BARS]))))


def _maps(tables: Mapping[str, pa.Table], ids: Collection[str]) -> Iterator[tuple[str, Markup]]:
    if "R" not in tables:
        return
    table = tables["R"].filter(pc.is_null(tables["R"]["fault"]))
    table = table.filter(pc.is_in(table["sample_id"], pa.array(sorted(ids), pa.string())))
    if not len(table):
        return
    lengths = [len(tasks) for tasks in table["tasks"].to_pylist()]
    first = np.cumsum([0, *lengths[:-1]])  # a sample is one point, its first response
    plane = principal_plane(vectors(table)[first].astype(np.float32))
    tasks = [some[0] for some in table["tasks"].to_pylist()]
    yield "First responses by task (gray: all after the ten largest)", Markup(as_svg(response_map(plane, tasks)))


def _shown(sample: Sample) -> dict[str, Any]:
    """Return what the page shows of a sample: its supervised turns, and its image as a small PNG in base64."""
    turns = [turn for turn in sample.turns if turn.supervised]
    try:
        image = sample.images[-1].load()
    except OSError:
        return {"id": sample.id, "image": None, "turns": turns}
    image.thumbnail((256, 256))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return {"id": sample.id, "image": base64.b64encode(buffer.getvalue()).decode(), "turns": turns}


def as_svg(figure: Figure) -> str:
    """Return a figure as an `<svg>` element without a date: equal figures are equal texts."""
    buffer = io.StringIO()
    with mpl.rc_context(_STYLE):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def histogram(values: Sequence[float], bins: int = 20) -> Figure:
    """Draw how many samples have which value.

    Args:
        values: at least one.
        bins: bars of equal width between the least and the largest value.
    """
    with mpl.rc_context(_STYLE):
        figure, axes = _panel(6.0, 2.2)
        axes.hist(values, bins=bins, color=COLORS[0], rwidth=0.92)
        axes.set_ylabel("samples")
    return figure


def bars(counts: Mapping[str, int]) -> Figure:
    """Draw a horizontal bar for each count, in the given order, with its number."""
    with mpl.rc_context(_STYLE):
        figure, axes = _panel(6.0, 0.3 + _BAR * len(counts))
        drawn = axes.barh(range(len(counts)), list(counts.values()), color=COLORS[0])
        axes.bar_label(drawn, padding=3)
        axes.set_yticks(range(len(counts)), [name[:_LABEL] for name in counts])
        axes.invert_yaxis()
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        _plain(axes.get_yticklabels())
    return figure


def response_map(plane: NDArray[np.float64], labels: Sequence[str | None]) -> Figure:
    """Draw points by label: the ten most frequent labels have a color, the others and None are gray.

    Args:
        plane: coordinates (n, 2).
        labels: label of each point.
    """
    named = Counter(label for label in labels if label is not None).most_common(len(COLORS))
    step = max(1, -(-len(plane) // MOST_POINTS))
    shown, shown_labels = plane[::step], labels[::step]
    with mpl.rc_context(_STYLE):
        figure, axes = _panel(7.0, 4.6)
        chosen = {label for label, _ in named}
        rest = [place for place, label in enumerate(shown_labels) if label not in chosen]
        axes.scatter(shown[rest, 0], shown[rest, 1], s=6, color=GRAY, linewidths=0)
        for color, (label, count) in zip(COLORS, named, strict=False):
            places = [place for place, own in enumerate(shown_labels) if own == label]
            name = f"{label[:_LABEL]}: {count}"
            axes.scatter(shown[places, 0], shown[places, 1], s=6, color=color, linewidths=0, label=name)
        axes.set_aspect("equal", adjustable="datalim")
        axes.set_axis_off()
        if named:
            legend = axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, markerscale=2)
            _plain(legend.get_texts())
    return figure


def principal_plane(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Project points on their two largest principal components, each signed so that its largest loading is above 0.

    Args:
        points: (n, width); fewer than two points, or widths below 2, have zeros where there is no component.

    Returns:
        Coordinates (n, 2).
    """
    centred = np.asarray(points, np.float64) - (np.mean(points, axis=0, dtype=np.float64) if len(points) else 0.0)
    plane = np.zeros((len(points), 2))
    if len(points) > 1:
        _, axes = np.linalg.eigh(centred.T @ centred)
        axes = axes[:, ::-1][:, :2]
        axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), range(axes.shape[1])])
        plane[:, : axes.shape[1]] = centred @ axes
    return plane


def _panel(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _plain(texts: Sequence[Text]) -> None:
    for text in texts:
        text.set_parse_math(False)  # a label may contain dollar signs
