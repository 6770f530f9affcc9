"""The audit as text a reader can check line by line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vlit.analysis.tables.table import Table, as_markdown, number

_KINDS = {
    "icc": "ICC (Table 4)",
    "correlation": "Correlations (Table 15)",
    "p": "p-values (Table 15, from the printed r)",
}


def audit_markdown(audit: dict[str, Any]) -> str:
    """The whole audit in Markdown."""
    parts = [
        "# Audit of the published numbers",
        audit["verdicts"],
        "## In short",
        "\n".join(f"- {s}" for s in in_short(audit)),
    ]
    parts += [part for table in audit_tables(audit) for part in (f"## {table.title}", _without_caption(table))]
    return "\n\n".join(parts) + "\n"


def in_short(audit: dict[str, Any]) -> list[str]:
    """The findings in a few sentences, each from the numbers of the audit."""
    lines = []
    for kind, counts in audit["summary"].items():
        if counts:
            lines.append(
                f"{_KINDS[kind]}: " + ", ".join(f"{count} {verdict}" for verdict, count in counts.items()) + "."
            )
    matching = [row for row in audit["icc_forms"] if row["matches"]]
    forms = {(row["form"], row["targets"], row["raters"]) for row in matching}
    data = {row["data"] for row in audit["icc_forms"]}
    for form, targets, raters in sorted(forms):
        right = [r["data"] for r in matching if (r["form"], r["targets"], r["raters"]) == (form, targets, raters)]
        lines.append(
            f"{form} with {targets} as targets and {raters} as raters gives {len(right)} of {len(data)}"
            f" published ICC pairs."
        )
    differing = [f["item"] for f in audit["findings"] if f["verdict"] == "differs"]
    if differing:
        lines.append(
            f"Provably not a matter of rounding, if the tables' inputs are the ones used: {', '.join(differing)}."
        )
    unexplained = [row["columns"] for row in audit["joint"] if not row["explained"]]
    if unexplained:
        lines.append(
            f"For {', '.join(unexplained)}, no single set of unrounded inputs was found that gives the whole column;"
            " where no cell of a column differs on its own, this is a search without success, not a proof."
        )
    together = [row for row in audit["joint"] if "+" in row["columns"] and row["explained"]]
    lines += [
        f"One set of unrounded inputs gives all {r['tests']} correlations of {r['columns'].replace(' + ', ', ')}."
        for r in together
    ]
    lines += _overall_lines(audit["overall"]) + _grim_lines(audit["grim"])
    wrong = audit["stars"]["wrong"]
    lines.append(
        f"Stars: {audit['stars']['checked']} checked against the printed p, {len(wrong)}"
        f" wrong{': ' if wrong else '.'}{'; '.join(wrong)}"
    )
    below = audit["stars"]["below_5_percent"]
    lines.append(
        f"Of the {audit['stars']['checked']} printed p-values {below['p']} are below 5%; after"
        f" Benjamini-Hochberg {below['q']} are"
        f" (and {below['q_10']} below 10%)."
    )
    return lines


def audit_tables(audit: dict[str, Any]) -> list[Table]:
    """The audit's tables, for Markdown and HTML alike."""
    return [
        _findings(audit, "icc", 4),
        _forms(audit),
        _icc_repairs(audit),
        _findings(audit, "correlation", 3),
        _joint(audit),
        _column_repairs(audit),
        _inferred(audit),
        _overall(audit),
        _grim(audit),
        _claims(audit),
        _findings(audit, "p", 3),
    ]


def _findings(audit: dict[str, Any], kind: str, decimals: int) -> Table:
    header = [
        "Number",
        "Published",
        "Recomputed",
        "Verdict",
        "Rounding allows ±",
        "Attained range",
        "Certain bounds",
        "Note",
    ]
    rows = [
        [
            f["item"],
            number(f["published"], decimals),
            number(f["recomputed"], decimals + 1),
            f["verdict"],
            number(f["rounding"], 4),
            _range(f["attained"]),
            _range(f["outer"]),
            f["note"],
        ]
        for f in audit["findings"]
        if f["kind"] == kind
    ]
    bold = {(line, 3) for line, row in enumerate(rows) if row[3] == "differs"}
    return Table(f"audit_{kind}", _KINDS[kind], header, rows, bold)


