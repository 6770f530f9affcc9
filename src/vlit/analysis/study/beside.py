"""Our grid beside the paper's: the same tables, and what agrees, computed and said without comment."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from vlit.analysis.measurements import Quality, Scores
from vlit.analysis.names import OVERALL, indicator_row
from vlit.analysis.published import Published
from vlit.analysis.statistics.reliability import correlate, pair, why_undefined
from vlit.analysis.tables.table import EMPTY, Table, as_markdown, number

TITLE = "# Our grid beside the paper's\n"
CAVEAT = (
    "The paper tunes models of billions of parameters on real data. Ours are models of a few million on a generated"
    " world, and its datasets are imitations in the same formats: agreement of levels is not to be expected, and"
    " agreement of order would be no replication.\n"
)
SE_WIDTH = 1.96


def beside(published: Published, quality: Quality, scores: Scores) -> str:
    """The page, in Markdown."""
    ours = correlate(quality, scores)
    parts = [TITLE, CAVEAT, "## What agrees and what does not\n"]
    parts += [f"- {line}" for line in findings(published, quality, scores, ours)]
    parts += ["", as_markdown(_performance(published.scores, scores)), as_markdown(_indicators(published, quality))]
    return "\n".join([*parts, as_markdown(_correlations(published.correlations, ours))])


def findings(published: Published, quality: Quality, scores: Scores, ours: pd.DataFrame) -> list[str]:
    """One computed sentence each on levels, order of datasets, the best dataset, quality, and correlations."""
    theirs = published.scores
    lines = [_order(model, theirs, scores) for model in scores.models if model in theirs.models]
    lines += [_quality_order(key, published.quality, quality) for key in quality.keys if key in published.quality.keys]
    lines.append(_signs(published.correlations, ours))
    return [line for line in lines if line]


def _order(model: str, theirs: Scores, ours: Scores) -> str:
    a, b = (each.mean.loc[model][OVERALL].dropna() for each in (theirs, ours))
    common = [data for data in a.index if data in b.index]
    if len(common) < 3:
        return f"{model}: {len(common)} datasets in common, too few to compare an order."
    rho = float(stats.spearmanr(a[common], b[common]).statistic)
    best = (str(a[common].idxmax()), str(b[common].idxmax()))
    told = f"{model}: order of {len(common)} datasets by Overall, rho = {number(rho, 2)}. "
    same = f"Best in both: {best[0]}." if best[0] == best[1] else f"Best in the paper {best[0]}, here {best[1]}."
    return told + same + _certainty(model, best[1], common, ours)


def _certainty(model: str, best: str, common: list[str], ours: Scores) -> str:
    """Whether our best is further ahead of the second than the seeds' noise."""
    second = str(ours.mean.loc[model][OVERALL][common].drop(best).idxmax())
    lead = float(ours.mean.loc[(model, best), OVERALL] - ours.mean.loc[(model, second), OVERALL])
    error = sum(ours.std.loc[(model, name), OVERALL] ** 2 / ours.seeds[model, name] for name in (best, second)) ** 0.5
    if np.isnan(error):
        return f" Here it leads {second} by {number(lead, 1)} points, with one seed."
    verdict = "more" if lead > SE_WIDTH * error else "not more"
    return f" Here it leads {second} by {number(lead, 1)} points, {verdict} than 1.96 standard errors over seeds."


def _quality_order(key: str, theirs: Quality, ours: Quality) -> str:
    x, y = pair(theirs.values[key], ours.values[key])
    if why_undefined(x, y):
        return f"{indicator_row(key)}: no order to compare ({why_undefined(x, y)})."
    rho = float(stats.spearmanr(x, y).statistic)
    return f"{indicator_row(key)}: order of {len(x)} datasets, rho = {number(rho, 2)}."


def _signs(theirs: pd.DataFrame, ours: pd.DataFrame) -> str:
    both = theirs.merge(ours, on=["indicator", "dimension"], suffixes=("_paper", "_ours")).dropna(
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
        f" not independent, so the binomial p of {number(test.pvalue, 3)} is too small); of {len(marked)} cells below"
        f" 5% in the paper, {again} are below 5% with the same sign here."
    )


def _performance(theirs: Scores, ours: Scores) -> Table:
    rows = []
    for place in ours.mean.index:
        cells = []
        for column in ours.columns:
            known = place in theirs.mean.index and column in theirs.mean.columns
            paper = number(theirs.mean.loc[place, column], 1) if known else ""
            cells.append(f"{number(ours.mean.loc[place, column], 1) or EMPTY} / {paper or EMPTY}")
        rows.append([*place, *cells])
    return Table("beside3", "Table 3: ours / the paper's", ["MLLM", "VLIT data", *ours.columns], rows)


def _indicators(published: Published, ours: Quality) -> Table:
    theirs = published.quality.values
    keys = [key for key in ours.keys if key in theirs.columns]
    rows = []
    for data in ours.values.index:
        told = [(ours.values.loc[data, key], theirs.loc[data, key] if data in theirs.index else np.nan) for key in keys]
        rows.append([str(data), *(" / ".join(EMPTY if np.isnan(v) else f"{v:.4g}" for v in pair_) for pair_ in told)])
    return Table("beside4", "Table 4: ours / the paper's", ["Dataset", *keys], rows)


def _correlations(theirs: pd.DataFrame, ours: pd.DataFrame) -> Table:
    both = theirs.merge(ours, on=["indicator", "dimension"], suffixes=("_paper", "_ours"))
    columns = list(dict.fromkeys(both.dimension))
    rows = []
    for indicator in dict.fromkeys(both.indicator):
        cells = both[both.indicator == indicator].set_index("dimension")
        shown = [
            f"{number(cells.loc[c, 'r_ours'], 2) or EMPTY} / {number(cells.loc[c, 'r_paper'], 2) or EMPTY}"
            for c in columns
        ]
        rows.append([indicator, *shown])
    return Table("beside15", "Table 15, r: ours / the paper's", ["", *columns], rows)
