"""Our grid next to the paper's: the same tables, and what agrees, computed and reported without comment."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from vlit.analysis.measurements import Quality, Scores, indicator_row
from vlit.analysis.published import PublishedTables
from vlit.analysis.statistics.correlation import correlate, paired_values, why_r_undefined
from vlit.analysis.table import EMPTY, Table, as_markdown, format_number
from vlit.evaluation.seed_bench import OVERALL

TITLE = "# Our grid beside the paper's\n"
CAVEAT = (
    "The paper tunes models of billions of parameters on real data. Ours are models of a few million on a generated"
    " world, and its datasets are imitations in the same formats: agreement of levels is not to be expected, and"
    " agreement of order would be no replication.\n"
)
SE_WIDTH = 1.96


def comparison_page(published: PublishedTables, quality: Quality, scores: Scores) -> str:
    """Return the page, in Markdown.

    Args:
        published: the paper's tables.
        quality: our indicators.
        scores: our performance.
    """
    ours = correlate(quality, scores)
    tables = [
        _performance(published.scores, scores),
        _indicators(published, quality),
        _correlations(published.correlations, ours),
    ]
    lines = [f"- {line}" for line in agreement(published, quality, scores, ours)]
    return "\n".join(
        [TITLE, CAVEAT, "## What agrees and what does not\n", *lines, "", *(as_markdown(table) for table in tables)]
    )


def agreement(published: PublishedTables, quality: Quality, scores: Scores, ours: pd.DataFrame) -> list[str]:
    """Return a computed sentence each on order of datasets, the best dataset, quality, and correlations.

    Args:
        published: the paper's tables.
        quality: our indicators.
        scores: our performance.
        ours: our correlations, as `correlate` gives them.
    """
    paper = published.scores
    lines = [_order(model, paper, scores) for model in scores.models if model in paper.models]
    lines += [_quality_order(key, published.quality, quality) for key in quality.keys if key in published.quality.keys]
    lines.append(_signs(published.correlations, ours))
    return [line for line in lines if line]


def _order(model: str, paper: Scores, ours: Scores) -> str:
    a, b = (each.mean.loc[model][OVERALL].dropna() for each in (paper, ours))
    common = [data for data in a.index if data in b.index]
    if len(common) < 3:
        return f"{model}: {len(common)} datasets in common, too few to compare an order."
    rho = float(stats.spearmanr(a[common], b[common]).statistic)
    best = (str(a[common].idxmax()), str(b[common].idxmax()))
    order = f"{model}: order of {len(common)} datasets by Overall, rho = {format_number(rho, 2)}. "
    same = f"Best in both: {best[0]}." if best[0] == best[1] else f"Best in the paper {best[0]}, here {best[1]}."
    return order + same + _certainty(model, best[1], common, ours)


def _certainty(model: str, best: str, common: list[str], ours: Scores) -> str:
    """Return whether the lead of our best dataset over the second is larger than the seeds' noise."""
    second = str(ours.mean.loc[model][OVERALL][common].drop(best).idxmax())
    lead = float(ours.mean.loc[(model, best), OVERALL] - ours.mean.loc[(model, second), OVERALL])
    error = sum(ours.std.loc[(model, name), OVERALL] ** 2 / ours.seeds[model, name] for name in (best, second)) ** 0.5
    if np.isnan(error):
        return f" Here it leads {second} by {format_number(lead, 1)} points, with one seed."
    verdict = "more" if lead > SE_WIDTH * error else "not more"
    return (
        f" Here it leads {second} by {format_number(lead, 1)} points, {verdict} than 1.96 standard errors over seeds."
    )


def _quality_order(key: str, paper: Quality, ours: Quality) -> str:
    x, y = paired_values(paper.values[key], ours.values[key])
    if why_r_undefined(x, y):
        return f"{indicator_row(key)}: no order to compare ({why_r_undefined(x, y)})."
    rho = float(stats.spearmanr(x, y).statistic)
    return f"{indicator_row(key)}: order of {len(x)} datasets, rho = {format_number(rho, 2)}."


def _signs(paper: pd.DataFrame, ours: pd.DataFrame) -> str:
    both = paper.merge(ours, on=["indicator", "dimension"], suffixes=("_paper", "_ours")).dropna(
        subset=["r_paper", "r_ours"]
    )
    if both.empty:
        return "Table 15: no cell is defined in both."
    same = int((np.sign(both.r_paper) == np.sign(both.r_ours)).sum())
    test = stats.binomtest(same, len(both))
    marked = both[(both.p_paper < 0.05)]
    again = int(((marked.p_ours < 0.05) & (np.sign(marked.r_paper) == np.sign(marked.r_ours))).sum())
    return (
        f"Table 15: r has the same sign in {same} of {len(both)} cells defined in both (half would be chance; cells are"
        f" not independent, so the binomial p of {format_number(test.pvalue, 3)} is too small); of {len(marked)} cells"
        f" below 5% in the paper, {again} are below 5% with the same sign here."
    )


def _performance(paper: Scores, ours: Scores) -> Table:
    rows = []
    for key in ours.mean.index:
        cells = []
        for column in ours.columns:
            known = key in paper.mean.index and column in paper.mean.columns
            cells.append(_both(ours.mean.loc[key, column], paper.mean.loc[key, column] if known else None, 1))
        rows.append([*key, *cells])
    return Table("comparison03", "Table 3: ours / the paper's", ["MLLM", "VLIT data", *ours.columns], rows)


def _indicators(published: PublishedTables, ours: Quality) -> Table:
    paper = published.quality.values
    keys = [key for key in ours.keys if key in paper.columns]
    rows = []
    for data in ours.values.index:
        pairs = [(ours.values.loc[data, key], paper.loc[data, key] if data in paper.index else np.nan) for key in keys]
        cells = [" / ".join(EMPTY if np.isnan(value) else f"{value:.4g}" for value in pair) for pair in pairs]
        rows.append([str(data), *cells])
    return Table("comparison04", "Table 4: ours / the paper's", ["Dataset", *keys], rows)


def _correlations(paper: pd.DataFrame, ours: pd.DataFrame) -> Table:
    both = paper.merge(ours, on=["indicator", "dimension"], suffixes=("_paper", "_ours"))
    columns = list(dict.fromkeys(both.dimension))
    rows = []
    for indicator in dict.fromkeys(both.indicator):
        cells = both[both.indicator == indicator].set_index("dimension")
        rows.append([indicator, *(_both(cells.loc[c, "r_ours"], cells.loc[c, "r_paper"], 2) for c in columns)])
    return Table("comparison15", "Table 15, r: ours / the paper's", ["", *columns], rows)


def _both(ours: float, paper: float | None, decimals: int) -> str:
    return f"{format_number(ours, decimals) or EMPTY} / {format_number(paper, decimals) or EMPTY}"