def _forms(audit: dict[str, Any]) -> Table:
    header = ["Form", "Targets", "Raters", *dict.fromkeys(row["data"] for row in audit["icc_forms"]), "Match"]
    grouped: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in audit["icc_forms"]:
        grouped.setdefault((row["form"], row["targets"], row["raters"]), []).append(row)
    rows = [
        [
            *key,
            *(f"{number(r['single'], 4)} / {number(r['average'], 4)}" for r in group),
            str(sum(r["matches"] for r in group)),
        ]
        for key, group in grouped.items()
    ]
    rows.sort(key=lambda row: -int(row[-1]))
    return Table("audit_icc_forms", "Which ICC it is: every form, single / average measures", header, rows)


def _icc_repairs(audit: dict[str, Any]) -> Table:
    header = ["Dataset", "Model", "Column", "Printed", "Would have to be", "ICC then"]
    rows = [
        [
            r["data"],
            r["model"],
            r["column"],
            number(r["printed"], 1),
            number(r["needed"], 1),
            number(r["icc_single"], 6),
        ]
        for r in audit["icc_repairs"]
    ]
    notes = [
        "All other cells as printed; every one-decimal percentage was tried in every cell. A repair is"
        " possible, not proven."
    ]
    return Table(
        "audit_icc_repairs", "Single cells of Table 3 that would repair a differing ICC", header, rows, notes=notes
    )


def _joint(audit: dict[str, Any]) -> Table:
    header = ["Columns", "Correlations", "One set of inputs found", "Largest miss"]
    rows = [[r["columns"], str(r["tests"]), _yes(r["explained"]), number(r["largest_miss"], 4)] for r in audit["joint"]]
    notes = ["Only indicators complete in Table 4. A set that is found proves; one that isn't found doesn't disprove."]
    return Table("audit_joint", "Do the correlations of a column fit together?", header, rows, notes=notes)


def _column_repairs(audit: dict[str, Any]) -> Table:
    header = ["Column", "Dataset", "Change of one cell", "What it does to the ICC"]
    rows = [
        [r["column"], r["data"], f"{number(r['smallest'], 1)} to {number(r['largest'], 1)}", r["icc"]]
        for r in audit["column_repairs"]
    ]
    notes = [
        "Correlations use the mean over models, so the dataset can be named but not the model. Possible, not proven."
    ]
    title = "Single cells of Table 3 that would repair a column of Table 15"
    return Table("audit_column_repairs", title, header, rows, notes=notes)


def _inferred(audit: dict[str, Any]) -> Table:
    header = ["Indicator", "Empty cell", "Range (inferred)", "Confirmed pairs", "Not excluded"]
    rows = []
    for found in audit["inferred"]["indicators"]:
        for place, data in enumerate(found["unknown"]):
            span = found["range"].get(data)
            pairs = _pairs(found["confirmed"]) if place == 0 else ""
            rest = f"{len(found['open'])} more" if place == 0 else ""
            rows.append([found["indicator"], data, f"{span[0]} to {span[1]}" if span else "none fits", pairs, rest])
    notes = [audit["inferred"]["method"]] + [
        f"{f['indicator']}: pairs are ({', '.join(f['unknown'])}); columns used: {', '.join(f['columns'])}."
        for f in audit["inferred"]["indicators"]
    ]
    return Table("audit_inferred", "Empty cells of Table 4, inferred from Table 15", header, rows, notes=notes)


