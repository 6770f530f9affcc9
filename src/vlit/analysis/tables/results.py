"""Tables 3, 4 and 15 and Figure 5: performance, quality with ICC, and their correlation."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from vlit.analysis.measurements import INDICATOR_BY_ROW, Quality, Scores, higher_is_better, indicator_title
from vlit.analysis.statistics.reliability import DEFAULT_FORM, FORMS, icc
from vlit.analysis.table import EMPTY, STYLE, Table, exact_cells, exact_number, format_number

_DARK = 0.65  # |r| from which the text of a cell is white


def table_3(scores: Scores) -> Table:
    """Return the performance of each dataset in each model; the best of each block is bold, ties included."""
    rows: list[list[str]] = []
    exact: list[list[str]] = []
    bold: set[tuple[int, int]] = set()
    blocks: set[int] = set()
    for model in scores.models:
        block = scores.mean.loc[model]
        blocks.add(len(rows))
        best = block.max()
        for data in [name for name in scores.datasets if name in block.index]:
            cells = [(scores.mean.loc[(model, data), c], scores.std.loc[(model, data), c]) for c in scores.columns]
            bold |= {(len(rows), 2 + i) for i, c in enumerate(scores.columns) if block.loc[data, c] == best[c]}
            rows.append([model, data, *(_with_std(mean, std) for mean, std in cells)])
            numbers = [exact_number(value) for cell in cells for value in cell]
            sources = "; ".join(scores.sources.get((model, data), []))
            exact.append([model, data, str(scores.seeds[model, data]), *numbers, sources])
    header = ["model", "data", "seeds", *(name for c in scores.columns for name in (c, f"{c} std")), "sources"]
    notes = []
    if scores.counts:
        counts = ", ".join(f"{c} {scores.counts[c]}" for c in scores.columns if c in scores.counts)
        notes.append(f"Questions: {counts}.")
    if (scores.seeds > 1).any():
        low, high = scores.seeds.min(), scores.seeds.max()
        notes.append(f"Mean ± standard deviation over {low if low == high else f'{low} to {high}'} seeds.")
    elif rows:
        notes.append("One result a cell, so no standard deviation.")
    title = "Performance of different VLIT data in each MLLM (accuracy, percent; best of each block in bold)"
    columns = ["MLLM", "VLIT data", *scores.columns]
    return Table("table03", title, columns, rows, bold, blocks - {0}, notes, exact, header)


def table_4(quality: Quality, scores: Scores, form: str = DEFAULT_FORM) -> Table:
    """Return indicators and the ICC of each dataset; empty cells stay empty with their reason.

    Args:
        quality: indicators per dataset.
        scores: performance, of which the ICC is computed.
        form: the ICC's, a key of `FORMS`.
    """
    datasets = list(dict.fromkeys([*scores.datasets, *quality.values.index]))
    values = quality.values.reindex(datasets)
    best = {key: values[key].max() if higher_is_better(key) else values[key].min() for key in values.columns}
    iccs = {data: icc(scores.of(data), form) if data in scores.datasets else None for data in datasets}
    rows: list[list[str]] = []
    exact: list[list[str]] = []
    bold: set[tuple[int, int]] = set()
    for data in datasets:
        found = iccs[data]
        measures = (found.single, found.average) if found else (np.nan, np.nan)
        bold |= {(len(rows), 1 + place) for place, key in enumerate(values) if values.loc[data, key] == best[key]}
        rows.append([data, *map(_short, values.loc[data]), *(format_number(value, 4) for value in measures)])
        exact.append([data, *map(exact_number, values.loc[data]), *map(exact_number, measures)])
    single, average = FORMS[form]
    notes = [
        f"ICC: {form}, {single} (SM) and {average} (AM); targets are the columns of Table 3 with Overall,"
        f" raters the models."
    ]
    notes += _reasons(quality) + [f"ICC of {d}: {a.reason}." for d, a in iccs.items() if a and a.reason]
    header = ["data", *values.columns, "ICC_single", "ICC_average"]
    arrows = [f"{key} {'↑' if higher_is_better(key) else '↓'}" for key in values]
    title = "Quality of different VLIT data, and agreement between models (ICC)"
    return Table("table04", title, ["Dataset", *arrows, "SM", "AM"], rows, bold, set(), notes, exact, header)


def table_15(correlations: pd.DataFrame) -> Table:
    """Return r with p and stars for each indicator and column, the indicators of the paper's table and unknown ones.

    Args:
        correlations: as `correlate` gives them.
    """
    left_out = [row for row, indicator in INDICATOR_BY_ROW.items() if not indicator.in_table_15]
    paper = correlations[~correlations.indicator.isin(left_out)]
    dimensions = list(dict.fromkeys(paper.dimension))
    rows, notes = [], []
    for indicator in dict.fromkeys(paper.indicator):
        cells = paper[paper.indicator == indicator].set_index("dimension")
        rows.append([indicator, *(_r_cell(cells.loc[d]) for d in dimensions)])
        notes += undefined_notes(indicator, cells)
    sizes = sorted(set(paper.n[paper.n > 0])) or [0]  # 0: an indicator that nothing has
    notes.insert(
        0, f"Pearson r (two-sided p) over n = {', '.join(map(str, sizes))} datasets; ***, **, *: p below 1%, 5%, 10%."
    )
    exact_columns = correlations.drop(columns="key")
    exact = [exact_cells(row) for row in exact_columns.itertuples(index=False)]
    title = "Correlation of quality indicators with performance"
    header = list(exact_columns.columns)
    return Table("table15", title, ["", *dimensions], rows, notes=notes, exact=exact, exact_header=header)


def table_15_extended(table: pd.DataFrame, bootstrap: pd.DataFrame | None = None) -> Table:
    """Return Table 15 under statistics for few datasets and many tests, a cell a row.

    Args:
        table: as `robust_statistics` gives it.
        bootstrap: intervals as `bootstrap_intervals` gives them, if there are predictions.
    """
    header = ["Indicator", "Column", "n", "r", "p", "q (BH)", "p permutation", "ρ", "p of ρ", "r, one left out"]
    rows = []
    for row in table.itertuples():
        values = (row.r, row.p, row.q, row.p_permutation, row.rho, row.p_rho)
        shown = [format_number(value, 3) for value in values]
        rows.append([row.indicator, row.dimension, str(row.n), *shown, _range(row.r_low, row.r_high)])
    names = ["indicator", "dimension", "n", "r", "p", "q", "p_permutation", "rho", "p_rho", "r_low", "r_high", "reason"]
    exact = [exact_cells(row) for row in table[names].astype({"n": float}).itertuples(index=False)]
    defined = table[table.p.notna() & table.q.notna()]
    below = {name: int((defined[name] < 0.05).sum()) for name in ("p", "q", "p_permutation")}
    notes = [
        f"{len(defined)} tests are defined. Below 5%: {below['p']} by p, {below['q']} after Benjamini-Hochberg,"
        f" {below['p_permutation']} by exact permutation."
    ]
    if len(table) and table.n.max() <= 4:
        notes.append(
            "With n = 4 there are 24 orders: an exact permutation p is a multiple of 1/24 = 0.042, and"
            " rank correlation takes few values."
        )
    if bootstrap is not None and len(bootstrap):
        header.append("95% bootstrap")
        intervals = {(row.indicator, row.dimension): _range(row.low, row.high) for row in bootstrap.itertuples()}
        for line, row in zip(rows, table.itertuples(), strict=True):
            line.append(intervals.get((row.indicator, row.dimension), ""))
        notes.append("Bootstrap: questions resampled within a column, the same for all runs; datasets stay fixed.")
    title = "Correlations under statistics for few datasets and many tests"
    return Table("table15_extended", title, header, rows, notes=notes, exact=exact, exact_header=names)


def figure_5(correlations: pd.DataFrame, title: str) -> Figure:
    """Draw a heat map of r, indicators x columns, with stars; undefined cells show a dash."""
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
                text = EMPTY if np.isnan(r) else f"{r:.2f}{marks}"
                axes.text(j, i, text, ha="center", va="center", color="white" if abs(r) > _DARK else "#222222")
        axes.set_xticks(range(len(columns)), columns)
        axes.set_yticks(range(len(rows)), [indicator_title(row) for row in rows])
        axes.tick_params(length=0)
        axes.xaxis.tick_top()
        axes.spines[:].set_visible(False)
        axes.set_title(title, fontsize=9, pad=12)
        figure.colorbar(image, ax=axes, label="Pearson r", fraction=0.03, pad=0.02)
    return figure


def undefined_notes(label: str, cells: pd.DataFrame) -> list[str]:
    """Return a sentence for each reason why cells of a row are undefined, naming the columns if not all are.

    Args:
        label: name of the row.
        cells: index the columns of the table, with a column `reason`.
    """
    notes = []
    for reason in dict.fromkeys(cells.reason[cells.reason != ""]):
        where = "" if (cells.reason == reason).all() else " with " + ", ".join(cells.index[cells.reason == reason])
        notes.append(f"{label}{where} is undefined: {reason}.")
    return notes


def _r_cell(cell: pd.Series) -> str:
    if cell.reason:
        return ""
    p = format_number(cell.p, 3) if cell.p >= 0.0005 else "<0.001"
    return f"{format_number(cell.r, 3)} ({p}{cell.stars})"


def _with_std(mean: float, std: float) -> str:
    return format_number(mean, 1) + (f" ± {format_number(std, 1)}" if np.isfinite(std) and np.isfinite(mean) else "")


def _short(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.4g}"


def _range(low: float, high: float) -> str:
    return "" if np.isnan(low) else f"{format_number(low, 3)} to {format_number(high, 3)}"


def _reasons(quality: Quality) -> list[str]:
    by_reason: dict[str, list[str]] = {}
    for (data, key), reason in quality.reasons.items():
        by_reason.setdefault(reason, []).append(f"{key} of {data}")
    return [f"Empty: {', '.join(cells)} ({reason})." for reason, cells in by_reason.items()]
