"""The audit: each published derived number recomputed from published inputs, and what rounding allows.

Verdicts: `exact` (the inputs as printed give the printed number), `within rounding` (other inputs that round to the
printed ones do; such inputs were found), `differs` (provably none do), `undecided` (neither was shown), and
`not computable` (an input is lost). Rounding is taken as to the nearest, ties either way.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from vlit.analysis.audit.claims import check_claims
from vlit.analysis.audit.intervals import SLACK, Box, Range, icc_range, pearson_range
from vlit.analysis.audit.question_counts import audit_counts, audit_overall
from vlit.analysis.audit.repair import icc_repairs, mean_repairs
from vlit.analysis.audit.witness import METHOD, MOST_UNKNOWN, infer, joint_witness
from vlit.analysis.names import INDICATOR_BY_ROW, SEED_BENCH_COUNTS
from vlit.analysis.published import Published
from vlit.analysis.statistics.reliability import LEVELS, constant, correlate, every_form, icc, stars, undefined

R_HALF, P_HALF, ICC_HALF = 0.0005, 0.0005, 0.00005  # Table 15 is printed to 3 decimals, the ICC to 4
EXACT, WITHIN, DIFFERS, NOT_COMPUTABLE = "exact", "within rounding", "differs", "not computable"


@dataclass(frozen=True)
class Finding:
    """One published number and what became of it.

    Attributes:
        rounding: the largest distance from `recomputed` that the printed decimals of the inputs are known to allow.
        attained: range of values with inputs found for them.
        outer: range outside of which no inputs lead.
    """

    kind: str
    item: str
    published: float
    recomputed: float | None
    verdict: str
    rounding: float | None = None
    attained: tuple[float, float] | None = None
    outer: tuple[float, float] | None = None
    note: str = ""
    details: dict[str, Any] = field(default_factory=dict)


def audit(published: Published, bold: Path) -> dict[str, Any]:
    """Everything the audit found, ready for JSON.

    Args:
        published: the paper's tables.
        bold: CSV of the cells printed in bold.
    """
    iccs = _audit_icc(published)
    correlations = _audit_correlations(published)
    p_values = _audit_p(published, correlations)
    joint, explained = _audit_joint(published)
    findings = [*iccs, *correlations, *p_values]
    kinds = ("icc", "correlation", "p")
    summary = {kind: _tally([finding for finding in findings if finding.kind == kind]) for kind in kinds}
    scores = published.scores
    return {
        "verdicts": __doc__.split("\n\n", 1)[1].strip().replace("\n", " ") if __doc__ else "",
        "summary": summary,
        "findings": [asdict(finding) for finding in findings],
        "icc_forms": _icc_forms(published),
        "icc_repairs": _icc_repairs(published, iccs),
        "joint": joint,
        "column_repairs": _column_repairs(published, joint),
        "stars": _audit_stars(published),
        "overall": audit_overall(scores, SEED_BENCH_COUNTS),
        "grim": audit_counts(scores, SEED_BENCH_COUNTS),
        "inferred": _inferred(published, explained),
        "claims": [claim.as_dict() for claim in check_claims(published, bold)],
    }


def _audit_icc(published: Published) -> list[Finding]:
    findings = []
    for data, row in published.icc.iterrows():
        for name, average in (("ICC_single", False), ("ICC_average", True)):
            if np.isnan(row[name]):
                continue
            item = f"{name} of {data}"
            if data not in published.scores.datasets:
                findings.append(
                    Finding("icc", item, float(row[name]), None, NOT_COMPUTABLE, note="no scores of this dataset")
                )
                continue
            table = published.scores.of(str(data))
            computed = icc(table)
            if computed.reason:
                findings.append(Finding("icc", item, float(row[name]), None, NOT_COMPUTABLE, note=computed.reason))
                continue
            value = computed.average if average else computed.single
            half = published.scores.half_unit.xs(data, level="data").loc[table.columns].T.to_numpy()
            bounds = icc_range(table.to_numpy(), half, average)
            findings.append(_finding("icc", item, row[name], value, bounds, half_unit=ICC_HALF, details={"data": data}))
    return findings


def _icc_forms(published: Published) -> list[dict[str, Any]]:
    """Every ICC type, with and without Overall, models or columns as raters, beside the published one."""
    rows = []
    for data in published.icc.dropna().index:
        if data not in published.scores.datasets:
            continue
        table = published.scores.of(data)
        without = table.drop(index="Overall", errors="ignore")
        for targets, raters, one in (
            ("columns with Overall", "models", table),
            ("columns without Overall", "models", without),
            ("models", "columns with Overall", table.T),
            ("models", "columns without Overall", without.T),
        ):
            forms = every_form(one)
            single = [name for name in forms if name.endswith("1)")]
            for name in single:
                average = name.replace(",1)", ",k)")
                pair = (published.icc.loc[data, "ICC_single"], published.icc.loc[data, "ICC_average"])
                fits = (
                    abs(forms[name] - pair[0]) <= ICC_HALF + SLACK and abs(forms[average] - pair[1]) <= ICC_HALF + SLACK
                )
                rows.append(
                    {
                        "data": data,
                        "targets": targets,
                        "raters": raters,
                        "form": name,
                        "single": round(forms[name], 6),
                        "average": round(forms[average], 6),
                        "matches": bool(fits),
                    }
                )
    return rows


def _icc_repairs(published: Published, findings: list[Finding]) -> list[dict[str, Any]]:
    rows = []
    for data in {f.details["data"]: None for f in findings if f.verdict == DIFFERS and f.item.startswith("ICC_single")}:
        table = published.scores.of(data)
        if undefined(table):
            continue
        rows += [asdict(repair) for repair in icc_repairs(table, data, float(published.icc.loc[data, "ICC_single"]))]
    return rows


def _audit_correlations(published: Published) -> list[Finding]:
    computed = correlate(published.quality, published.scores).set_index(["indicator", "dimension"])
    findings = []
    for row in published.correlations.itertuples():
        item, key = f"r({row.indicator}, {row.dimension})", (row.indicator, row.dimension)
        details = {"indicator": row.indicator, "dimension": row.dimension}
        if key not in computed.index:
            findings.append(
                Finding("correlation", item, float(row.r), None, NOT_COMPUTABLE, note="no such inputs", details=details)
            )
            continue
        if computed.loc[key, "reason"] or computed.loc[key, "n"] < len(published.scores.datasets):
            note = computed.loc[key, "reason"] or "an input is lost"
            findings.append(
                Finding("correlation", item, float(row.r), None, NOT_COMPUTABLE, note=note, details=details)
            )
            continue
        x = _indicator_box(published, [INDICATOR_BY_ROW[row.indicator].key])
        y = _score_box(published, [row.dimension])
        bounds = pearson_range(Box(x.low[0], x.high[0]), Box(y.low[0], y.high[0]))
        findings.append(
            _finding("correlation", item, row.r, computed.loc[key, "r"], bounds, half_unit=R_HALF, details=details)
        )
    return findings


def _audit_p(published: Published, correlations: list[Finding]) -> list[Finding]:
    """P from the printed r (all of them), then what the inputs allow where r could be recomputed."""
    n = len(published.scores.datasets)
    findings = []
    for row, r in zip(published.correlations.itertuples(), correlations, strict=True):
        item = f"p({row.indicator}, {row.dimension})"
        if n < 3:
            findings.append(Finding("p", item, float(row.p), None, NOT_COMPUTABLE, note="fewer than three datasets"))
            continue
        p = p_value(row.r, n)
        bounds = _p_range(row.r - R_HALF, row.r + R_HALF, n)
        note = f"from the printed r with n = {n}" + ("; with n = 4, p is 1 - |r|" if n == 4 else "")
        finding = _finding(
            "p", item, row.p, p, Range(*bounds, *bounds), half_unit=P_HALF, details={"r_verdict": r.verdict}
        )
        findings.append(Finding(**{**asdict(finding), "note": note}))
    return findings


def p_value(r: float, n: int) -> float:
    """Two-sided p of Pearson's r under normality."""
    if abs(r) >= 1:
        return 0.0
    return float(2 * stats.t.sf(abs(r) * np.sqrt((n - 2) / (1 - r * r)), n - 2))


