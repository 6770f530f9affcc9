"""Draw accuracy before and after tuning, by dimension and family, next to what is scored without the image.

Reads results/main/runs.jsonl (`experiments/main.sh`); writes results/main/before_after.svg and .png.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt

from vlit.analysis.measurements import MODEL_LABELS
from vlit.analysis.runs import PACKED, read_packed
from vlit.analysis.table import STYLE
from vlit.common.errors import InputError
from vlit.common.files import whole
from vlit.data.subset import UNTUNED
from vlit.evaluation.seed_bench import COLUMNS

RESULTS = Path(__file__).parents[1] / "results" / "main"
BEFORE, AFTER, BLIND = "#bbbbbb", "#4477aa", "#ee6677"


def main() -> None:
    """Draw a panel for each family."""
    found = {(row["result"]["model"], row["result"]["data"]): row for row in read_packed(RESULTS / PACKED, "run")}
    with mpl.rc_context(STYLE):
        figure, panels = plt.subplots(len(MODEL_LABELS), 1, figsize=(6.5, 5.4), sharex=True, sharey=True)
        places = range(len(COLUMNS))
        for panel, (model, label) in zip(panels, MODEL_LABELS.items(), strict=True):
            for shift, data, colour, name in ((-0.2, UNTUNED, BEFORE, "untuned"), (0.2, "ours_qc", AFTER, "tuned")):
                row = found[model, data]["result"]
                heights = [row["accuracy"][column] for column in COLUMNS]
                spans = [row["interval95"][column] for column in COLUMNS]
                errors = [
                    [height - low for height, (low, _) in zip(heights, spans, strict=True)],
                    [high - height for height, (_, high) in zip(heights, spans, strict=True)],
                ]
                panel.bar([place + shift for place in places], heights, 0.38, yerr=errors, color=colour, label=name,
                          error_kw={"linewidth": 0.7})  # fmt: skip
            blind = next(
                one for one in found[model, "ours_qc"]["evaluations"].values() if one["control"] == "shuffled_images"
            )
            panel.scatter(places, [blind["accuracy"][column] for column in COLUMNS], color=BLIND, s=12, zorder=3,
                          label="tuned, another scene's image")  # fmt: skip
            panel.axhline(25, color="black", linewidth=0.5, linestyle=":")
            panel.set(ylabel=f"{label}\n% right", ylim=(0, 100))
            panel.spines[["top", "right"]].set_visible(False)
        panels[0].legend(ncols=3, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0))
        panels[-1].set_xticks(places, COLUMNS)
        figure.tight_layout()
        for ending, metadata in (("svg", {"Date": None}), ("png", {})):
            with whole(RESULTS / f"before_after.{ending}") as temporary:
                figure.savefig(temporary, format=ending, dpi=160, metadata=metadata)
    print(f"wrote {RESULTS / 'before_after.svg'} and .png")


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
