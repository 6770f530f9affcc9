"""The import contract: packages import in the order of the pipeline, without cycles; and it can fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on `folder/src/vlit` with the contract of pyproject.toml."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "src" / "vlit", tmp_path / "src" / "vlit", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_package_keeps_the_contract():
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("module", "line", "named"),
    [
        ("common/errors.py", "from vlit.mini.world import scene", "vlit.common is not allowed to import vlit.mini"),
        ("construct/judge.py", "def f():\n    from vlit.mini.world import scene", "vlit.construct is not allowed"),
        ("analysis/measurements.py", "import torch", "vlit.analysis is not allowed to import torch"),
        ("data/sample.py", "def f():\n    from vlit.data import images", "No cycles are allowed in vlit.data"),
    ],
    ids=["upwards", "lazy", "torch", "cycle"],
)
def test_the_contract_can_fail(copy: Path, module: str, line: str, named: str):
    file = copy / "src" / "vlit" / module
    file.write_text(file.read_text(encoding="utf-8") + f"\n\n{line}\n", encoding="utf-8")
    done = lint(copy)
    assert done.returncode != 0
    assert named in done.stdout
