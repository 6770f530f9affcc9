"""Figures 2 and 5, as SVG, PNG and PDF."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from vlit.analysis.names import INDICATOR_BY_ROW
from vlit.analysis.tables.survey import Node
from vlit.common.files import whole

ENDINGS = ("svg", "png", "pdf")
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "svg.hashsalt": "vlit",
    "svg.fonttype": "path",
    "axes.grid": False,
}
_COLUMN, _LINE = 2.3, 0.16  # inches per level of the tree, and per line of text
_LEAVES_A_LINE = 5


def write_figure(figure: Figure, name: str, folder: Path) -> list[Path]:
    """Write `NAME.svg`, `.png`, `.pdf` without dates, so that equal figures are equal files."""
    paths = []
    for ending in ENDINGS:
        path = folder / f"{name}.{ending}"
        dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}[ending]
        with whole(path) as temporary, mpl.rc_context(STYLE):
            figure.savefig(temporary, format=ending, dpi=160, metadata=dates)
        paths.append(path)
    plt.close(figure)
    return paths


def figure_5(correlations: pd.DataFrame, title: str) -> Figure:
    """A heat map of r, indicators x columns, with stars; undefined cells are hatched (paper Figure 5)."""
    rows, columns = list(dict.fromkeys(correlations.indicator)), list(dict.fromkeys(correlations.dimension))
    cells = correlations.set_index(["indicator", "dimension"])
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(3.6 + 0.72 * len(columns), 0.9 + 0.42 * len(rows)), layout="constrained")
        values = cells.r.unstack().reindex(index=rows, columns=columns).to_numpy(float)
        axes.set_facecolor("#f4f4f4")
        image = axes.imshow(values, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
        for i, indicator in enumerate(rows):
            for j, column in enumerate(columns):
                r, marks = values[i, j], cells.loc[(indicator, column), "stars"]
                text = "–" if np.isnan(r) else f"{r:.2f}{marks}"
                axes.text(j, i, text, ha="center", va="center", color="white" if abs(r) > 0.65 else "#222222")
        axes.set_xticks(range(len(columns)), columns)
        names = [f"{INDICATOR_BY_ROW[row].label} ({row})" if row in INDICATOR_BY_ROW else row for row in rows]
        axes.set_yticks(range(len(rows)), names)
        axes.tick_params(length=0)
        axes.xaxis.tick_top()
        axes.spines[:].set_visible(False)
        axes.set_title(title, fontsize=9, pad=12)
        figure.colorbar(image, ax=axes, label="Pearson r", fraction=0.03, pad=0.02)
    return figure


def figure_2(root: Node) -> Figure:
    """The tree of datasets; leaves of a branch are listed in lines beside it (paper Figure 2)."""
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
    axes.text(
        x + 0.08,
        middle,
        node.label,
        va="center",
        ha="left",
        bbox={"boxstyle": "round", "fc": "#e8eef7", "ec": "#7a93b8", "lw": 0.6},
    )
    if _holds_leaves(node):
        names = [child.label for child in node.children]
        text = "\n".join(", ".join(names[i : i + _LEAVES_A_LINE]) for i in range(0, len(names), _LEAVES_A_LINE))
        axes.text(x + _COLUMN - 0.5, middle, text or "none", va="center", ha="left", fontsize=7, linespacing=1.35)
        return middle
    for child in node.children:
        below = _draw(axes, child, level + 1, top)
        axes.plot(
            [x + 0.3, x + _COLUMN - 0.5, x + _COLUMN - 0.25, x + _COLUMN + 0.02],
            [middle, middle, below, below],
            color="#9aa7b8",
            lw=0.8,
            zorder=0,
        )
        top += _lines(child) * _LINE
    return middle


def _lines(node: Node) -> int:
    if _holds_leaves(node):
        return max(2, -(-len(node.children) // _LEAVES_A_LINE) + 1)
    return sum(_lines(child) for child in node.children)


def _holds_leaves(node: Node) -> bool:
    return not any(child.children for child in node.children)
