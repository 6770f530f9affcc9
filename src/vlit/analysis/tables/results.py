"""Tables 3, 4 and 15: performance, quality with ICC, and their correlation."""

from __future__ import annotations

import numpy as np
import pandas as pd

from vlit.analysis.measurements import Quality, Scores
from vlit.analysis.names import INDICATOR_BY_KEY, INDICATOR_BY_ROW
from vlit.analysis.statistics.reliability import DEFAULT_FORM, FORMS, Icc, icc
from vlit.analysis.tables.table import Table, number


def table_3(scores: Scores) -> Table:
    """Performance of each dataset in each model; the best of each block is bold, ties included (paper Table 3)."""
    rows: list[list[str]] = []
    exact: list[list[str]] = []
    bold: set[tuple[int, int]] = set()
    blocks: set[int] = set()
    for model in scores.models:
        block = scores.mean.loc[model]
        blocks.add(len(rows))
        best = block.max()
        for data in [name for name in scores.datasets if name in block.index]:
            place = (model, data)
            for column, name in enumerate(scores.columns, start=2):
                if block.loc[data, name] == best[name]:
                    bold.add((len(rows), column))
            shown = [_with_std(scores.mean.loc[place, c], scores.std.loc[place, c]) for c in scores.columns]
            rows.append([model, data, *shown])
            pairs = [
                repr_number(v) for c in scores.columns for v in (scores.mean.loc[place, c], scores.std.loc[place, c])
            ]
            exact.append([model, data, str(scores.seeds[place]), *pairs, "; ".join(scores.sources.get(place, []))])
    header = ["model", "data", "seeds", *(name for c in scores.columns for name in (c, f"{c} std")), "sources"]
    notes = []
    if scores.counts:
        notes.append(
            "Questions: " + ", ".join(f"{c} {scores.counts[c]}" for c in scores.columns if c in scores.counts) + "."
        )
    if (scores.seeds > 1).any():
        counts = scores.seeds
        notes.append(f"Mean ± standard deviation over {_span(counts.min(), counts.max())} seeds.")
    elif rows:
        notes.append("One result a cell, so no standard deviation.")
    title = "Performance of different VLIT data in each MLLM (accuracy, percent; best of each block in bold)"
    return Table(
        "table03", title, ["MLLM", "VLIT data", *scores.columns], rows, bold, blocks - {0}, notes, exact, header
    )


def table_4(quality: Quality, scores: Scores, form: str = DEFAULT_FORM) -> Table:
    """Quality indicators and the ICC of each dataset; empty cells stay empty with their reason (paper Table 4)."""
    datasets = list(dict.fromkeys([*scores.datasets, *quality.values.index]))
    values = quality.values.reindex(datasets)
    iccs = {data: icc(scores.of(data), form) if data in scores.datasets else None for data in datasets}
    rows: list[list[str]] = []
    exact: list[list[str]] = []
    bold: set[tuple[int, int]] = set()
    for data in datasets:
        agreement = iccs[data]
        pair = (agreement.single, agreement.average) if agreement else (np.nan, np.nan)
        for place, key in enumerate(values.columns, start=1):
            if pd.notna(values.loc[data, key]) and values.loc[data, key] == _best(values[key], key):
                bold.add((len(rows), place))
        rows.append([data, *(_short(values.loc[data, key]) for key in values.columns), *(number(v, 4) for v in pair)])
        exact.append([data, *(repr_number(values.loc[data, key]) for key in values.columns), *map(repr_number, pair)])
    arrows = [
        f"{key} {'↑' if key not in INDICATOR_BY_KEY or INDICATOR_BY_KEY[key].higher_is_better else '↓'}"
        for key in values
    ]
    single, average = FORMS[form]
    notes = [
        f"ICC: {form}, {single} (SM) and {average} (AM); targets are the columns of Table 3 with Overall,"
        f" raters the models."
    ]
    notes += _reasons(quality) + [f"ICC of {d}: {a.reason}." for d, a in iccs.items() if a and a.reason]
    header = ["data", *values.columns, "ICC_single", "ICC_average"]
    title = "Quality of different VLIT data, and agreement between models (ICC)"
    return Table("table04", title, ["Dataset", *arrows, "SM", "AM"], rows, bold, set(), notes, exact, header)


