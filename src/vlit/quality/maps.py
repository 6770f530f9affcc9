"""Maps of a dataset for its report: the response embeddings in the plane, colored by cluster or by task.

The plane is that of the two largest principal components, computed here, so that the same data is always the same map.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

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
