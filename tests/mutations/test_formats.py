"""Mutated files of every format: each row is kept or rejected with a reason, or the file refused in one line."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.mutations.operators import encoded, mutated
from vlit.common.errors import InputError, one_line
from vlit.construct.sources.read import read_annotations
from vlit.data.formats.coco_arc import read_coco_arc
from vlit.data.formats.llava import read_llava
from vlit.data.formats.mimic_it import read_mimic_it
from vlit.data.sample import Rejects
from vlit.evaluation.questions import read_questions

Files = dict[str, Any]  # name -> content, as JSON


def _picture() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (4, 4)).save(stream, "PNG")
    return stream.getvalue()


PICTURE = _picture()
MESSAGES = [
    {"from": "human", "value": "<image>\nWhat is it?"}, {"from": "gpt", "value": "A dog."},
    {"from": "human", "value": "And its color?"}, {"from": "gpt", "value": "Brown."},
]  # fmt: skip
PAIRS = [{"User": "What is it?", "AI": "A dog."}, {"User": "And its color?", "AI": "Brown."}]
NAME = "COCO_train2014_000000000009.jpg"


def _llava() -> Files:
    return {"data.json": [{"id": str(n), "image": NAME, "conversations": MESSAGES} for n in range(3)]}


def _mimic() -> Files:
    rows: dict[str, dict[str, Any]] = {
        f"DC_INS_{n}": {
            "instruction": "What?",
            "answer": "A dog.",
            "image_ids": ["DC_IMG_1"],
            "rel_ins_ids": ["DC_INS_0"] if n == 1 else [],
        }
        for n in range(3)
    }
    pictures = {"DC_IMG_1": base64.urlsafe_b64encode(PICTURE).decode()}
    return {
        "DC_instructions.json": {"meta": {}, "data": rows}, "DC.json": pictures,
        "DC_train.json": {key: row["rel_ins_ids"] for key, row in rows.items()},
    }  # fmt: skip


def _arc() -> Files:
    def file(kind: str) -> Any:
        rows = [{"img_ids": [9], "instruction_type": kind, "conversations": PAIRS} for _ in range(3)]
        return {"image_source": "COCO2014", "construction_time": "2023", "annotations": rows}

    return {f"{kind}.json": file(kind) for kind in ("global", "negative")}


def _bench() -> Files:
    questions = [
        {
            "answer": "A", "choice_a": "one", "choice_b": "two", "choice_c": "three", "choice_d": "four",
            "data_id": NAME, "data_type": "image", "question": "How many?", "question_id": str(n),
            "question_type_id": 5,
        }
        for n in range(3)
    ]  # fmt: skip
    return {"SEED-Bench.json": {"questions": questions, "question_type": {"Instances Counting": 5}}}


_IMAGES = [{"id": n, "file_name": f"{n}.jpg", "width": 64, "height": 48, "coco_id": n} for n in (1, 2)]


def _coco() -> Files:
    captions = [{"image_id": n, "id": n, "caption": "A dog."} for n in (1, 2)]
    boxes = [{"image_id": n, "id": n, "category_id": 18, "bbox": [1, 2, 30, 40], "iscrowd": 0} for n in (1, 2)]
    return {
        "annotations/captions_train2014.json": {"images": _IMAGES, "annotations": captions},
        "annotations/instances_train2014.json": {
            "images": _IMAGES, "annotations": boxes,
            "categories": [{"id": 18, "name": "dog", "supercategory": "animal"}],
        },
    }  # fmt: skip


def _attributes() -> Files:
    names = [{"id": n, "name": word, "type": "look"} for n, word in enumerate(("red", "wet"))]
    return {
        "cocottributes.json": {
            "attributes": names, "ann_vecs": {"7": [0.9, 0.1], "8": [0, 1]}, "patch_id_to_ann_id": {"7": 1, "8": 2},
        }
    }  # fmt: skip


def _texts() -> Files:
    anns = {
        str(n): {"id": n, "image_id": n, "utf8_string": "STOP", "bbox": [1, 2, 9, 9], "legibility": "legible"}
        for n in (1, 2)
    }
    return {"COCO_Text.json": {"imgs": {}, "anns": anns, "imgToAnns": {}}}


def _vqa() -> Files:
    asked = [{"image_id": n, "question_id": n, "question": "What is it?"} for n in (1, 2)]
    answered = [{"image_id": n, "question_id": n, "multiple_choice_answer": "dog"} for n in (1, 2)]
    return {
        "v2_OpenEnded_mscoco_train2014_questions.json": {"questions": asked},
        "v2_mscoco_train2014_annotations.json": {"annotations": answered},
    }


def _genome() -> Files:
    images = [{"image_id": n + 10, "width": 64, "height": 48, "coco_id": n} for n in (1, 2)]
    regions = [
        {"image_id": n + 10, "attributes": [{"x": 1, "y": 2, "w": 30, "h": 40, "attributes": ["brown"]}]}
        for n in (1, 2)
    ]
    return {"image_data.json": images, "attributes.json": regions}


def _sources(*sources: str) -> Callable[[Path, Rejects], Any]:
    def read(folder: Path, rejects: Rejects) -> Any:
        return read_annotations(folder, sources, rejects)

    return read


FORMATS: dict[str, tuple[Files, Files, Callable[[Path, Rejects], Any]]] = {  # mutated, unchanged, reader
    "llava": (_llava(), {}, lambda folder, rejects: read_llava(folder / "data.json", folder, rejects)),
    "mimic_it": (
        _mimic(), {},
        lambda folder, rejects: read_mimic_it(
            folder / "DC_instructions.json", folder / "DC.json", rejects, train=folder / "DC_train.json", in_context=1
        ),
    ),
    "coco_arc": (
        _arc(), {}, lambda folder, rejects: read_coco_arc(folder, folder, rejects, kinds=("global", "negative"))
    ),
    "seed_bench": (_bench(), {}, lambda folder, rejects: read_questions(folder / "SEED-Bench.json", folder, rejects)),
    "coco": (_coco(), {}, _sources("caption", "object")),
    "coco_attributes": (_attributes(), _coco(), _sources("caption", "object", "attribute")),
    "coco_text": (_texts(), _coco(), _sources("caption", "object", "ocr")),
    "vqa": (_vqa(), _coco(), _sources("caption", "object", "vqa")),
    "visual_genome": (_genome(), _coco(), _sources("caption", "object", "visual_genome")),
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("mutated")
    (made / "annotations").mkdir()
    (made / NAME).write_bytes(PICTURE)
    return made


def write(folder: Path, files: Files) -> None:
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))


def examine(folder: Path, name: str, rng: Random) -> None:
    """Read one mutation of a format and hold what every reader promises."""
    files, unchanged, read = FORMATS[name]
    write(folder, unchanged)
    write(folder, files)
    victim = rng.choice(sorted(files))
    (folder / victim).write_bytes(encoded(mutated(files[victim], rng, rng.randrange(4)), rng))
    rejects = Rejects()
    try:
        read(folder, rejects)
    except InputError as error:
        line = one_line(error)
        assert line and len(line.splitlines()) == 1, line
        return
    assert rejects.sources
    for source in rejects.sources:
        assert source.rows == source.kept + source.rejected + source.noted
    assert all(row.reason and "\n" not in row.reason and " at 0x" not in row.detail for row in rejects.rows)


@pytest.mark.parametrize("name", FORMATS)
def test_the_files_are_read_whole_when_nothing_happened_to_them(folder: Path, name: str) -> None:
    files, unchanged, read = FORMATS[name]
    write(folder, {**unchanged, **files})
    rejects = Rejects()
    assert len(read(folder, rejects)) >= 2 and rejects.counts() == {}


def _examples(number: int) -> Any:
    return settings(max_examples=number, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("name", FORMATS)
@given(rng=st.randoms(use_true_random=False))
@_examples(150)
def test_mutated_files(folder: Path, name: str, rng: Random) -> None:
    examine(folder, name, rng)


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_ten_thousand_mutated_files(folder: Path, name: str) -> None:
    for seed in range(10_000):
        try:
            examine(folder, name, Random(f"{name}/{seed}"))
        except BaseException as error:
            raise AssertionError(f"mutation {name}/{seed}: {type(error).__name__}: {error}") from error
