"""The paper's sentences about its tables, each checked against the tables themselves."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from vlit.analysis.measurements import Quality, Scores
from vlit.analysis.names import INDICATOR_BY_KEY, OVERALL
from vlit.analysis.published import Published, read_rows

CONFIRMED, PARTLY, REFUTED, UNTESTABLE = "confirmed", "partly confirmed", "not confirmed", "not testable"
_COMPARED, _OURS, _FILTERED = ("LLaVA", "MIMIC-IT"), "Ours", "Ours+QC"


@dataclass(frozen=True)
class Claim:
    """A statement (in our words, with its section), the verdict, and the counts behind it."""

    statement: str
    where: str
    verdict: str
    evidence: str

    def as_dict(self) -> dict[str, str]:
        """For JSON."""
        return asdict(self)


def check_claims(published: Published, bold: Path) -> list[Claim]:
    """Every claim the tables can confirm or not; a claim about an absent dataset is `not testable`."""
    scores, quality = published.scores, published.quality
    claims = [
        _beats(scores, (_OURS,), _COMPARED, "The constructed data outperforms the two others in most metrics"),
        _beats(scores, (_FILTERED,), (*_COMPARED, _OURS), "With quality control the results are better still"),
        _overall_best(scores),
        _filter_improves(quality),
        _bold(scores, quality, bold),
        _consistent(published.icc),
        *_correlations(published.correlations, len(quality.values)),
    ]
    return [
        claim if claim is not None else Claim("A claim about datasets that are absent here", "5.1.4", UNTESTABLE, "")
        for claim in claims
    ]


def _beats(scores: Scores, who: tuple[str], others: tuple[str, ...], statement: str) -> Claim | None:
    if not {*who, *others} <= set(scores.datasets):
        return None
    wins = ties = losses = 0
    lost = []
    for model in scores.models:
        block = scores.mean.loc[model]
        if not {*who, *others} <= set(block.index):
            continue
        best = block.loc[list(others)].max()
        difference = block.loc[who[0]] - best
        wins, ties = wins + int((difference > 1e-9).sum()), ties + int((difference.abs() <= 1e-9).sum())
        losses += int((difference < -1e-9).sum())
        lost += [f"{model} {column}" for column in difference.index[difference < -1e-9]]
    verdict = CONFIRMED if wins > ties + losses else PARTLY if wins + ties > losses else REFUTED
    evidence = (
        f"{who[0]} against the best of {', '.join(others)}, over models and columns: {wins} higher, {ties}"
        f" equal, {losses} lower"
        f"{' (' + ', '.join(lost) + ')' if lost else ''}. Whether a difference is significant can't be told without"
        " question-level answers or repeated runs, which the paper doesn't give."
    )
    return Claim(statement, "5.1.4, Table 3", verdict, evidence)


def _overall_best(scores: Scores) -> Claim | None:
    if _FILTERED not in scores.datasets or OVERALL not in scores.columns:
        return None
    best = {model: scores.mean.loc[model][OVERALL].idxmax() for model in scores.models}
    right = sum(name == _FILTERED for name in best.values())
    evidence = "highest Overall: " + ", ".join(f"{model}: {name}" for model, name in best.items())
    verdict = CONFIRMED if right == len(best) else PARTLY if right else REFUTED
    return Claim(
        "The quality-controlled data has the best Overall for every model", "5.1.4, Table 3", verdict, evidence
    )


def _filter_improves(quality: Quality) -> Claim | None:
    if not {_OURS, _FILTERED} <= set(quality.values.index):
        return None
    better: list[str] = []
    same: list[str] = []
    worse: list[str] = []
    for key in quality.keys:
        change = quality.values.loc[_FILTERED, key] - quality.values.loc[_OURS, key]
        known = INDICATOR_BY_KEY.get(key)
        change = change if known is None or known.higher_is_better else -change
        if pd.notna(change):
            (same if change == 0 else better if change > 0 else worse).append(key)
    groups = {"better": better, "equal": same, "worse": worse}
    evidence = "; ".join(f"{name}: {', '.join(keys) or 'none'}" for name, keys in groups.items())
    return Claim("Quality control improves the indicators", "4.2.3, Table 4", REFUTED if worse else CONFIRMED, evidence)


def _bold(scores: Scores, quality: Quality, path: Path) -> Claim | None:
    if not path.is_file():
        return None
    wrong, checked = [], 0
    for row in read_rows(path, ("table", "model", "data", "column")):
        if row["table"] == "3":
            if row["model"] not in scores.models or row["column"] not in scores.columns:
                continue
            block, higher = scores.mean.loc[row["model"]][row["column"]], True
        elif row["column"] in quality.keys:
            block, higher = quality.values[row["column"]], INDICATOR_BY_KEY[row["column"]].higher_is_better
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
    return Claim("Bold marks the best of a block", "Tables 3 and 4", PARTLY if wrong else CONFIRMED, evidence)


def _consistent(icc: pd.DataFrame) -> Claim | None:
    """Koo and Li (2016), which the paper cites: below 0.5 poor, to 0.75 moderate, to 0.9 good, above excellent."""
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
    return Claim(
        "A dataset's results agree essentially or highly between models",
        "5.1.4, Table 4",
        PARTLY if poor else CONFIRMED,
        evidence,
    )


def _grade(value: float) -> str:
    return "poor" if value < 0.5 else "moderate" if value < 0.75 else "good" if value < 0.9 else "excellent"


def _correlations(table: pd.DataFrame, datasets: int) -> list[Claim | None]:
    balance, others = table[table.indicator == "Bal"], table[table.indicator != "Bal"]
    claims: list[Claim | None] = []
    if len(others):
        positive, significant = int((others.r > 0).sum()), int((others.p < 0.05).sum())
        evidence = (
            f"{positive} of {len(others)} published correlations (without Balance) are positive,"
            f" {significant} have p < 0.05 before"
            f" any correction for {len(table)} tests, with {datasets} datasets behind each. A positive r"
            f" is an association, not"
            " proportionality."
        )
        verdict = CONFIRMED if positive > len(others) / 2 else REFUTED
        claims.append(Claim("Most indicators go up with performance", "5.1.4, Table 15", verdict, evidence))
    if len(balance):
        negative = int((balance.r < 0).sum())
        evidence = (
            f"{negative} of {len(balance)} published correlations with Balance are negative; Overall's is"
            f" {_first(balance, OVERALL)}; {int((balance.p < 0.1).sum())} have p < 0.1."
        )
        verdict = CONFIRMED if negative > len(balance) / 2 else REFUTED
        claims.append(Claim("Balance is inversely proportional to performance", "5.1.4, Table 15", verdict, evidence))
    spatial = table[table.dimension == "SR"].set_index("indicator").r
    if {"OC", "IC"} <= set(spatial.index):
        top = list(spatial.abs().sort_values(ascending=False).index[:2])
        evidence = f"the two largest |r| of SR are {', '.join(f'{name} {spatial[name]}' for name in top)}"
        verdict = CONFIRMED if set(top) == {"OC", "IC"} else REFUTED
        claims.append(
            Claim(
                "Spatial Relation goes mostly with the two complexity indicators", "5.1.4, Table 15", verdict, evidence
            )
        )
    return claims


def _first(table: pd.DataFrame, dimension: str) -> str:
    values = table[table.dimension == dimension].r
    return f"{values.iloc[0]}" if len(values) else "absent"
