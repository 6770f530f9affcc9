"""Performance against the dose of each principle, one panel a principle."""

from __future__ import annotations

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from vlit.analysis.dose_response import BASE_NAME, of_principle
from vlit.analysis.figures import STYLE
from vlit.analysis.measurements import Scores
from vlit.analysis.names import OVERALL
from vlit.construct.doses.design import PRINCIPLES

COLOURS = ("#1f5fa8", "#c2571a", "#2d8a57")
COLUMNS = 3
LABELS = {
    "correctness": "share of wrong responses",
    "task_diversity": "abilities asked for",
    "instruction_diversity": "wordings of a type of question",
    "response_diversity": "sentences of a type of answer",
    "complexity": "questions in one instruction",
    "balance": "share of the favoured ability",
}


def dose_figure(scores: Scores) -> Figure:
    """A panel a principle: each model's mean over seeds at each dose, bars from the worst to the best seed."""
    with mpl.rc_context(STYLE):
        rows = -(-len(PRINCIPLES) // COLUMNS)
        figure, panels = plt.subplots(rows, COLUMNS, figsize=(8.4, 2.3 * rows), sharey=True, layout="constrained")
        for principle, axes in zip(PRINCIPLES, panels.flat, strict=True):
            _panel(axes, principle, scores)
        for axes in panels[:, 0]:
            axes.set_ylabel("accuracy (%)")
        handles, labels = panels.flat[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    return figure


def _panel(axes: plt.Axes, principle: str, scores: Scores) -> None:
    dose = of_principle(principle, scores).sort_values()
    for model, colour in zip(scores.models, COLOURS, strict=False):
        runs = scores.per_seed[OVERALL].loc[model]
        seeds = runs[runs.index.get_level_values("data").isin(dose.index)].groupby(level="data")
        have = [name for name in dose.index if name in seeds.groups]
        mean, low, high = seeds.mean()[have], seeds.min()[have], seeds.max()[have]
        axes.errorbar(
            dose[have], mean, yerr=[mean - low, high - mean], color=colour, marker="o", ms=3.5, lw=1, elinewidth=0.8,
            capsize=2, label=model,
        )  # fmt: skip
        if BASE_NAME in have:
            axes.plot(dose[BASE_NAME], mean[BASE_NAME], "o", ms=3.5, mfc="white", mec=colour, zorder=3)
    axes.set_title(principle.replace("_", " "), fontsize=8)
    axes.set_xlabel(LABELS[principle])
    axes.spines[["top", "right"]].set_visible(False)
