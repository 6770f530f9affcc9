"""The audit: what it finds in the paper, and that altered inputs neither crash it nor make it overclaim."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vlit.analysis.audit.audit import audit_published, p_value
from vlit.analysis.audit.repair import icc_repairs
from vlit.analysis.audit.text import audit_markdown
from vlit.analysis.published import read_published
from vlit.common.errors import InputError

Alter = Callable[[list[dict[str, str]]], list[dict[str, str]]]


@pytest.fixture(scope="module")
def found(published_folder: Path) -> dict[str, Any]:
    return audit_published(read_published(published_folder), published_folder / "bold.csv")


@pytest.fixture
def altered(published_folder: Path, tmp_path: Path) -> Callable[[str, Alter], Path]:
    folder = tmp_path / "published"
    shutil.copytree(published_folder, folder)

    def alter(name: str, change: Alter) -> Path:
        path = folder / f"{name}.csv"
        with path.open(newline="") as handle:
            rows = list(csv.DictReader(handle))
        header = list(rows[0])
        with path.open("w", newline="") as handle:
            writer = csv.DictWriter(handle, header)
            writer.writeheader()
            writer.writerows(change(rows))
        return folder

    return alter


def verdicts(found: dict[str, Any]) -> dict[str, str]:
    return {finding["item"]: finding["verdict"] for finding in found["findings"]}


def test_what_the_paper_shows(found: dict[str, Any]) -> None:
    assert found["summary"]["icc"] == {"exact": 6, "differs": 2}
    assert found["summary"]["correlation"] == {"within rounding": 43, "differs": 6, "exact": 1, "not computable": 20}
    assert found["summary"]["p"] == {"exact": 70}
    differing = {item for item, verdict in verdicts(found).items() if verdict == "differs"}
    assert differing == {"ICC_single of Ours", "ICC_average of Ours", "r(ID, TR)"} | {
        f"r({i}, VR)" for i in ("MD", "TD", "ID", "IC", "Bal")
    }
    assert {row["columns"] for row in found["joint"] if not row["explained"]} == {"VR", "TR"}
    assert found["stars"]["wrong"] == []


def test_overall_is_no_weighted_mean_of_the_dimensions(found: dict[str, Any]) -> None:
    overall = found["overall"]
    assert not overall["is_weighted_mean_at_all"]
    assert overall["any_weights"]["largest"] > 10 * overall["allowed"]
    assert overall["best_swap"]["columns"] == ["IL", "IA"]


def test_a_repair_gives_the_published_icc(published_folder: Path) -> None:
    published = read_published(published_folder)
    table = published.scores.of("Ours")
    repairs = icc_repairs(table, "Ours", 0.3028)
    assert ("OpenFlamingo", "VR", 17.2, 15.1) in [(r.model, r.column, r.printed, r.needed) for r in repairs]
    assert not [r for r in icc_repairs(table, "Ours", 0.3028) if abs(r.icc_single - 0.3028) > 0.00005 + 1e-9]


def test_inferred_cells_are_marked_as_such(found: dict[str, Any]) -> None:
    assert "not published" in found["inferred"]["method"]
    assert {f["indicator"] for f in found["inferred"]["indicators"]} == {"RD", "OC"}


@pytest.mark.slow
def test_the_range_of_an_inferred_cell_contains_a_hidden_value(altered: Callable[[str, Alter], Path]) -> None:
    def hide(rows: list[dict[str, str]]) -> list[dict[str, str]]:  # an indicator we know: 30.7 and 30.9 in tenths
        for row in rows:
            row["MD"] = {"LLaVA": "", "MIMIC-IT": "", "Ours": "3.32", "Ours+QC": "3.41"}[row["data"]]
        return rows

    folder = altered("table04", hide)
    again = audit_published(read_published(folder), folder / "bold.csv")
    matching = next(f for f in again["inferred"]["indicators"] if f["indicator"] == "MD")
    low, high = matching["range"]["LLaVA"]
    assert low <= 3.07 + 0.05
    assert high >= 3.07 - 0.05


def test_a_planted_error_is_named(altered: Callable[[str, Alter], Path]) -> None:
    def spoil(rows: list[dict[str, str]]) -> list[dict[str, str]]:
        for row in rows:
            if (row["indicator"], row["dimension"]) == ("MD", "SU"):
                row |= {"r": "0.500", "p": "0.300", "stars": "**"}
        return rows

    folder = altered("table15", spoil)
    found = audit_published(read_published(folder), folder / "bold.csv")
    assert verdicts(found)["r(MD, SU)"] == "differs"
    assert verdicts(found)["p(MD, SU)"] == "differs"  # with n = 4, p is 1 - |r| = 0.5
    assert len(found["stars"]["wrong"]) == 1


@pytest.mark.parametrize("n", [3, 4, 5, 10])
def test_p_agrees_with_the_beta_distribution_of_r(n: int) -> None:
    from scipy import stats

    for r in (-0.99, -0.2, 0.0, 0.5, 0.97):
        half = stats.beta(n / 2 - 1, n / 2 - 1, loc=-1, scale=2)
        assert p_value(r, n) == pytest.approx(2 * half.cdf(-abs(r)), abs=1e-10)


def without(**gone: str) -> Alter:
    return lambda rows: [row for row in rows if any(row[name] != value for name, value in gone.items())]


def constant(column: str, value: str) -> Alter:
    return lambda rows: [{**row, column: value} for row in rows]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("table03", without(data="MIMIC-IT")),  # n = 3
        pytest.param("table03", without(data="MIMIC-IT", model="LLaVA"), marks=pytest.mark.slow),
        pytest.param("table03", without(model="BLIP-2"), marks=pytest.mark.slow),
        pytest.param("table03", constant("SR", "25.0"), marks=pytest.mark.slow),
        ("table03", lambda rows: [row for row in rows if row["data"].startswith("Ours")]),  # n = 2
        ("table03", lambda rows: rows[:4]),  # one model
        pytest.param(
            "table03", lambda rows: [{**row, "data": row["data"].lower()} for row in rows], marks=pytest.mark.slow
        ),
        pytest.param("table04", without(data="Ours"), marks=pytest.mark.slow),
        pytest.param("table04", constant("T", "9"), marks=pytest.mark.slow),
        ("table15", lambda rows: rows[:3]),
    ],
)
def test_altered_inputs_neither_crash_nor_pass_for_exact(
    altered: Callable[[str, Alter], Path], name: str, change: Alter
) -> None:
    folder = altered(name, change)
    found = audit_published(read_published(folder), folder / "bold.csv")
    text = audit_markdown(found)
    assert text.startswith("# Audit")
    assert "nan" not in text.lower().replace("insta", "")
    json.dumps(found, allow_nan=False)
    for finding in found["findings"]:
        if finding["recomputed"] is None:
            assert finding["verdict"] == "not computable"
            assert finding["note"]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("table03", constant("SU", "many"), "not a number"),
        ("table03", lambda rows: [*rows, rows[0]], "twice"),
    ],
)
def test_broken_inputs_are_named_in_one_line(
    altered: Callable[[str, Alter], Path], name: str, change: Alter, message: str
) -> None:
    with pytest.raises(InputError, match=message) as error:
        read_published(altered(name, change))
    assert "\n" not in str(error.value)


def test_absent_inputs_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"table03\.csv"):
        read_published(tmp_path)


def test_findings_are_plain_numbers(found: dict[str, Any]) -> None:
    assert not any(isinstance(value, np.generic) for finding in found["findings"] for value in finding.values())
