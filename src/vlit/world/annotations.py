"""The annotation files of COCO 2014 and its companions, in the formats in which they are published.

- `annotations/instances_train2014.json`, `annotations/captions_train2014.json` (cocodataset.org)
- `cocottributes.json`: the arrays of COCO Attributes (Patterson & Hays, 2016); published as a pickle, JSON here
- `COCO_Text.json` (Veit et al., 2016, v1.3)
- `v2_OpenEnded_mscoco_train2014_questions.json`, `v2_mscoco_train2014_annotations.json` (VQA v2; Antol et al., 2015)
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

from vlit.world.captions import captions
from vlit.world.questions import QA, question_answers, yes_no
from vlit.world.scene import CANVAS, Scene
from vlit.world.vocabulary import COLOURS, CONTAINER, KINDS, NUMBERS, SIZES, TEXTURES

QUESTIONS_PER_IMAGE = 6
INFO = {"description": "vlit mini world, in the format of COCO 2014", "version": "1.0", "year": 2014}
LICENSES = [{"id": 1, "name": "CC0 1.0", "url": "https://creativecommons.org/publicdomain/zero/1.0/"}]
ATTRIBUTES = [
    *({"id": place, "name": value, "type": "colour"} for place, value in enumerate(COLOURS)),
    *({"id": len(COLOURS) + place, "name": value, "type": "texture"} for place, value in enumerate(TEXTURES)),
    *({"id": len(COLOURS) + len(TEXTURES) + place, "name": value, "type": "size"} for place, value in enumerate(SIZES)),
]


def image_name(id: int) -> str:
    """File name of a training scene's picture."""
    return f"COCO_train2014_{id:012d}.jpg"


def annotation_files(scenes: Sequence[Scene], seed: int) -> dict[str, Any]:
    """File name -> content, for all five sources."""
    return {
        "annotations/instances_train2014.json": instances(scenes),
        "annotations/captions_train2014.json": caption_file(scenes, seed),
        "cocottributes.json": attributes(scenes),
        "COCO_Text.json": text_file(scenes),
        **vqa_files(scenes, seed),
    }


def _images(scenes: Sequence[Scene]) -> list[dict[str, Any]]:
    return [
        {"id": scene.id, "file_name": image_name(scene.id), "width": CANVAS, "height": CANVAS, "license": 1}
        for scene in scenes
    ]


def _polygon(box: tuple[int, int, int, int]) -> list[float]:
    x, y, width, height = box
    return [float(value) for value in (x, y, x + width, y, x + width, y + height, x, y + height)]


def instances(scenes: Sequence[Scene]) -> dict[str, Any]:
    """Boxes and categories. An annotation's id is its image's times 100 plus its number."""
    rows = [
        {
            "id": scene.id * 100 + number,
            "image_id": scene.id,
            "category_id": KINDS[thing.kind][0],
            "bbox": [float(value) for value in thing.box],
            "area": float(thing.box[2] * thing.box[3]),
            "segmentation": [_polygon(thing.box)],
            "iscrowd": 0,
        }
        for scene in scenes
        for number, thing in enumerate(scene.things)
    ]
    categories = [{"id": id, "name": kind, "supercategory": group} for kind, (id, group) in KINDS.items()]
    return {"info": INFO, "licenses": LICENSES, "images": _images(scenes), "annotations": rows, "categories": categories}


def caption_file(scenes: Sequence[Scene], seed: int) -> dict[str, Any]:
    """Five captions an image."""
    rows = [
        {"id": scene.id * 10 + number, "image_id": scene.id, "caption": text}
        for scene in scenes
        for number, text in enumerate(captions(scene, random.Random(f"captions {seed} {scene.id}")))
    ]
    return {"info": INFO, "licenses": LICENSES, "images": _images(scenes), "annotations": rows}


def attributes(scenes: Sequence[Scene]) -> dict[str, Any]:
    """Colour, texture and size of every box but containers', whose frame alone shows."""
    vectors, patches = {}, {}
    for scene in scenes:
        for number, thing in enumerate(scene.things):
            names = {thing.colour} if thing.kind == CONTAINER else {thing.colour, thing.texture, thing.size}
            patch = str(scene.id * 100 + number)
            vectors[patch] = [1.0 if attribute["name"] in names else 0.0 for attribute in ATTRIBUTES]
            patches[patch] = scene.id * 100 + number
    return {
        "attributes": ATTRIBUTES,
        "ann_vecs": vectors,
        "patch_id_to_ann_id": patches,
        "split": dict.fromkeys(vectors, "train2014"),
    }


def text_file(scenes: Sequence[Scene]) -> dict[str, Any]:
    """The words of signs."""
    anns: dict[str, Any] = {}
    for scene in scenes:
        if scene.sign is not None:
            x, y, width, height = scene.sign.box
            anns[str(scene.id)] = {
                "id": scene.id,
                "image_id": scene.id,
                "utf8_string": scene.sign.word,
                "bbox": [float(x), float(y), float(width), float(height)],
                "polygon": _polygon(scene.sign.box),
                "area": float(width * height),
                "legibility": "legible",
                "language": "english",
                "class": "machine printed",
            }
    images = {str(image["id"]): {**image, "set": "train"} for image in _images(scenes)}
    by_image = {name: [int(name)] if name in anns else [] for name in images}
    return {"info": INFO, "imgs": images, "anns": anns, "imgToAnns": by_image, "cats": {}}


def vqa_files(scenes: Sequence[Scene], seed: int) -> dict[str, Any]:
    """Questions and answers. Ten people answer; nine agree, as COCO's annotators now and then do not."""
    questions, answers = [], []
    for scene in scenes:
        rng = random.Random(f"vqa {seed} {scene.id}")
        found = [*question_answers(scene, rng), *yes_no(scene, rng)]
        for number, qa in enumerate(rng.sample(found, min(QUESTIONS_PER_IMAGE, len(found)))):
            id = scene.id * 1000 + number
            questions.append({"image_id": scene.id, "question": qa.question, "question_id": id})
            answers.append(_vqa_answer(qa, scene.id, id, rng))
    common = {"info": INFO, "license": LICENSES[0], "data_type": "mscoco", "data_subtype": "train2014"}
    return {
        "v2_OpenEnded_mscoco_train2014_questions.json": {
            **common,
            "task_type": "Open-Ended",
            "questions": questions,
        },
        "v2_mscoco_train2014_annotations.json": {**common, "annotations": answers},
    }


def _vqa_answer(qa: QA, image: int, id: int, rng: random.Random) -> dict[str, Any]:
    given = qa.answer.lower()
    people = [given] * 9 + [rng.choice((given, "not sure"))]
    kind = "yes/no" if given in ("yes", "no") else "number" if given in NUMBERS else "other"
    return {
        "image_id": image,
        "question_id": id,
        "question_type": " ".join(qa.question.lower().split()[:2]),
        "answer_type": kind,
        "multiple_choice_answer": Counter(people).most_common(1)[0][0],
        "answers": [
            {"answer": answer, "answer_confidence": "yes", "answer_id": number}
            for number, answer in enumerate(people, start=1)
        ],
    }
