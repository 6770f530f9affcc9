"""The audit: each published derived number recomputed from published inputs, and what rounding allows."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from vlit.analysis.audit.claims import check_claims
from vlit.analysis.audit.intervals import (
    DIFFERS,
    ICC_HALF,
    P_HALF,
    R_HALF,
    SLACK,
    IntervalBox,
    Range,
    icc_range,
    indicator_box,
    pearson_range,
    score_box,
)
from vlit.analysis.audit.question_counts import audit_counts, audit_overall
from vlit.analysis.audit.repair import audit_column_repairs, audit_joint, correlation_table, icc_repairs
from vlit.analysis.audit.witness import audit_empty_cells
from vlit.analysis.measurements import INDICATOR_BY_ROW, SEED_BENCH_COUNTS
from vlit.analysis.published import PublishedTables
from vlit.analysis.statistics.correlation import LEAST, LEVELS, correlate, significance_stars
from vlit.analysis.statistics.reliability import icc, icc_of_every_form, why_icc_undefined
from vlit.evaluation.seed_bench import OVERALL

EXACT, NOT_COMPUTABLE = "exact", "not computable"
VERDICTS = (
    "Verdicts: `exact` (the inputs as printed give the printed number), `within rounding` (other inputs that round to"
    " the printed ones do; such inputs were found), `differs` (provably none do), `undecided` (neither was shown), and"
    " `not computable` (an input is lost). Rounding is taken as to the nearest, ties either way."
)


@dataclass(frozen=True)
class Finding:
    """A published number and what the audit found of it.

    Attributes:
        kind: `icc`, `correlation` or `p`.
        item: the number's name, as in `r(MD, SU)`.
        published: value as printed.
        recomputed: value from the inputs as printed; None where an input is lost.
        verdict: one of `VERDICTS`.
        rounding: the largest distance from `recomputed` that the printed decimals of the inputs are known to allow.
        attained: range of values with inputs found for them.
        outer: range outside of which no inputs lead.
        note: why it is not computable, or how it was computed.
        details: what the item is made of.
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


def audit_published(published: PublishedTables, bold: Path) -> dict[str, Any]:
    """Return everything the audit found, ready for JSON.

    Args:
        published: the paper's tables.
        bold: CSV of the cells printed in bold.
    """
    iccs = _audit_icc(published)
    correlations = _audit_correlations(published)
    p_values = _audit_p(published, correlations)
    joint, explained = audit_joint(published)
    scores = published.scores
    return {
        "verdicts": VERDICTS,
        "summary": {
            kind: _tally(found) for kind, found in (("icc", iccs), ("correlation", correlations), ("p", p_values))
        },
        "findings": [asdict(finding) for finding in (*iccs, *correlations, *p_values)],
        "icc_forms": _icc_forms(published),
        "icc_repairs": _icc_repairs(published, iccs),
        "joint": joint,
        "column_repairs": audit_column_repairs(published, joint),
        "stars": _audit_stars(published.correlations),
        "overall": audit_overall(scores, SEED_BENCH_COUNTS),
        "grim": audit_counts(scores, SEED_BENCH_COUNTS),
        "inferred": audit_empty_cells(published, correlation_table(published), explained),
        "claims": [asdict(claim) for claim in check_claims(published, bold)],
    }


def p_value(r: float, n: int) -> float:
    """Return the two-sided p of Pearson's r of n points under normality."""
    if abs(r) >= 1:
        return 0.0
    return float(2 * stats.t.sf(abs(r) * np.sqrt((n - 2) / (1 - r * r)), n - 2))


def _audit_icc(published: PublishedTables) -> list[Finding]:
    findings = []
    for data, row in published.icc.iterrows():
        for name, average in (("ICC_single", False), ("ICC_average", True)):
            if np.isnan(row[name]):
                continue
            item, printed = f"{name} of {data}", float(row[name])
            if data not in published.scores.datasets:
                findings.append(_not_computable("icc", item, printed, "no scores of this dataset"))
                continue
            table = published.scores.of(str(data))
            computed = icc(table)
            if computed.reason:
                findings.append(_not_computable("icc", item, printed, computed.reason))
                continue
            value = computed.average if average else computed.single
            half = published.scores.half_unit.xs(data, level="data").loc[table.columns].T.to_numpy()
            bounds = icc_range(table.to_numpy(), half, average)
            findings.append(_finding("icc", item, printed, value, bounds, half_unit=ICC_HALF, details={"data": data}))
    return findings


