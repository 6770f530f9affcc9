"""The report page of a dataset: indicators, distributions, tasks, clusters, maps, worst and best samples."""

from __future__ import annotations

import base64
import html
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vlit.common.files import write_text
from vlit.data.sample import Sample
from vlit.quality.indicators.response_diversity import vectors

_STYLE = (
    "body{font:15px system-ui;max-width:60em;margin:2em auto;color:#222}td,th{padding:.2em .8em;text-align:left}"
    "figure{display:inline-block;vertical-align:top;width:13em;margin:.5em}img{width:8em;image-rendering:pixelated}"
    "figcaption{font-size:13px}rect{fill:#4477aa}svg text{font-size:11px}"
)
_DISTRIBUTIONS = {"MD": "least", "OG": "objects", "I_cx": "complexity", "I_cx_rule": "complexity", "C": "agreement",
                  "C_contrast": "margin"}  # fmt: skip


def write_report(
    path: Path, name: str, found: dict[str, Any], tables: dict[str, pa.Table], samples: Sequence[Sample],
    clusters: dict[str, int] | None = None,
) -> None:  # fmt: skip
    """Write the page, one file without links to others.

    Args:
        path: the file.
        name: the dataset.
        found: what `Assessment.indicators` returned.
        tables: the statistics.
        samples: the drawn samples.
        clusters: the cluster of each sample's responses, -1 for none.
    """
    details = found["details"]
    ids = {sample.id: sample for sample in samples}
    parts = [f"<h1>{html.escape(name)}: {len(samples)} samples</h1>", _indicators(found)]
    for key, column in _DISTRIBUTIONS.items():
        if key in tables:
            rows = tables[key].select(["sample_id", column]).to_pylist()
            values = [row[column] for row in rows if row[column] is not None and row["sample_id"] in ids]
            parts.append(f"<h2>{key}: {column} by sample</h2>" + _histogram(values))
    for title, key in (
        ("Samples of each task", "tasks"),
        ("Instruction clusters of each task", "instruction_clusters"),
        ("Response clusters (-1: none)", "response_clusters"),
    ):
        if details.get(key):
            parts.append(f"<h2>{title}</h2>" + _bars(dict(list(details[key].items())[:40])))
    if "R" in tables:
        parts.append(_maps(tables, set(ids), clusters or {}))
    for which, chosen in details.get("lowest", {}).items():
        parts.append(f"<h2>The {which} by matching degree</h2>" + "".join(_figure(ids[one]) for one in chosen))
    page = f'<!doctype html><meta charset="utf-8"><title>{html.escape(name)}</title><style>{_STYLE}</style>'
    write_text(path, page + "\n".join(parts))


def _maps(tables: dict[str, pa.Table], ids: set[str], clusters: dict[str, int]) -> str:
    table = tables["R"].filter(pc.is_null(tables["R"]["fault"]))
    table = table.filter(pc.is_in(table["sample_id"], pa.array(sorted(ids), pa.string())))
    if not len(table):
        return ""
    plane = principal_plane(vectors(table["embedding"]).astype(np.float32))
    drawn = table["sample_id"].to_pylist()
    labels = [clusters.get(name, -1) for name in drawn]
    by_cluster = drawn_map(plane, [None if label < 0 else f"cluster {label}" for label in labels])
    page = f"<h2>Responses by cluster (gray: noise, and all after the ten largest)</h2>{by_cluster}"
    if "T" in tables:
        names = tables["T"]["sample_id"].to_pylist()
        tasks = dict(zip(names, tables["T"]["task"].to_pylist(), strict=True))
        page += f"<h2>Responses by task</h2>{drawn_map(plane, [tasks.get(name) for name in drawn])}"
    return page


def _indicators(found: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{key}<td>{'' if value is None else f'{value:.2f}'}<td>{html.escape(found['reasons'].get(key, ''))}"
        for key, value in found["indicators"].items()
    )
    faults = "; ".join(f"{key}: {count} {why}" for key, some in found["details"]["faults"].items()
                       for why, count in some.items())  # fmt: skip
    return f"<table><tr><th>indicator<th>value<th>why empty{rows}</table><p>Faults: {html.escape(faults) or 'none'}</p>"