def table_4_extended(scores: Scores) -> Table:
    """Every ICC form with its 95% interval, and its spread over single seeds where there is more than one."""
    rows, exact = [], []
    for data in scores.datasets:
        for form in FORMS:
            agreement = icc(scores.of(data), form)
            seeds = icc_per_seed(scores, data, form)
            values = list(seeds.values())
            spread = f"{number(min(values), 4)} to {number(max(values), 4)} ({len(values)})" if len(values) > 1 else ""
            cells = [
                (agreement.single, agreement.single_interval),
                (agreement.average, agreement.average_interval),
            ]
            rows.append(
                [
                    data,
                    form,
                    *(text for v, ci in cells for text in (number(v, 4), _interval(ci))),
                    spread,
                    agreement.reason,
                ]
            )
            low_high = [repr_number(x) for v, ci in cells for x in (v, *ci)]
            exact.append([data, form, *low_high, "; ".join(f"{k}: {v!r}" for k, v in seeds.items()), agreement.reason])
    header = [
        "Dataset",
        "Form",
        "Single",
        "95% interval",
        "Average",
        "95% interval",
        "Single, over seeds",
        "Undefined because",
    ]
    names = [
        "data",
        "form",
        "single",
        "single_low",
        "single_high",
        "average",
        "average_low",
        "average_high",
        "seeds",
        "reason",
    ]
    notes = ["Intervals: 95%, from the F distribution (pingouin, which rounds them to two decimals)."]
    title = "Agreement between models in every ICC form"
    return Table("table04_extended", title, header, rows, notes=notes, exact=exact, exact_header=names)


def icc_per_seed(scores: Scores, data: str, form: str = DEFAULT_FORM) -> dict[str, float]:
    """The single-measures ICC within each seed that all models share; empty with one seed."""
    block = scores.per_seed.xs(data, level="data")
    seeds = list(dict.fromkeys(block.index.get_level_values("seed")))
    found = {}
    for seed in seeds if len(seeds) > 1 else []:
        one: Icc = icc(block.xs(seed, level="seed")[scores.columns].T, form)
        if not one.reason and len(block.xs(seed, level="seed")) == len(scores.of(data).columns):
            found[str(seed)] = one.single
    return found


def table_15(correlations: pd.DataFrame) -> Table:
    """R with p and stars for each indicator and column, the paper's seven indicators (paper Table 15)."""
    paper = correlations[
        [row not in INDICATOR_BY_ROW or INDICATOR_BY_ROW[row].in_table_15 for row in correlations.indicator]
    ]
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
    exact = [[*map(_text, row)] for row in correlations.drop(columns="key").itertuples(index=False)]
    title = "Correlation of quality indicators with performance"
    header = list(correlations.drop(columns="key").columns)
    return Table("table15", title, ["", *dimensions], rows, notes=notes, exact=exact, exact_header=header)


def undefined_notes(label: str, cells: pd.DataFrame) -> list[str]:
    """A sentence for each reason why cells of a row (index: columns) are undefined, with the columns if not all are."""
    notes = []
    for reason in dict.fromkeys(cells.reason[cells.reason != ""]):
        where = "" if (cells.reason == reason).all() else " with " + ", ".join(cells.index[cells.reason == reason])
        notes.append(f"{label}{where} is undefined: {reason}.")
    return notes


def repr_number(value: float) -> str:
    """A number with all its digits; empty for a missing one."""
    return "" if np.isnan(value) else repr(float(value))


def _text(value: object) -> str:
    return repr_number(value) if isinstance(value, float) else str(value)


def _r_cell(cell: pd.Series) -> str:
    return (
        ""
        if cell.reason
        else f"{number(cell.r, 3)} ({number(cell.p, 3) if cell.p >= 0.0005 else '<0.001'}{cell.stars})"
    )


def _with_std(mean: float, std: float) -> str:
    return number(mean, 1) + (f" ± {number(std, 1)}" if np.isfinite(std) and np.isfinite(mean) else "")


def _best(values: pd.Series, key: str) -> float:
    higher = key not in INDICATOR_BY_KEY or INDICATOR_BY_KEY[key].higher_is_better
    return float(values.max() if higher else values.min())


def _short(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.4g}"


def _interval(pair: tuple[float, float]) -> str:
    return "" if pair[0] != pair[0] else f"{pair[0]:.2f} to {pair[1]:.2f}"


def _span(low: int, high: int) -> str:
    return str(low) if low == high else f"{low} to {high}"


def _reasons(quality: Quality) -> list[str]:
    by_reason: dict[str, list[str]] = {}
    for (data, key), reason in quality.reasons.items():
        by_reason.setdefault(reason, []).append(f"{key} of {data}")
    return [f"Empty: {', '.join(cells)} ({reason})." for reason, cells in by_reason.items()]
