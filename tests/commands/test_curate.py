"""`curate.py` and `assess.py` as a user runs them: the list that training reads, and what is not loaded or decoded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, tiny_overrides
from vlit.common.files import read_json
from vlit.data.subset import read_kept

# Run a command, and print what of torch and Lightning it has imported.
IMPORTS = """
import runpy, sys
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
print("imported:", [name for name in ("torch", "lightning", "transformers", "open_clip") if name in sys.modules])
"""
# Run `assess.py`, and print how often each image has been decoded before the report is written.
DECODINGS = """
import collections, json, runpy, sys
from vlit.data import images
from vlit.quality import report

decoded = collections.Counter()

def counting(load):
    def counted(image):
        decoded[image.key] += 1
        return load(image)
    return counted

for kind in (images.FileImage, images.ZipImage, images.Base64Image):
    kind.load = counting(kind.load)
write = report.write_report

def reported(*arguments):
    print("decoded:", json.dumps([len(decoded), sum(decoded.values())]))
    write(*arguments)

report.write_report = reported
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True)


@pytest.fixture
def settings(cache: Path, tmp_path: Path) -> list[str]:
    return [*tiny_overrides(cache), f"paths.runs={tmp_path / 'runs'}", f"quality.folder={tmp_path / 'quality'}"]


def test_training_reads_the_list_that_curate_writes_or_refuses_it(settings: list[str], tmp_path: Path) -> None:
    done = run("curate.py", "data=ours", "quality.keep=0.5", *settings)
    assert done.returncode == 0, done.stderr
    kept = read_kept(tmp_path / "quality/ours/kept_ids.json")
    assert len(kept.ids) == 30 and kept.rules["keep"] == 0.5
    small = ["train.py", "model=blip2", "data=ours_qc", "data_size=all", "tuning.max_steps=1", *settings]

    refused = run(*small)
    assert refused.returncode == 1
    errors = [line for line in refused.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and "Traceback" not in refused.stderr
    for words in (
        "kept_ids.json",
        "quality.keep=0.5",
        "quality.keep=0.8 here",
        "python curate.py scale=mini data=ours",
    ):
        assert words in errors[0]

    # What the message proposes works: the refused run has left nothing that stands in its way.
    accepted = run(*small, "quality.keep=0.5")
    assert accepted.returncode == 0, accepted.stderr[-2000:]
    for step in ("reading ours", "keeping 30 of 60 samples of ours", "drawing 30 of 30 samples of ours_qc"):
        assert step in accepted.stdout
    provenance = read_json(tmp_path / "runs/mini/blip2/ours_qc/seed0/provenance.json")
    assert provenance["curation"] == {
        "dataset": "ours", "kept": 30, "shortened": 0, "rules": dict(kept.rules), "sha256": kept.digest
    }  # fmt: skip


def test_filtering_stored_statistics_imports_no_model_code(settings: list[str], tmp_path: Path) -> None:
    (tmp_path / "imports.py").write_text(IMPORTS)
    assert run("curate.py", "data=ours", *settings).returncode == 0
    again = run(str(tmp_path / "imports.py"), "curate.py", "data=ours", "quality.keep=0.6", *settings)
    assert again.returncode == 0, again.stderr
    assert "36 of 60 samples kept" in again.stdout and "imported: []" in again.stdout


def test_a_curated_dataset_is_not_curated_again(settings: list[str]) -> None:
    done = run("curate.py", "data=ours_qc", *settings)
    assert done.returncode == 1 and "curated already: curate data=ours" in done.stderr


def test_assess_decodes_each_image_once_and_none_in_the_next_run(settings: list[str], tmp_path: Path) -> None:
    (tmp_path / "decodings.py").write_text(DECODINGS)

    def decoded() -> tuple[int, int]:
        done = run(str(tmp_path / "decodings.py"), "assess.py", "data=ours", *settings)
        assert done.returncode == 0, done.stderr[-2000:]
        line = next(line for line in done.stdout.splitlines() if line.startswith("decoded: "))
        images, times = json.loads(line.removeprefix("decoded: "))
        return images, times

    images, times = decoded()
    assert images == times > 100, "those of ours and of the datasets it is compared with"
    assert decoded() == (0, 0), "stored features show that their images can be read"
