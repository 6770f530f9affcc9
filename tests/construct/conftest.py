"""A world of four images, annotated by hand in the published formats; the configuration; a job behind a server."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from PIL import Image

from tests.conftest import ROOT
from tests.llm.conftest import FIVE, chat_server, key  # noqa: F401  (fixtures)
from vlit.common.files import write_json
from vlit.construct import pipeline
from vlit.construct.pipeline import Job
from vlit.construct.prompts import Request, RequestSpec, make_requests
from vlit.construct.sources.read import read_annotations
from vlit.llm.cache import LanguageModel
from vlit.llm.request import key_of

KINDS = {
    "car": (3, "vehicle"),
    "cat": (17, "animal"),
    "cup": (47, "kitchen"),
    "apple": (53, "food"),
    "box": (91, "furniture"),
}
ATTRIBUTES = ("red", "green", "blue", "striped", "plain", "small", "large")

# (annotation id, image id, kind, box, attributes); ids 31, 32 and 41 have no attribute annotation
OBJECTS: list[tuple[int, int, str, list[float], tuple[str, ...] | None]] = [
    (11, 1, "cup", [8, 9, 13, 13], ("red", "striped", "small")),
    (12, 1, "car", [39, 5, 21, 21], ("blue", "plain", "large")),
    (21, 2, "apple", [3, 3, 13, 13], ("red", "plain", "small")),
    (22, 2, "apple", [25, 3, 13, 13], ("red", "plain", "small")),
    (23, 2, "apple", [45, 3, 13, 13], ("green", "plain", "small")),
    (24, 2, "box", [20, 35, 21, 21], ("blue", "plain", "large")),
    (25, 2, "cup", [24, 39, 13, 13], ("red", "striped", "small")),
    (31, 3, "cat", [8, 42, 13, 13], None),
    (32, 3, "car", [26, 26, 13, 13], None),
    (41, 4, "cup", [8, 9, 13, 13], None),
]
CAPTIONS = {
    1: ["A red cup and a car on a beach.", "There is a  sign near a car"],
    2: ["Three apples in a forest.", "A cup is inside a box."],
    3: ["A cat under the night sky."],
    4: ["A sign that says OPEN in a kitchen."],
}
WORDS = {1: "CAFE", 4: "OPEN"}
QA = {
    1: [("What is the setting of this image?", "beach"), ("How many cars are there?", "1")],
    2: [("What is the relation between the cup and the box?", "the cup is inside the box")],
}


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """Folder of the world; `coco/` inside holds the annotation files and images."""
    coco = tmp_path / "world" / "coco"
    images = [
        {"id": image, "file_name": f"COCO_train2014_{image:012d}.jpg", "width": 64, "height": 64} for image in CAPTIONS
    ]
    captions = [
        {"id": 100 * image + number, "image_id": image, "caption": caption}
        for image, texts in CAPTIONS.items()
        for number, caption in enumerate(texts)
    ]
    write(coco / "annotations/captions_train2014.json", {"images": images, "annotations": captions})
    instances = [
        {
            "id": id_,
            "image_id": image,
            "category_id": KINDS[kind][0],
            "bbox": box,
            "iscrowd": 0,
            "area": box[2] * box[3],
        }
        for id_, image, kind, box, _ in OBJECTS
    ]
    crowd = {"id": 99, "image_id": 3, "category_id": 17, "bbox": [0, 0, 9, 9], "iscrowd": 1, "area": 81}
    categories = [{"id": id_, "name": kind, "supercategory": group} for kind, (id_, group) in KINDS.items()]
    write(
        coco / "annotations/instances_train2014.json",
        {"images": images, "annotations": [*instances, crowd], "categories": categories},
    )
    annotated = [(id_, names) for id_, _, _, _, names in OBJECTS if names is not None]
    listed = [{"id": 10 - number, "name": name, "type": "x"} for number, name in enumerate(ATTRIBUTES)]  # reversed ids
    write(
        coco / "cocottributes.json",
        {
            "attributes": listed,
            "ann_vecs": {f"p{id_}": [int(name in names) for name in reversed(ATTRIBUTES)] for id_, names in annotated},
            "patch_id_to_ann_id": {f"p{id_}": id_ for id_, _ in annotated},
        },
    )
    texts = {
        str(500 + image): {"image_id": image, "bbox": [20, 50, 30, 11], "utf8_string": word, "legibility": "legible"}
        for image, word in WORDS.items()
    }
    texts["600"] = {"image_id": 3, "bbox": [0, 0, 5, 5], "legibility": "illegible"}
    write(coco / "COCO_Text.json", {"imgs": {}, "anns": texts, "imgToAnns": {}})
    pairs = [(image, *pair) for image, qa in QA.items() for pair in qa]
    questions = [{"image_id": i, "question": q, "question_id": n} for n, (i, q, _) in enumerate(pairs)]
    answers = [{"image_id": i, "question_id": n, "multiple_choice_answer": a} for n, (i, _, a) in enumerate(pairs)]
    write(coco / "v2_OpenEnded_mscoco_train2014_questions.json", {"questions": questions})
    write(coco / "v2_mscoco_train2014_annotations.json", {"annotations": answers})
    for image in images:
        (coco / "train2014").mkdir(exist_ok=True)
        Image.new("RGB", (64, 64), (120, 160, 200)).save(coco / "train2014" / str(image["file_name"]))
    return tmp_path / "world"


def annotated_images(folder: Path, count: int) -> Path:
    """Write so many images, each with a caption and a box of its own, in the published formats."""
    images = [
        {"id": number, "file_name": f"COCO_train2014_{number:012d}.jpg", "width": 32, "height": 32}
        for number in range(1, count + 1)
    ]
    captions = [
        {"id": n, "image_id": n, "caption": f"Picture number {n} of a cup on the table of house {n * 7919}."}
        for n in range(1, count + 1)
    ]
    boxes = [
        {"id": n, "image_id": n, "category_id": 47, "bbox": [4, 4, 12, 12], "iscrowd": 0} for n in range(1, count + 1)
    ]
    write_json(folder / "annotations/captions_train2014.json", {"images": images, "annotations": captions})
    categories = [{"id": 47, "name": "cup", "supercategory": "kitchen"}]
    instances = {"images": images, "annotations": boxes, "categories": categories}
    write_json(folder / "annotations/instances_train2014.json", instances)
    (folder / "train2014").mkdir()
    for image in images:
        Image.new("RGB", (32, 32), (90, 140, 200)).save(folder / "train2014" / str(image["file_name"]))
    return folder


def configured(*overrides: str) -> Any:
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return compose("construct", list(overrides))


def request_spec(*variants: str) -> RequestSpec:
    return replace(pipeline.request_spec(configured(f"variants=[{','.join(variants)}]")), sampling=FIVE)


def requests_about(coco: Path, model: LanguageModel[Request]) -> dict[str, Request]:
    made = make_requests(read_annotations(coco, ["caption", "object"]), request_spec("global"))
    return {key_of(model.body(request)): request for request in made}


def construction(coco: Path, folder: Path, model: LanguageModel[Request], *variants: str) -> Job:
    return Job(
        annotations=coco,
        sources=["caption", "object"],
        images=coco / "train2014",
        limit=None,
        requests=request_spec(*variants),
        llm=model,
        rules=instantiate(configured().rules, _convert_="all"),
        replies=folder / "cache/replies.sqlite",
        output=folder / "ours",
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
