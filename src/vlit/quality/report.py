"""The report page of a dataset: indicators, distributions, tasks, clusters, maps, worst and best samples."""

from __future__ import annotations

import base64
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from vlit.common.files import write_text
from vlit.data.sample import Sample
from vlit.quality.figures import as_svg, bars, histogram, principal_plane, response_map
from vlit.quality.indicators import BY_KEY
from vlit.quality.indicators.response_diversity import vectors

MOST_BARS = 40
_COUNTS = (
    ("Samples of each task", "tasks"),
    ("Instruction clusters of each task", "instruction_clusters"),
    ("Response clusters (-1: noise)", "response_clusters"),
)


def write_report(
    path: Path, name: str, found: Mapping[str, Any], tables: Mapping[str, pa.Table], samples: Sequence[Sample],
    clusters: Mapping[str, int],
) -> None:  # fmt: skip
    """Write the page, one file that needs no other.

    Args:
        path: file to write.
        name: name of the dataset.
        found: what `Assessment.values` returned.
        tables: statistics by the key of their indicator.
        samples: the drawn samples.
        clusters: cluster of each sample's responses, -1 for noise.
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
        figures=[*_distributions(tables, by_id), *_counts(details), *_maps(tables, by_id, clusters)],
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


def _maps(
    tables: Mapping[str, pa.Table], ids: Collection[str], clusters: Mapping[str, int]
) -> Iterator[tuple[str, Markup]]:
    if "R" not in tables:
        return
    table = tables["R"].filter(pc.is_null(tables["R"]["fault"]))
    table = table.filter(pc.is_in(table["sample_id"], pa.array(sorted(ids), pa.string())))
    if not len(table):
        return
    plane = principal_plane(vectors(table["embedding"]).astype(np.float32))
    drawn = table["sample_id"].to_pylist()
    labels = [clusters.get(name, -1) for name in drawn]
    by_cluster = response_map(plane, [None if label < 0 else f"cluster {label}" for label in labels])
    yield "Responses by cluster (gray: noise, and all after the ten largest)", Markup(as_svg(by_cluster))
    if "T" in tables:
        tasks = dict(zip(tables["T"]["sample_id"].to_pylist(), tables["T"]["task"].to_pylist(), strict=True))
        yield "Responses by task", Markup(as_svg(response_map(plane, [tasks.get(name) for name in drawn])))


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
