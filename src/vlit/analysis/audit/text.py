"""The audit as sentences and tables that a reader can check line by line."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from vlit.analysis.audit.intervals import DIFFERS
from vlit.analysis.table import Table, as_markdown, format_number

_KINDS = {
    "icc": "ICC (Table 4)",
    "correlation": "Correlations (Table 15)",
    "p": "p-values (Table 15, from the printed r)",
}
_DECIMALS = {"icc": 4, "correlation": 3, "p": 3}


def audit_markdown(audit: dict[str, Any]) -> str:
    """Return the whole audit in Markdown.

    Args:
        audit: as `audit_published` gives it.
    """
    short = "\n".join(f"- {sentence}" for sentence in in_short(audit))
    parts = ["# Audit of the published numbers", audit["verdicts"], "## In short", short]
    parts += [part for table in audit_tables(audit) for part in (f"## {table.title}", _without_caption(table))]
    return "\n\n".join(parts) + "\n"


def in_short(audit: dict[str, Any]) -> list[str]:
    """Return the findings in a few sentences, each from the numbers of the audit."""
    lines = []
    for kind, counts in audit["summary"].items():
        if counts:
            lines.append(f"{_KINDS[kind]}: {_list(f'{count} {verdict}' for verdict, count in counts.items())}.")
    matching = [row for row in audit["icc_forms"] if row["matches"]]
    forms = {(row["form"], row["targets"], row["raters"]) for row in matching}
    data = {row["data"] for row in audit["icc_forms"]}
    for form, targets, raters in sorted(forms):
        right = [r["data"] for r in matching if (r["form"], r["targets"], r["raters"]) == (form, targets, raters)]
        lines.append(
            f"{form} with {targets} as targets and {raters} as raters gives {len(right)} of {len(data)}"
            f" published ICC pairs."
        )
    differing = [finding["item"] for finding in audit["findings"] if finding["verdict"] == DIFFERS]
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
    return [*lines, *_overall_lines(audit["overall"]), *_grim_lines(audit["grim"]), *_stars_lines(audit["stars"])]


def audit_tables(audit: dict[str, Any]) -> list[Table]:
    """Return the audit's tables, for Markdown and HTML alike."""
    return [
        _findings(audit, "icc"),
        _forms(audit["icc_forms"]),
        _icc_repairs(audit["icc_repairs"]),
        _findings(audit, "correlation"),
        _joint(audit["joint"]),
        _column_repairs(audit["column_repairs"]),
        _inferred(audit["inferred"]),
        _overall(audit["overall"]),
        _grim(audit["grim"]),
        _claims(audit["claims"]),
        _findings(audit, "p"),
    ]


def _findings(audit: dict[str, Any], kind: str) -> Table:
    decimals = _DECIMALS[kind]
    columns: dict[str, Callable[[dict[str, Any]], str]] = {
        "Number": lambda f: f["item"],
        "Published": lambda f: format_number(f["published"], decimals),
        "Recomputed": lambda f: format_number(f["recomputed"], decimals + 1),
        "Verdict": lambda f: f["verdict"],
        "Rounding allows ±": lambda f: format_number(f["rounding"], 4),
        "Attained range": lambda f: _range(f["attained"]),
        "Certain bounds": lambda f: _range(f["outer"]),
        "Note": lambda f: f["note"],
    }
    found = [finding for finding in audit["findings"] if finding["kind"] == kind]
    rows = [[cell(finding) for cell in columns.values()] for finding in found]
    bold = {(line, 3) for line, finding in enumerate(found) if finding["verdict"] == DIFFERS}
    return Table(f"audit_{kind}", _KINDS[kind], list(columns), rows, bold)


def _forms(forms: list[dict[str, Any]]) -> Table:
    header = ["Form", "Targets", "Raters", *dict.fromkeys(row["data"] for row in forms), "Match"]
    grouped: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in forms:
        grouped.setdefault((row["form"], row["targets"], row["raters"]), []).append(row)
    rows = []
    for key, group in grouped.items():
        pairs = [f"{format_number(row['single'], 4)} / {format_number(row['average'], 4)}" for row in group]
        rows.append([*key, *pairs, str(sum(row["matches"] for row in group))])
    rows.sort(key=lambda row: -int(row[-1]))
    return Table("audit_icc_forms", "Which ICC it is: every form, single / average measures", header, rows)