def _p_range(low: float, high: float, n: int) -> tuple[float, float]:
    largest = 1.0 if low <= 0 <= high else p_value(min(abs(low), abs(high)), n)
    return p_value(min(1.0, max(abs(low), abs(high))), n), largest


def _audit_stars(published: Published) -> dict[str, Any]:
    """Whether marks follow from the printed p; a p that rounds onto a level allows both sides."""
    wrong, table = [], published.correlations
    for row in table.itertuples():
        allowed = {stars(row.p), stars(row.p - P_HALF), stars(row.p + P_HALF)}
        if row.stars not in allowed:
            wrong.append(f"({row.indicator}, {row.dimension}): p {row.p} is marked {row.stars!r}")
    counts = {mark: int((table.stars == mark).sum()) for _, mark in LEVELS}
    adjusted = stats.false_discovery_control(np.clip(table.p, 0, 1), method="bh")
    below = {"p": int((table.p < 0.05).sum()), "q": int((adjusted < 0.05).sum()), "q_10": int((adjusted < 0.10).sum())}
    return {"checked": len(table), "wrong": wrong, "marks": counts, "below_5_percent": below}


def _audit_joint(published: Published) -> tuple[list[dict[str, Any]], list[str]]:
    """Per column, then for all explained columns: can the complete indicators give all correlations at once?"""
    rows, explained = [], []
    table, names = _complete(published)
    for column in [c for c in published.scores.columns if c in table.columns] if names else []:
        target = table.loc[names, [column]].to_numpy()
        x, y = _indicator_box(published, [INDICATOR_BY_ROW[n].key for n in names]), _score_box(published, [column])
        witness = joint_witness(x, y, target, R_HALF)
        works = bool(witness.explains(R_HALF))
        explained += [column] if works else []
        rows.append(
            {"columns": column, "tests": len(names), "explained": works, "largest_miss": round(witness.largest, 6)}
        )
    if len(explained) > 1:
        x, y = _indicator_box(published, [INDICATOR_BY_ROW[n].key for n in names]), _score_box(published, explained)
        witness = joint_witness(x, y, table.loc[names, explained].to_numpy(), R_HALF)
        rows.append(
            {
                "columns": " + ".join(explained),
                "tests": len(names) * len(explained),
                "explained": bool(witness.explains(R_HALF)),
                "largest_miss": round(witness.largest, 6),
            }
        )
    return rows, explained


