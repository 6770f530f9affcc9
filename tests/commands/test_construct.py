"""`python construct.py` and `python -m vlit.construct.fetch` as a user starts them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.construct.conftest import world  # noqa: F401  (a fixture)
from tests.llm.conftest import running
from vlit.common.files import read_json
from vlit.data.formats.coco_arc import read_coco_arc
from vlit.data.sample import Rejects


def run(command: str, *overrides: str, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "PYTHONPATH": str(ROOT / "src"), **environment}
    if "OPENAI_API_KEY" not in environment:
        variables.pop("OPENAI_API_KEY", None)
    return subprocess.run(
        [sys.executable, *command.split(), *overrides], env=variables, capture_output=True, text=True, cwd=ROOT
    )


@pytest.fixture
def project(world: Path, tmp_path: Path) -> Path:  # noqa: F811
    """A `paths.root` with annotations and images in the place of COCO's."""
    shutil.copytree(world / "coco", tmp_path / "project/datasets/coco")
    return tmp_path / "project"


def test_coco_annotations_become_data_that_the_reader_accepts(project: Path, tmp_path: Path) -> None:
    with running(tmp_path, 0.0, 0.0) as server:
        choices = [f"paths.root={project}", "source=coco", f"llm.base_url={server.url}"]
        done = run("construct.py", *choices, OPENAI_API_KEY="sk-never-to-be-shown")
        assert done.returncode == 0, done.stderr
        asked = server.counts()["asked"]
        assert len(asked) == 4 * 5
        assert "4 of 4 images accepted" in done.stdout and "datasets/ours" in done.stdout
        again = run("construct.py", *choices)
        assert again.returncode == 0 and server.counts()["asked"] == asked, "no key is needed for what is known"
    samples = read_coco_arc(project / "datasets/ours", project / "datasets/coco/train2014", rejects := Rejects())
    manifest = read_json(project / "datasets/ours/manifest.json")
    assert len(samples) == sum(manifest["conversations"].values()) and not rejects.rows
    assert "sk-never" not in done.stdout + done.stderr
    assert not [path for path in project.rglob("*") if path.is_file() and b"sk-never" in path.read_bytes()]


def test_the_world_needs_nothing_but_the_command(tmp_path: Path) -> None:
    small = ["source.prepare.0.spec.scenes=8", "source.prepare.0.spec.benchmark_groups=1"]
    done = run("construct.py", "source=world", f"paths.root={tmp_path}", "variants=[global,region]", *small)
    assert done.returncode == 0, done.stderr
    output = tmp_path / "cache/construct/world"
    samples = read_coco_arc(output, tmp_path / "cache/mini/world/coco/train2014", Rejects())
    assert {sample.task for sample in samples} == {"global", "region"}
    assert read_json(output / "negative.json")["annotations"] == []


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["source=video"],
            "Could not find 'construct/source/video'",
        ),
        (["llm=oracle"], "Could not find 'llm/oracle' Available options in 'llm': batch local none offline server"),
        (["llm=none"], "llm=none writes no conversations: choose llm=server"),
        (["variants=[global,funny]"], "variants: funny is unknown"),
        (["source=coco", "paths.root=/nowhere"], "/nowhere/datasets/coco/train2014 (images)"),
        (["prompts.global.file=video", "source=coco"], "file 'video' is unknown"),
        (["sed=1"], "sed"),
    ],
)
def test_wrong_choices_are_one_line(overrides: list[str], message: str) -> None:
    done = run("construct.py", *overrides)
    assert done.returncode == 1 and message in done.stderr and "Traceback" not in done.stderr


def test_no_key_is_one_line(project: Path) -> None:
    done = run("construct.py", f"paths.root={project}", "source=coco")
    assert done.returncode == 1 and "export OPENAI_API_KEY" in done.stderr and "Traceback" not in done.stderr


def test_fetch_names_its_files() -> None:
    done = run("-m vlit.construct.fetch", "only=[videos]")
    assert done.returncode == 1 and "videos unknown, choose from images, captions_and_instances" in done.stderr


def test_fetch_lists_what_there_is_to_get(tmp_path: Path) -> None:
    offline = ["files.text.url=http://127.0.0.1:9/cocotext.v2.zip", "timeout=1", f"folder={tmp_path}/coco"]
    done = run("-m vlit.construct.fetch", "dry_run=true", "only=[text]", *offline)
    assert done.returncode == 0, done.stderr
    assert "cocotext.v2.zip" in done.stdout and "to fetch" in done.stdout and not (tmp_path / "coco").exists()


def test_help_of_fetch_names_its_files() -> None:
    done = run("-m vlit.construct.fetch", "--help")
    assert done.returncode == 0 and "Get the public files" in done.stdout and "cocotext.v2.zip" in done.stdout
