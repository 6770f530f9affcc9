"""Tables and plot of what `quality_speed.py` measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vlit.common.files import write_text

REFERENCES = {"ego_splitting": "karateclub", "dbscan": "scikit-learn", "embedding": "sentence-transformers"}


def write(found: dict[str, Any], output: Path) -> None:
    """Write `output.md`, and `output.png` if there are large runs.

    Args:
        found: content of `output.json`.
        output: path without an ending.
    """
    parts = ["# Speed of the quality indicators", ""]
    rows = [(name, found[name]) for name in REFERENCES if "times_faster" in found.get(name, {})]
    if rows:
        parts += [
            "| | ours, s | reference, s | times faster, wall | times faster, processors |",
            "|---|---|---|---|---|",
        ]
        parts += [
            f"| {name.replace('_', ' ')} against {REFERENCES[name]} | {one['ours']['cpu']:.3g} | "
            f"{one['reference']['cpu']:.3g} | {one['times_faster']['wall']:.1f} | {one['times_faster']['cpu']:.1f} |"
            for name, one in rows
        ]
        parts += ["", "Seconds are of processors (user and system).", ""]
    if found.get("large_run"):
        parts += _large(found["large_run"])
        _plot(found["large_run"], output.with_suffix(".png"))
    write_text(output.with_suffix(".md"), "\n".join(parts) + "\n")


def _large(rows: list[dict[str, Any]]) -> list[str]:
    lines = ["Cost against the number of samples, with precomputed embeddings; seconds of processors (wall):", ""]
    lines += ["| step | " + " | ".join(f"{row['samples']:,}" for row in rows) + " |", "|---" * (len(rows) + 1) + "|"]
    for name in rows[-1]["steps"]:
        steps = [row["steps"][name] for row in rows]
        lines.append(f"| {name} | " + " | ".join(f"{one['cpu']:.1f} ({one['wall']:.1f})" for one in steps) + " |")
    lines.append("| **all** | " + " | ".join(f"**{row['cpu']:.0f}** ({row['wall']:.0f})" for row in rows) + " |")
    lines.append("| instructions | " + " | ".join(f"{row['instructions']:,}" for row in rows) + " |")
    lines.append("| peak memory, MiB | " + " | ".join(f"{row['peak_mib']:,.0f}" for row in rows) + " |")
    loads = [" to ".join(f"{load:.1f}" for load in row["load"]) for row in rows]
    lines.append("| load of the machine | " + " | ".join(loads) + " |")
    return lines


def _plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Plot processor seconds against samples, a line a step, both axes logarithmic."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 5))
    sizes = [row["samples"] for row in rows]
    steps = [name for name, one in rows[-1]["steps"].items() if one["cpu"] >= 0.1]
    for name in sorted(steps, key=lambda name: -rows[-1]["steps"][name]["cpu"]):
        axes.plot(sizes, [max(row["steps"][name]["cpu"], 1e-3) for row in rows], marker="o", label=name)
    axes.plot(sizes, [row["cpu"] for row in rows], marker="s", color="black", label="all")
    axes.set(xscale="log", yscale="log", xlabel="samples", ylabel="seconds of processors")
    axes.legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(path, dpi=120, metadata={"Software": None})
    plt.close(figure)
