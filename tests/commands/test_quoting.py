"""Paths as people make them: one line that shows the quoted form, and the quoted form works."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

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