def _icc_repairs(repairs: list[dict[str, Any]]) -> Table:
    header = ["Dataset", "Model", "Column", "Printed", "Would have to be", "ICC then"]
    rows = []
    for found in repairs:
        numbers = [format_number(found[name], d) for name, d in (("printed", 1), ("needed", 1), ("icc_single", 6))]
        rows.append([found["data"], found["model"], found["column"], *numbers])
    notes = [
        "All other cells as printed; every one-decimal percentage was tried in every cell. A repair is possible, not"
        " proven."
    ]
    title = "Single cells of Table 3 that would repair a differing ICC"
    return Table("audit_icc_repairs", title, header, rows, notes=notes)


def _joint(joint: list[dict[str, Any]]) -> Table:
    header = ["Columns", "Correlations", "One set of inputs found", "Largest miss"]
    rows = [
        [
            row["columns"],
            str(row["tests"]),
            "yes" if row["explained"] else "no",
            format_number(row["largest_miss"], 4),
        ]
        for row in joint
    ]
    notes = ["Only indicators complete in Table 4. A set that is found proves; one that isn't found doesn't disprove."]
    return Table("audit_joint", "Do the correlations of a column fit together?", header, rows, notes=notes)


def _column_repairs(repairs: list[dict[str, Any]]) -> Table:
    header = ["Column", "Dataset", "Change of one cell", "What it does to the ICC"]
    rows = []
    for found in repairs:
        change = f"{format_number(found['smallest'], 1)} to {format_number(found['largest'], 1)}"
        rows.append([found["column"], found["data"], change, found["icc"]])
    notes = [
        "Correlations use the mean over models, so the dataset can be named but not the model. Possible, not proven."
    ]
    title = "Single cells of Table 3 that would repair a column of Table 15"
    return Table("audit_column_repairs", title, header, rows, notes=notes)


def _inferred(inferred: dict[str, Any]) -> Table:
    header = ["Indicator", "Empty cell", "Range (inferred)", "Confirmed pairs", "Not excluded"]
    rows, notes = [], [inferred["method"]]
    for found in inferred["indicators"]:
        for place, data in enumerate(found["unknown"]):
            span = found["range"].get(data)
            pairs = _list(f"({_list(pair)})" for pair in found["confirmed"]) if place == 0 else ""
            rest = f"{len(found['open'])} more" if place == 0 else ""
            rows.append([found["indicator"], data, f"{span[0]} to {span[1]}" if span else "none fits", pairs, rest])
        unknown, columns = _list(found["unknown"]), _list(found["columns"])
        notes.append(f"{found['indicator']}: pairs are ({unknown}); columns used: {columns}.")
    return Table("audit_inferred", "Empty cells of Table 4, inferred from Table 15", header, rows, notes=notes)


def _overall(overall: dict[str, Any]) -> Table:
    title = "Overall as a weighted mean of the dimensions: distance in percentage points"
    if "reason" in overall:
        return Table("audit_overall", title, ["Result"], [[overall["reason"]]])
    least = format_number(overall["any_weights"]["largest"], 3)
    rows = [
        ["SEED-Bench's question counts, columns as labelled", *_distances(overall["columns_as_labelled"])],
        ["equal weights", *_distances(overall["equal_weights"])],
        ["best non-negative weights there are (linear program)", least, ""],
    ]
    if "best_swap" in overall:
        swap = overall["best_swap"]
        label = f"counts of {' and '.join(swap['columns'])} exchanged (best exchange of two)"
        rows.append([label, *_distances(swap)])
        for measure in ("largest", "rms"):
            best = overall[f"best_by_{measure}"][0]
            gets = _list(f"{column} as {name}" for column, name in best["gets"].items() if column != name)
            label = f"best of {overall['assignments']:,} assignments by {measure}: {gets}"
            rows.append([label, *_distances(best)])
    notes = [f"Rounding of Overall and of the dimensions allows {format_number(overall['allowed'], 2)}."]
    return Table("audit_overall", title, ["Weights", "Largest", "Root mean square"], rows, notes=notes)