def _histogram(values: list[float], bins: int = 20) -> str:
    if not values:
        return "<p>no value</p>"
    low, high = min(values), max(values)
    step = (high - low) / bins or 1.0
    counts = [0] * bins
    for value in values:
        counts[min(bins - 1, int((value - low) / step))] += 1
    return _bars({f"{low + number * step:.2f}": count for number, count in enumerate(counts)})


def _bars(counts: dict[str, int]) -> str:
    top = max(counts.values(), default=1) or 1
    rows = "".join(
        f'<text x="0" y="{14 * place + 11}">{html.escape(name[:30])}</text>'
        f'<rect x="190" y="{14 * place + 1}" width="{400 * count / top:.1f}" height="12"/>'
        f'<text x="{195 + 400 * count / top:.1f}" y="{14 * place + 11}">{count}</text>'
        for place, (name, count) in enumerate(counts.items())
    )
    return f'<svg width="700" height="{14 * len(counts) + 4}">{rows}</svg>'


def _figure(sample: Sample) -> str:
    turns = "".join(
        f"<b>{html.escape(turn.instruction[:300])}</b><br>{html.escape(turn.response[:300])}<br>"
        for turn in sample.turns
        if turn.supervised
    )
    try:
        image = sample.images[-1].load()
    except OSError:
        return f"<figure>unreadable image<figcaption>{turns}</figcaption></figure>"
    image.thumbnail((256, 256))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<figure><img src="data:image/png;base64,{data}"><figcaption>{turns}</figcaption></figure>'


SHOWN = 3000  # points drawn, evenly over the dataset
COLORS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#ee8866", "#44bb99", "#994455", "#997700")
_GRAY = "#bbbbbb"
_SIDE = 480


def principal_plane(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Coordinates (n, 2) on the two largest principal components, each turned so that its largest loading is above 0.

    Args:
        points: (n, width); fewer than two points, or widths below 2, have zeros where there is no component.
    """
    centred = np.asarray(points, np.float64) - (np.mean(points, axis=0, dtype=np.float64) if len(points) else 0.0)
    plane = np.zeros((len(points), 2))
    if len(points) > 1:
        _, axes = np.linalg.eigh(centred.T @ centred)
        axes = axes[:, ::-1][:, :2]
        axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), range(axes.shape[1])])
        plane[:, : axes.shape[1]] = centred @ axes
    return plane


def drawn_map(plane: NDArray[np.float64], labels: Sequence[str | None]) -> str:
    """An SVG of points by label: the ten most frequent labels have a color, the others and None are gray."""
    named = Counter(label for label in labels if label is not None).most_common(len(COLORS))
    color = {label: COLORS[place] for place, (label, _) in enumerate(named)}
    low = plane.min(axis=0, initial=0.0)
    scale = (_SIDE - 8) / max(float((plane.max(axis=0, initial=0.0) - low).max()), 1e-9)
    step = max(1, -(-len(plane) // SHOWN))
    dots = "".join(
        f'<circle cx="{4 + scale * (x - low[0]):.1f}" cy="{_SIDE - 4 - scale * (y - low[1]):.1f}" r="2" '
        f'fill="{color.get(label or "", _GRAY)}"/>'
        for (x, y), label in list(zip(plane, labels, strict=True))[::step]
    )
    legend = "".join(
        f'<circle cx="{_SIDE + 16}" cy="{16 * place + 10}" r="5" fill="{color[label]}"/>'
        f'<text x="{_SIDE + 28}" y="{16 * place + 14}">{html.escape(label[:40])}: {count}</text>'
        for place, (label, count) in enumerate(named)
    )
    return f'<svg width="{_SIDE + 260}" height="{_SIDE}">{dots}{legend}</svg>'