def _overall(audit: dict[str, Any]) -> Table:
    o = audit["overall"]
    title = "Overall as a weighted mean of the dimensions: distance in percentage points"
    if "reason" in o:
        return Table("audit_overall", title, ["Result"], [[o["reason"]]])
    labelled, equal = o["columns_as_labelled"], o["equal_weights"]
    rows = [
        [
            "SEED-Bench's question counts, columns as labelled",
            number(labelled["largest"], 3),
            number(labelled["rms"], 3),
        ]
    ]
    rows.append(["equal weights", number(equal["largest"], 3), number(equal["rms"], 3)])
    rows.append(["best non-negative weights there are (linear program)", number(o["any_weights"]["largest"], 3), ""])
    if "best_swap" in o:
        swap = o["best_swap"]
        rows.append([f"counts of {' and '.join(swap['columns'])} exchanged (best exchange of two)", *_two(swap)])
        for measure in ("largest", "rms"):
            best = o[f"best_by_{measure}"][0]
            gets = ", ".join(f"{column} as {name}" for column, name in best["gets"].items() if column != name)
            rows.append([f"best of {o['assignments']:,} assignments by {measure}: {gets}", *_two(best)])
    notes = [f"Rounding of Overall and of the dimensions allows {number(o['allowed'], 2)}."]
    return Table("audit_overall", title, ["Weights", "Largest", "Root mean square"], rows, notes=notes)


def _grim(audit: dict[str, Any]) -> Table:
    header = [
        "Column",
        "SEED-Bench",
        "Impossible there (nearest)",
        "Impossible there (cut off)",
        "Impossible, mean of 1-5 runs",
    ]
    header += ["Smallest counts that fit all", "Counts up to 1000 that fit"]
    rows = []
    for g in audit["grim"]:
        runs = g.get("impossible_as_mean_of_runs", {})
        rows.append(
            [
                g["column"],
                str(g["seed_bench"] or ""),
                _list(g["nearest"].get("impossible", [])),
                _list(g["down"].get("impossible", [])),
                ", ".join(str(count) for count in runs.values()),
                _list(g["nearest"]["smallest"]),
                f"{g['nearest']['fitting']} of {g['nearest']['tried']}",
            ]
        )
    notes = [
        "A percentage with one decimal can't be every number: k of n questions must round to it. From"
        " 1000 questions on all are"
        " possible, so large dimensions can't be tested. Fractional credit or unequal repeats would void the test."
    ]
    return Table("audit_grim", "GRIM: which numbers of questions fit the percentages", header, rows, notes=notes)


def _claims(audit: dict[str, Any]) -> Table:
    rows = [[c["statement"], c["where"], c["verdict"], c["evidence"]] for c in audit["claims"]]
    return Table(
        "audit_claims", "Claims in the paper's text", ["Claim (in our words)", "Where", "Verdict", "Evidence"], rows
    )


def _overall_lines(overall: dict[str, Any]) -> list[str]:
    if "reason" in overall:
        return [f"Overall: {overall['reason']}."]
    if overall["is_weighted_mean_as_labelled"]:
        return ["Overall is the mean of the dimensions weighted by SEED-Bench's question counts, within rounding."]
    line = (
        f"Overall isn't the mean weighted by SEED-Bench's question counts (off by up to"
        f" {number(overall['columns_as_labelled']['largest'], 2)} points)"
    )
    if overall["is_weighted_mean_at_all"]:
        return [line + "; other weights do fit."]
    return [
        line + f"; no non-negative weights come closer than {number(overall['any_weights']['largest'], 2)} points in"
        f" every row, while rounding explains {number(overall['allowed'], 2)}. This holds for any order of the columns."
    ]


def _grim_lines(grim: list[dict[str, Any]]) -> list[str]:
    bad = [(g["column"], len(g["nearest"]["impossible"]), g["values"]) for g in grim if g["nearest"].get("impossible")]
    if not bad:
        return ["GRIM: every percentage is possible with SEED-Bench's question counts."]
    listed = ", ".join(f"{column} ({count} of {values} values)" for column, count, values in bad)
    return [f"GRIM: impossible as one run over SEED-Bench's own number of questions: {listed}."]


def _two(fit: dict[str, Any]) -> list[str]:
    return [number(fit["largest"], 3), number(fit["rms"], 3)]


def _pairs(pairs: Iterable[Iterable[float]]) -> str:
    return ", ".join(f"({', '.join(map(str, pair))})" for pair in pairs)


def _range(pair: tuple[float, float] | None) -> str:
    return f"{number(pair[0], 4)} to {number(pair[1], 4)}" if pair else ""


def _list(values: Iterable[float]) -> str:
    return ", ".join(map(str, values))


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _without_caption(table: Table) -> str:
    return as_markdown(table).split("\n", 2)[2] if table.rows else "None."
