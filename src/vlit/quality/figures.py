"""Figures of the report page: histograms, bars, and maps of response embeddings, as SVG with searchable text."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray

MOST_POINTS = 3000  # of a map, evenly over the dataset
COLORS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#ee8866", "#44bb99", "#994455", "#997700")
GRAY = "#bbbbbb"
_STYLE: Any = {"font.size": 8, "svg.fonttype": "none", "svg.hashsalt": "vlit", "axes.spines.top": False,
          "axes.spines.right": False}  # fmt: skip
_LABEL = 40  # characters
_BAR = 0.19  # inches


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
