"""`python -m vlit.mini.pretraining` from nothing, two steps a stage: what it writes is what tuning starts from."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from vlit.mini.pretraining.loop import batches
from vlit.mini.weights import unpack

COMMAND = [sys.executable, "-m", "vlit.mini.pretraining"]
TOWERS = ("clip_first", "clip_second", "clip", "eva")
TEXT = ("opt_short", "opt_text", "vicuna_short", "vicuna")
LLAVA, BLIP2 = ("llava_captions", "llava"), ("blip2_connector", "blip2_captions", "blip2")
FLAMINGO = ("openflamingo_connector", "openflamingo_captions", "openflamingo")
STAGES = (*TOWERS, *TEXT, *LLAVA, *BLIP2, *FLAMINGO)


@pytest.mark.slow
def test_the_mini_weights_are_made_from_nothing(tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    for name in ("configs", "open_clip"):
        shutil.copytree(ROOT / "weights" / "mini" / name, parts / name)
    steps = [f"plan.budgets.{stage}.steps=2" for stage in STAGES]
    sizes = [f"plan.budgets.{stage}.batch_size=4" for stage in STAGES]
    command = [
        *COMMAND, f"plan.parts={parts}", f"plan.cache={tmp_path / 'cache'}", "plan.scenes=64",
        "plan.statement_scenes=32", "plan.documents=300", "plan.conversations=40", *steps, *sizes,
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    unpack(str(parts), str(tmp_path / "weights"))
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert again.stdout.count(" exists\n") == len(STAGES) + 1


def test_an_unknown_stage_is_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "stages=[blip3]", f"plan.cache={tmp_path}"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if "error:" in line]
    assert "stages=blip3" in line and "openflamingo_captions" in line


def test_help_does_not_wait_for_torch() -> None:
    code = (
        "import sys, runpy; sys.argv = ['pretraining', '--help']\n"
        "try: runpy.run_module('vlit.mini.pretraining', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "stages:" in done.stdout


def test_an_epoch_of_batches_has_no_sample_twice() -> None:
    lengths = [(7 * index) % 23 for index in range(64)]
    batch = batches(lengths, 4, seed=3)
    first = [batch(step) for step in range(16)]
    assert sorted(index for some in first for index in some) == list(range(64))
    assert [batch(step) for step in range(16)] == first
    assert [batch(step) for step in range(16, 32)] != first
