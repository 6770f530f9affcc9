"""The examples of docs/data_formats.md are what the readers read."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.conftest import ROOT
from vlit.construct.sources.read import EXTRA, SOURCE_FILES, SOURCES, read_annotations
from vlit.data.formats.coco_arc import read_coco_arc
from vlit.data.formats.llava import read_llava
from vlit.data.formats.mimic_it import read_mimic_it
from vlit.data.sample import Rejects
from vlit.evaluation.questions import read_questions

NAME = "COCO_train2014_000000033471.jpg"


@pytest.fixture(scope="module")
def examples() -> list[Any]:
    page = (ROOT / "docs" / "data_formats.md").read_text()
    section = page.partition("## Each format in five lines")[2].partition("## Files")[0]
    return [json.loads(block) for block in re.findall(r"```json\n(.*?)```", section, re.DOTALL)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.new("RGB", (640, 427)).save(tmp_path / NAME)
    return tmp_path


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def test_the_three_formats_of_instruction_data(examples: list[Any], folder: Path) -> None:
    llava, mimic, arc = examples[:3]
    rejects = Rejects()
    assert len(read_llava(write(folder / "data.json", llava), folder, rejects)) == 1
    stream = io.BytesIO()
    Image.new("RGB", (4, 4)).save(stream, "PNG")
    write(folder / "DC.json", {"DC_IMG_1": base64.b64encode(stream.getvalue()).decode()})
    assert len(read_mimic_it(write(folder / "DC_instructions.json", mimic), folder / "DC.json", rejects)) == 1
    write(folder / "global.json", arc)
    assert len(read_coco_arc(folder, folder, rejects, kinds=("global",))[0].turns) == 2
    assert rejects.counts() == {}


def test_the_benchmark(examples: list[Any], folder: Path) -> None:
    rejects = Rejects()
    (question,) = read_questions(write(folder / "SEED-Bench.json", examples[3]), folder, rejects)
    assert (question.dimension, question.choices[question.answer], rejects.counts()) == ("IC", "Two", {})


def test_the_annotation_sources(examples: list[Any], folder: Path) -> None:
    names = [name for source in (*SOURCES, *EXTRA) for name in SOURCE_FILES[source]]
    for name, content in zip(names, examples[4:], strict=True):
        write(folder / name, content)
    rejects = Rejects()
    (image,) = read_annotations(folder, (*SOURCES, *EXTRA), rejects)
    assert image.captions == ("A red bus on a street.",) and image.qa == (("What color is the bus?", "red"),)
    (bus,) = image.objects
    assert (bus.kind, bus.attributes, image.words[0].text) == ("bus", ("shiny", "red"), "TAXI")
    assert rejects.counts() == {}