def _icc_forms(published: PublishedTables) -> list[dict[str, Any]]:
    """Return every ICC type, with and without Overall, models or columns as raters, next to the published one."""
    rows = []
    for data in published.icc.dropna().index:
        if data not in published.scores.datasets:
            continue
        table = published.scores.of(data)
        without = table.drop(index=OVERALL, errors="ignore")
        printed = (published.icc.loc[data, "ICC_single"], published.icc.loc[data, "ICC_average"])
        for targets, raters, one in (
            ("columns with Overall", "models", table),
            ("columns without Overall", "models", without),
            ("models", "columns with Overall", table.T),
            ("models", "columns without Overall", without.T),
        ):
            forms = icc_of_every_form(one)
            for name in [name for name in forms if name.endswith("1)")]:
                pair = (forms[name], forms[name.replace(",1)", ",k)")])
                row = {"data": data, "targets": targets, "raters": raters, "form": name}
                row |= {"single": round(pair[0], 6), "average": round(pair[1], 6)}
                fits = all(abs(a - b) <= ICC_HALF + SLACK for a, b in zip(pair, printed, strict=True))
                rows.append({**row, "matches": bool(fits)})
    return rows


def _icc_repairs(published: PublishedTables, findings: list[Finding]) -> list[dict[str, Any]]:
    rows = []
    for data in {f.details["data"]: None for f in findings if f.verdict == DIFFERS and f.item.startswith("ICC_single")}:
        table = published.scores.of(data)
        if not why_icc_undefined(table):
            found = icc_repairs(table, data, float(published.icc.loc[data, "ICC_single"]))
            rows += [asdict(repair) for repair in found]
    return rows


def _audit_correlations(published: PublishedTables) -> list[Finding]:
    computed = correlate(published.quality, published.scores).set_index(["indicator", "dimension"])
    datasets, findings = published.scores.datasets, []
    for row in published.correlations.itertuples():
        item, key = f"r({row.indicator}, {row.dimension})", (row.indicator, row.dimension)
        details = {"indicator": row.indicator, "dimension": row.dimension}
        if key not in computed.index:
            findings.append(_not_computable("correlation", item, float(row.r), "no such inputs", details))
            continue
        if computed.loc[key, "reason"] or computed.loc[key, "n"] < len(datasets):
            note = computed.loc[key, "reason"] or "an input is lost"
            findings.append(_not_computable("correlation", item, float(row.r), note, details))
            continue
        x = indicator_box(published.quality, [INDICATOR_BY_ROW[row.indicator].key], datasets)
        y = score_box(published.scores, [row.dimension])
        bounds = pearson_range(IntervalBox(x.low[0], x.high[0]), IntervalBox(y.low[0], y.high[0]))
        value = computed.loc[key, "r"]
        findings.append(_finding("correlation", item, row.r, value, bounds, half_unit=R_HALF, details=details))
    return findings


def _audit_p(published: PublishedTables, correlations: list[Finding]) -> list[Finding]:
    """Return p from the printed r (all of them), then what the inputs allow where r could be recomputed."""
    n = len(published.scores.datasets)
    findings = []
    for row, r in zip(published.correlations.itertuples(), correlations, strict=True):
        item = f"p({row.indicator}, {row.dimension})"
        if n < LEAST:
            findings.append(_not_computable("p", item, float(row.p), "fewer than three datasets"))
            continue
        bounds = _p_range(row.r - R_HALF, row.r + R_HALF, n)
        details = {"r_verdict": r.verdict}
        value = p_value(row.r, n)
        finding = _finding("p", item, row.p, value, Range(*bounds, *bounds), half_unit=P_HALF, details=details)
        note = f"from the printed r with n = {n}" + ("; with n = 4, p is 1 - |r|" if n == 4 else "")
        findings.append(replace(finding, note=note))
    return findings


def _p_range(low: float, high: float, n: int) -> tuple[float, float]:
    largest = 1.0 if low <= 0 <= high else p_value(min(abs(low), abs(high)), n)
    return p_value(min(1.0, max(abs(low), abs(high))), n), largest


def _audit_stars(table: pd.DataFrame) -> dict[str, Any]:
    """Return whether marks follow from the printed p; a p that rounds onto a level allows both sides."""
    wrong = []
    for row in table.itertuples():
        allowed = {significance_stars(p) for p in (row.p, row.p - P_HALF, row.p + P_HALF)}
        if row.stars not in allowed:
            wrong.append(f"({row.indicator}, {row.dimension}): p {row.p} is marked {row.stars!r}")
    counts = {mark: int((table.stars == mark).sum()) for _, mark in LEVELS}
    adjusted = stats.false_discovery_control(np.clip(table.p, 0, 1), method="bh")
    below = {"p": int((table.p < 0.05).sum()), "q": int((adjusted < 0.05).sum()), "q_10": int((adjusted < 0.10).sum())}
    return {"checked": len(table), "wrong": wrong, "marks": counts, "below_5_percent": below}


def _not_computable(kind: str, item: str, printed: float, note: str, details: dict[str, Any] | None = None) -> Finding:
    return Finding(kind, item, printed, None, NOT_COMPUTABLE, note=note, details=details or {})


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
    verdicts = [finding.verdict for finding in findings]
    return {verdict: verdicts.count(verdict) for verdict in dict.fromkeys(verdicts)}
