"""What a scale prepares is made once, also by runs that start together."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

MAKE = """
import sys, time
from pathlib import Path

def make(folder):
    folder = Path(folder)
    if not (folder / "made").exists():
        (folder / "begun").mkdir()  # fails where another is at it
        time.sleep(0.5)
        (folder / "begun").rmdir()
        (folder / "made").write_text("once")
"""
START = """
import sys
from omegaconf import OmegaConf
from vlit.common.entry import prepare
folder = sys.argv[1]
step = {"_target_": "maker.make", "folder": folder}
prepare(OmegaConf.create({"prepare": [step, step], "paths": {"cache": folder + "/cache"}}))
"""


def test_runs_that_start_together_prepare_one_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "maker.py").write_text(MAKE)
    command = [sys.executable, "-c", START, str(tmp_path)]
    environment = {"PYTHONPATH": f"{ROOT / 'src'}:{tmp_path}", "PATH": "/usr/bin:/bin"}
    together = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) for _ in range(3)]
    for process in together:
        _, error = process.communicate(timeout=120)
        assert process.returncode == 0, error.decode()[-500:]
    assert (tmp_path / "made").read_text() == "once"
