"""A world of four images, annotated by hand in the published formats, with known facts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

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