def _column_repairs(published: Published, joint: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Single cells that would mend a column of Table 15, and what they would do to the dataset's ICC."""
    table, names = _complete(published)
    scores, rows = published.scores, []
    for column in [row["columns"] for row in joint if not row["explained"] and row["columns"] in scores.columns]:
        x, y = _indicator_box(published, [INDICATOR_BY_ROW[n].key for n in names]), _score_box(published, [column])
        repairs = mean_repairs(
            x,
            Box(y.low[0], y.high[0]),
            table.loc[names, column].to_numpy(),
            R_HALF,
            cells=len(scores.models),
            names=(column, list(scores.datasets)),
        )
        rows += [
            {**asdict(found), "icc": _icc_after(published, found.data, column, found.smallest, found.largest)}
            for found in repairs
        ]
    return rows


def _icc_after(published: Published, data: str, column: str, smallest: float, largest: float) -> str:
    """Whether some change in the range leaves, or makes, the dataset's published single ICC."""
    if data not in published.icc.index or np.isnan(published.icc.loc[data, "ICC_single"]):
        return "no published ICC to compare with"
    target, fits = float(published.icc.loc[data, "ICC_single"]), []
    table = published.scores.of(data)
    if undefined(table):
        return f"no ICC: {undefined(table)}"
    half = published.scores.half_unit.xs(data, level="data").loc[table.columns].T.to_numpy()
    for model in table.columns:
        for change in np.arange(round(smallest * 10), round(largest * 10) + 1) / 10:
            altered = table.to_numpy(copy=True)
            altered[table.index.get_loc(column), table.columns.get_loc(model)] += change
            if icc_range(altered, half, average=False).verdict(target, ICC_HALF) == WITHIN:
                fits.append(model)
                break
    return (
        f"published ICC of {data} stays within rounding if it is the cell of {', '.join(fits)}"
        if fits
        else "published ICC of the dataset no longer comes out"
    )


def _inferred(published: Published, explained: list[str]) -> dict[str, Any]:
    quality, results = published.quality, []
    table = _correlation_table(published)
    datasets = published.scores.datasets
    for row, indicator in INDICATOR_BY_ROW.items():
        if indicator.key not in quality.keys or row not in table.index or not explained:
            continue
        values = quality.values[indicator.key].reindex(datasets)
        half = quality.half_unit[indicator.key].reindex(datasets)
        if not 0 < values.isna().sum() <= MOST_UNKNOWN or values.notna().sum() < 2:
            continue
        found = infer(
            row,
            Box.around(values.to_numpy(), half.to_numpy()),
            datasets,
            scores=_score_box(published, explained),
            published=table.loc[row, explained].to_numpy(),
            half_unit=R_HALF,
        )
        results.append({**asdict(found), "range": found.ranges(), "columns": explained})
    return {"method": METHOD, "indicators": results}


def _complete(published: Published) -> tuple[pd.DataFrame, list[str]]:
    """Published correlations, and the rows whose indicator has a value for every dataset."""
    table, datasets = _correlation_table(published), published.scores.datasets
    names = []
    for row in table.index:
        key = INDICATOR_BY_ROW[row].key if row in INDICATOR_BY_ROW else row
        if key in published.quality.keys and len(datasets) >= 3:
            values = published.quality.values[key].reindex(datasets)
            if values.notna().all() and np.ptp(values.to_numpy()) > 0:
                names.append(row)
    means = published.scores.dataset_means
    usable = [
        c for c in table.columns if c in means.columns and means[c].notna().all() and not constant(means[c].to_numpy())
    ]
    return table[usable], names


def _correlation_table(published: Published) -> pd.DataFrame:
    order = list(dict.fromkeys(published.correlations.indicator))
    return published.correlations.pivot(index="indicator", columns="dimension", values="r").loc[order]


def _indicator_box(published: Published, keys: list[str]) -> Box:
    values = published.quality.values.loc[published.scores.datasets, keys].T.to_numpy()
    return Box.around(values, published.quality.half_unit.loc[published.scores.datasets, keys].T.to_numpy())


def _score_box(published: Published, columns: list[str]) -> Box:
    """Means over models: their half unit is the mean of the cells' half units."""
    scores = published.scores
    half = scores.half_unit.groupby(level="data").mean().loc[scores.datasets, columns]
    return Box.around(scores.dataset_means[columns].T.to_numpy(), half.T.to_numpy())


def _finding(
    kind: str, item: str, printed: float, value: float, bounds: Range, *, half_unit: float, details: dict[str, Any]
) -> Finding:
    verdict = EXACT if abs(value - printed) <= half_unit + SLACK else bounds.verdict(printed, half_unit)
    return Finding(
        kind,
        item,
        float(printed),
        float(value),
        verdict,
        float(max(value - bounds.low, bounds.high - value)),
        (float(bounds.low), float(bounds.high)),
        (float(bounds.outer_low), float(bounds.outer_high)),
        details=details,
    )


def _tally(findings: list[Finding]) -> dict[str, int]:
    return {
        verdict: sum(f.verdict == verdict for f in findings) for verdict in dict.fromkeys(f.verdict for f in findings)
    }