def _grim(grim: list[dict[str, Any]]) -> Table:
    columns: dict[str, Callable[[dict[str, Any]], str]] = {
        "Column": lambda g: g["column"],
        "SEED-Bench": lambda g: str(g["seed_bench"] or ""),
        "Impossible there (nearest)": lambda g: _list(g["nearest"].get("impossible", [])),
        "Impossible there (cut off)": lambda g: _list(g["down"].get("impossible", [])),
        "Impossible, mean of 1-5 runs": lambda g: _list(g.get("impossible_as_mean_of_runs", {}).values()),
        "Smallest counts that fit all": lambda g: _list(g["nearest"]["smallest"]),
        "Counts up to 1000 that fit": lambda g: f"{g['nearest']['fitting']} of {g['nearest']['tried']}",
    }
    rows = [[cell(column) for cell in columns.values()] for column in grim]
    notes = [
        "A percentage with one decimal can't be every number: k of n questions must round to it. From 1000 questions on"
        " all are possible, so large dimensions can't be tested. Fractional credit or unequal repeats would void the"
        " test."
    ]
    title = "GRIM: which numbers of questions fit the percentages"
    return Table("audit_grim", title, list(columns), rows, notes=notes)


def _claims(claims: list[dict[str, Any]]) -> Table:
    rows = [[claim["statement"], claim["where"], claim["verdict"], claim["evidence"]] for claim in claims]
    header = ["Claim (in our words)", "Where", "Verdict", "Evidence"]
    return Table("audit_claims", "Claims in the paper's text", header, rows)


def _overall_lines(overall: dict[str, Any]) -> list[str]:
    if "reason" in overall:
        return [f"Overall: {overall['reason']}."]
    if overall["is_weighted_mean_as_labelled"]:
        return ["Overall is the mean of the dimensions weighted by SEED-Bench's question counts, within rounding."]
    off = format_number(overall["columns_as_labelled"]["largest"], 2)
    line = f"Overall isn't the mean weighted by SEED-Bench's question counts (off by up to {off} points)"
    if overall["is_weighted_mean_at_all"]:
        return [line + "; other weights do fit."]
    least, allowed = format_number(overall["any_weights"]["largest"], 2), format_number(overall["allowed"], 2)
    return [
        f"{line}; no non-negative weights come closer than {least} points in every row, while rounding explains"
        f" {allowed}. This holds for any order of the columns."
    ]


def _grim_lines(grim: list[dict[str, Any]]) -> list[str]:
    bad = [(g["column"], len(g["nearest"]["impossible"]), g["values"]) for g in grim if g["nearest"].get("impossible")]
    if not bad:
        return ["GRIM: every percentage is possible with SEED-Bench's question counts."]
    listed = _list(f"{column} ({count} of {values} values)" for column, count, values in bad)
    return [f"GRIM: impossible as one run over SEED-Bench's own number of questions: {listed}."]


def _stars_lines(found: dict[str, Any]) -> list[str]:
    wrong, below = found["wrong"], found["below_5_percent"]
    marks = f"{': ' if wrong else '.'}{'; '.join(wrong)}"
    return [
        f"Stars: {found['checked']} checked against the printed p, {len(wrong)} wrong{marks}",
        f"Of the {found['checked']} printed p-values {below['p']} are below 5%; after Benjamini-Hochberg {below['q']}"
        f" are (and {below['q_10']} below 10%).",
    ]


def _distances(fit: dict[str, Any]) -> list[str]:
    return [format_number(fit["largest"], 3), format_number(fit["rms"], 3)]


def _range(pair: tuple[float, float] | None) -> str:
    return f"{format_number(pair[0], 4)} to {format_number(pair[1], 4)}" if pair else ""


def _list(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))


def _without_caption(table: Table) -> str:
    return as_markdown(table).split("\n", 2)[2] if table.rows else "None."
