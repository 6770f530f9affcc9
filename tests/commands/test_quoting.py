"""Paths as people make them: one line that shows the quoted form, and the quoted form works."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given
from hypothesis import strategies as st

from tests.conftest import ROOT
from vlit.common.errors import assigned
from vlit.common.files import read_jsonl

CASE = ROOT / "tests" / "cases" / "cli_path_with_brackets"


def composed(*overrides: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "train.py", "model=llava", "data=llava", *overrides, "--cfg", "job"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("name", ["own (1).json", "a=b.json", "数据.json", "it's.json", "a[1].json"])
def test_a_path_that_needs_quotes_is_shown_quoted_and_then_works(name: str) -> None:
    path = CASE / name
    done = composed(f"data.annotations={path}")
    if done.returncode != 0:
        assert done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1
        quoted = re.search(r'quote it, "(.*)"$', done.stderr.strip())
        assert quoted is not None, done.stderr
        done = composed(quoted[1])
    assert done.returncode == 0, done.stderr
    assert f"annotations: {path}" in done.stdout.replace("''", "'").replace('"', "")


def test_what_is_no_override_is_said_so() -> None:
    done = composed("model")
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_the_case_has_the_files(tmp_path: Path) -> None:
    assert len(list(CASE.glob("*.json"))) == 4


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
@example("true")
@example("1e3")
@example("a b")
@example("/tmp/r=1, [x] \u6570/it's\\")
def test_what_is_assigned_is_read_back(value: str) -> None:
    if value.startswith(("[", "{", "'", '"')) or "${" in value:
        return  # taken for Hydra's grammar
    (parsed,) = OverridesParser.create().parse_overrides([assigned("key", value)])
    assert parsed.value() == value


def test_a_sweep_starts_runs_in_a_folder_whose_name_needs_quotes(tmp_path: Path) -> None:
    sweep, runs = tmp_path / "s=1, [x]", tmp_path / "r=1, [x] \u6570"
    command = [sys.executable, "sweep.py", "models=[blip2]", "datasets=[llava]", f"folder='{sweep}'"]
    done = subprocess.run([*command, f"paths.runs='{runs}'"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (cell,) = read_jsonl(sweep / "manifest.jsonl")
    assert cell["run_folder"].startswith(str(runs))
    done = subprocess.run(
        [sys.executable, "train.py", *cell["overrides"], "--cfg", "job"], cwd=ROOT, capture_output=True, text=True
    )
    assert yaml.safe_load(done.stdout)["paths"]["runs"] == str(runs)
