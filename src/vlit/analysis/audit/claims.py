"""The paper's sentences about its tables, each checked against the tables themselves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from vlit.analysis.measurements import Quality, Scores, higher_is_better
from vlit.analysis.published import PublishedTables, read_rows
from vlit.evaluation.seed_bench import OVERALL
from vlit.quality.indicators.registry import BY_KEY

CONFIRMED, PARTLY, REFUTED, UNTESTABLE = "confirmed", "partly confirmed", "not confirmed", "not testable"
_COMPARED, _OURS, _FILTERED = ("LLaVA", "MIMIC-IT"), "Ours", "Ours+QC"


@dataclass(frozen=True)
class CheckedClaim:
    """A statement of the paper and whether its tables confirm it.

    Attributes:
        statement: the claim, in our words.
        where: section and table.
        verdict: `confirmed`, `partly confirmed`, `not confirmed` or `not testable`.
        evidence: the counts behind the verdict.
    """

    statement: str
    where: str
    verdict: str
    evidence: str


def check_claims(published: PublishedTables, bold: Path) -> list[CheckedClaim]:
    """Return every claim that the tables can confirm or not; a claim about an absent dataset is `not testable`.

    Args:
        published: the paper's tables.
        bold: CSV of the cells printed in bold.
    """
    scores, quality = published.scores, published.quality
    claims = [
        _beats(scores, _OURS, _COMPARED, "The constructed data outperforms the two others in most metrics"),
        _beats(scores, _FILTERED, (*_COMPARED, _OURS), "With quality control the results are better still"),
        _overall_best(scores),
        _filter_improves(quality),
        _bold(scores, quality, bold),
        _consistent(published.icc),
        *_correlations(published.correlations, len(quality.values)),
    ]
    untestable = CheckedClaim("A claim about datasets that are absent here", "5.1.4", UNTESTABLE, "")
    return [claim or untestable for claim in claims]


def _beats(scores: Scores, data: str, others: tuple[str, ...], statement: str) -> CheckedClaim | None:
    if not {data, *others} <= set(scores.datasets):
        return None
    wins = ties = losses = 0
    lost = []
    for model in scores.models:
        block = scores.mean.loc[model]
        if not {data, *others} <= set(block.index):
            continue
        best = block.loc[list(others)].max()
        difference = block.loc[data] - best
        wins, ties = wins + int((difference > 1e-9).sum()), ties + int((difference.abs() <= 1e-9).sum())
        losses += int((difference < -1e-9).sum())
        lost += [f"{model} {column}" for column in difference.index[difference < -1e-9]]
    verdict = CONFIRMED if wins > ties + losses else PARTLY if wins + ties > losses else REFUTED
    evidence = (
        f"{data} against the best of {', '.join(others)}, over models and columns: {wins} higher, {ties}"
        f" equal, {losses} lower"
        f"{' (' + ', '.join(lost) + ')' if lost else ''}. Whether a difference is significant can't be told without"
        " question-level answers or repeated runs, which the paper doesn't give."
    )
    return CheckedClaim(statement, "5.1.4, Table 3", verdict, evidence)


def _overall_best(scores: Scores) -> CheckedClaim | None:
    if _FILTERED not in scores.datasets or OVERALL not in scores.columns:
        return None
    best = {model: scores.mean.loc[model][OVERALL].idxmax() for model in scores.models}
    right = sum(name == _FILTERED for name in best.values())
    evidence = "highest Overall: " + ", ".join(f"{model}: {name}" for model, name in best.items())
    verdict = CONFIRMED if right == len(best) else PARTLY if right else REFUTED
    return CheckedClaim(
        "The quality-controlled data has the best Overall for every model", "5.1.4, Table 3", verdict, evidence
    )


def _filter_improves(quality: Quality) -> CheckedClaim | None:
    if not {_OURS, _FILTERED} <= set(quality.values.index):
        return None
    better: list[str] = []
    same: list[str] = []
    worse: list[str] = []
    for key in quality.keys:
        change = quality.values.loc[_FILTERED, key] - quality.values.loc[_OURS, key]
        change = change if higher_is_better(key) else -change
        if pd.notna(change):
            (same if change == 0 else better if change > 0 else worse).append(key)
    groups = {"better": better, "equal": same, "worse": worse}
    evidence = "; ".join(f"{name}: {', '.join(keys) or 'none'}" for name, keys in groups.items())
    return CheckedClaim(
        "Quality control improves the indicators", "4.2.3, Table 4", REFUTED if worse else CONFIRMED, evidence
    )


def _bold(scores: Scores, quality: Quality, path: Path) -> CheckedClaim | None:
    if not path.is_file():
        return None
    wrong, checked = [], 0
    for row in read_rows(path, ("table", "model", "data", "column")):
        if row["table"] == "3":
            if row["model"] not in scores.models or row["column"] not in scores.columns:
                continue
            block, higher = scores.mean.loc[row["model"]][row["column"]], True
        elif row["column"] in quality.keys:
            block, higher = quality.values[row["column"]], higher_is_better(row["column"])
        else:
            continue
        if row["data"] not in block.index:
            continue
        checked += 1
        best = block.max() if higher else block.min()
        if block[row["data"]] != best:
            place = f"{row['model']} {row['column']}".strip()
            wrong.append(f"{place}: {row['data']} {block[row['data']]} is bold, but {block.idxmax()} has {best}")
    evidence = f"{checked} bold cells can be seen in the text of the paper (others are lost in it);"
    evidence += f" {len(wrong)} are not the best"
    evidence += f" ({'; '.join(wrong)})" if wrong else ""
    return CheckedClaim("Bold marks the best of a block", "Tables 3 and 4", PARTLY if wrong else CONFIRMED, evidence)


def _consistent(icc: pd.DataFrame) -> CheckedClaim | None:
    """Grade the ICCs by Koo and Li (2016), whom the paper cites: below 0.5 poor, 0.75 moderate, 0.9 good."""
    icc = icc.dropna()
    if icc.empty:
        return None
    words = [
        f"{data}: single {row.ICC_single:.4f} ({_grade(row.ICC_single)}), average {row.ICC_average:.4f}"
        f" ({_grade(row.ICC_average)})"
        for data, row in icc.iterrows()
    ]
    poor = [data for data, row in icc.iterrows() if row.ICC_single < 0.5]
    evidence = "; ".join(words) + ". Grades are those of Koo and Li (2016), whom the paper cites."
    return CheckedClaim(
        "A dataset's results agree essentially or highly between models",
        "5.1.4, Table 4",
        PARTLY if poor else CONFIRMED,
        evidence,
    )


def _grade(value: float) -> str:
    return "poor" if value < 0.5 else "moderate" if value < 0.75 else "good" if value < 0.9 else "excellent"


def _correlations(table: pd.DataFrame, datasets: int) -> list[CheckedClaim | None]:
    is_balance = table.indicator == BY_KEY["Balance"].row
    balance, others = table[is_balance], table[~is_balance]
    claims: list[CheckedClaim | None] = []
    if len(others):
        positive, significant = int((others.r > 0).sum()), int((others.p < 0.05).sum())
        evidence = (
            f"{positive} of {len(others)} published correlations (without Balance) are positive, {significant} have p <"
            f" 0.05 before any correction for {len(table)} tests, with {datasets} datasets behind each. A positive r is"
            " an association, not proportionality."
        )
        verdict = CONFIRMED if positive > len(others) / 2 else REFUTED
        claims.append(CheckedClaim("Most indicators go up with performance", "5.1.4, Table 15", verdict, evidence))
    if len(balance):
        negative = int((balance.r < 0).sum())
        evidence = (
            f"{negative} of {len(balance)} published correlations with Balance are negative; Overall's is"
            f" {_first(balance, OVERALL)}; {int((balance.p < 0.1).sum())} have p < 0.1."
        )
        verdict = CONFIRMED if negative > len(balance) / 2 else REFUTED
        statement = "Balance is inversely proportional to performance"
        claims.append(CheckedClaim(statement, "5.1.4, Table 15", verdict, evidence))
    spatial = table[table.dimension == "SR"].set_index("indicator").r
    complexity = {BY_KEY["OG"].row, BY_KEY["I_cx"].row}
    if complexity <= set(spatial.index):
        top = list(spatial.abs().sort_values(ascending=False).index[:2])
        evidence = f"the two largest |r| of SR are {', '.join(f'{name} {spatial[name]}' for name in top)}"
        verdict = CONFIRMED if set(top) == complexity else REFUTED
        statement = "Spatial Relation goes mostly with the two complexity indicators"
        claims.append(CheckedClaim(statement, "5.1.4, Table 15", verdict, evidence))
    return claims


def _first(table: pd.DataFrame, dimension: str) -> str:
    values = table[table.dimension == dimension].r
    return f"{values.iloc[0]}" if len(values) else "absent"
