"""What each kind looks like: layers of simple shapes, in fractions of the thing's box, later ones in front.

A shape is (layer, form, numbers). Layers: "body" takes the thing's colour and texture, "shade" a darker tone of the
colour; "ink", "wood" and "paper" are details in fixed colours. Forms: "ellipse" and "box" (x0, y0, x1, y1), "polygon"
(x, y, ...), "line" (width, x, y, ...), "arc" (width, x0, y0, x1, y1, start, end in degrees clockwise from the right).
Every silhouette reaches the four sides of its box somewhere, so that boxes that touch are things that touch.
"""

from __future__ import annotations

Shape = tuple[str, str, tuple[float, ...]]

SILHOUETTES: dict[str, tuple[Shape, ...]] = {
    "car": (
        ("body", "polygon", (0.16, 0.5, 0.3, 0.0, 0.74, 0.0, 0.88, 0.5)),
        ("body", "box", (0.0, 0.4, 1.0, 0.8)),
        ("paper", "polygon", (0.29, 0.38, 0.37, 0.12, 0.49, 0.12, 0.49, 0.38)),
        ("paper", "polygon", (0.56, 0.38, 0.56, 0.12, 0.67, 0.12, 0.75, 0.38)),
        ("ink", "ellipse", (0.1, 0.6, 0.42, 1.0)),
        ("ink", "ellipse", (0.58, 0.6, 0.9, 1.0)),
        ("paper", "ellipse", (0.2, 0.72, 0.32, 0.88)),
        ("paper", "ellipse", (0.68, 0.72, 0.8, 0.88)),
    ),
    "boat": (
        ("wood", "line", (0.08, 0.46, 0.0, 0.46, 0.7)),
        ("body", "polygon", (0.52, 0.02, 0.95, 0.62, 0.52, 0.62)),
        ("body", "polygon", (0.4, 0.12, 0.4, 0.62, 0.06, 0.62)),
        ("wood", "polygon", (0.0, 0.68, 1.0, 0.68, 0.82, 1.0, 0.18, 1.0)),
    ),
    "bird": (
        ("body", "polygon", (0.0, 0.3, 0.35, 0.45, 0.3, 0.75)),
        ("body", "ellipse", (0.14, 0.32, 0.78, 0.86)),
        ("body", "ellipse", (0.5, 0.0, 0.88, 0.46)),
        ("wood", "polygon", (0.84, 0.14, 1.0, 0.26, 0.84, 0.34)),
        ("ink", "ellipse", (0.68, 0.1, 0.78, 0.24)),
        ("wood", "line", (0.07, 0.4, 0.84, 0.4, 1.0)),
        ("wood", "line", (0.07, 0.56, 0.84, 0.56, 1.0)),
    ),
    "cat": (
        ("body", "arc", (0.13, 0.62, 0.45, 1.0, 0.98, 280, 100)),
        ("body", "ellipse", (0.12, 0.42, 0.8, 1.12)),
        ("body", "polygon", (0.04, 0.32, 0.08, 0.0, 0.4, 0.2)),
        ("body", "polygon", (0.88, 0.32, 0.84, 0.0, 0.52, 0.2)),
        ("body", "ellipse", (0.0, 0.12, 0.92, 0.6)),
        ("ink", "ellipse", (0.2, 0.26, 0.34, 0.42)),
        ("ink", "ellipse", (0.58, 0.26, 0.72, 0.42)),
        ("ink", "polygon", (0.38, 0.44, 0.54, 0.44, 0.46, 0.53)),
    ),
    "umbrella": (
        ("wood", "line", (0.09, 0.5, 0.3, 0.5, 0.9)),
        ("wood", "arc", (0.09, 0.455, 0.74, 0.78, 1.0, 0, 180)),
        ("body", "polygon", (0.0, 0.54, 0.05, 0.3, 0.22, 0.1, 0.5, 0.0, 0.78, 0.1, 0.95, 0.3, 1.0, 0.54)),
        ("nothing", "ellipse", (0.05, 0.45, 0.33, 0.64)),
        ("nothing", "ellipse", (0.67, 0.45, 0.95, 0.64)),
    ),
    "kite": (
        ("wood", "line", (0.07, 0.5, 0.7, 0.42, 0.8, 0.58, 0.9, 0.5, 1.0)),
        ("body", "polygon", (0.5, 0.0, 1.0, 0.34, 0.5, 0.78, 0.0, 0.34)),
        ("ink", "line", (0.04, 0.5, 0.0, 0.5, 0.76)),
        ("ink", "line", (0.04, 0.0, 0.34, 1.0, 0.34)),
        ("body", "polygon", (0.2, 0.8, 0.48, 0.88, 0.2, 0.98)),
        ("body", "polygon", (0.84, 0.8, 0.54, 0.88, 0.84, 0.98)),
    ),
    "bottle": (
        ("body", "box", (0.0, 0.42, 1.0, 1.0)),
        ("body", "polygon", (0.0, 0.46, 0.3, 0.26, 0.7, 0.26, 1.0, 0.46)),
        ("body", "box", (0.3, 0.1, 0.7, 0.4)),
        ("wood", "box", (0.22, 0.0, 0.78, 0.13)),
    ),
    "cup": (
        ("body", "arc", (0.12, 0.56, 0.24, 1.0, 0.76, 0, 360)),
        ("body", "polygon", (0.0, 0.08, 0.76, 0.08, 0.68, 1.0, 0.08, 1.0)),
        ("paper", "ellipse", (0.0, 0.0, 0.76, 0.24)),
        ("wood", "ellipse", (0.1, 0.06, 0.66, 0.2)),
    ),
    "apple": (
        ("body", "ellipse", (0.0, 0.22, 0.62, 0.94)),
        ("body", "ellipse", (0.38, 0.22, 1.0, 0.94)),
        ("body", "ellipse", (0.14, 0.4, 0.86, 1.0)),
        ("wood", "line", (0.1, 0.5, 0.34, 0.46, 0.0)),
        ("leaf", "polygon", (0.52, 0.2, 0.68, 0.02, 0.96, 0.04, 0.8, 0.2)),
    ),
    "chair": (
        ("body", "box", (0.0, 0.52, 0.2, 1.0)),
        ("body", "box", (0.8, 0.52, 1.0, 1.0)),
        ("body", "box", (0.0, 0.0, 0.24, 0.7)),
        ("body", "box", (0.0, 0.46, 1.0, 0.74)),
    ),
    "book": (
        ("paper", "box", (0.1, 0.8, 1.0, 0.95)),
        ("body", "box", (0.0, 0.0, 1.0, 0.82)),
        ("ink", "box", (0.0, 0.0, 0.16, 1.0)),
        ("ink", "box", (0.0, 0.92, 1.0, 1.0)),
        ("paper", "box", (0.34, 0.16, 0.86, 0.4)),
    ),
    "clock": (
        ("body", "ellipse", (0.0, 0.0, 1.0, 1.0)),
        ("paper", "ellipse", (0.2, 0.2, 0.8, 0.8)),
        ("ink", "line", (0.09, 0.5, 0.26, 0.5, 0.53, 0.7, 0.53)),
    ),
    "box": (
        ("shade", "box", (0.06, 0.0, 0.94, 0.9)),
        ("body", "box", (0.0, 0.0, 0.19, 1.0)),
        ("body", "box", (0.81, 0.0, 1.0, 1.0)),
        ("body", "box", (0.0, 0.81, 1.0, 1.0)),
    ),
}
