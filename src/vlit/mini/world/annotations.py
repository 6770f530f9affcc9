"""The world's annotations in the published formats of COCO 2014, COCO-Text, COCO Attributes and VQA v2.

COCO Attributes is published as a pickle, which runs code when read; ours has the same keys in a JSON file.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from vlit.mini.world.questions import QA, YES_NO, scene_questions
from vlit.mini.world.sample import stream
from vlit.mini.world.scene import CANVAS, CanvasBox, Scene, Thing
from vlit.mini.world.texts import scene_captions
from vlit.mini.world.vocabulary import COLOURS, SIZES, TEXTURES, THING_KINDS

_COCO_DATE = "2014-01-01 00:00:00"
_ATTRIBUTES = (
    [("color", name) for name in COLOURS]
    + [("texture", name) for name in TEXTURES]
    + [("size", name) for name in SIZES]
)
_IDS_PER_IMAGE = 10  # ids of an image's annotations start at ten times its own id


def training_image_name(image_id: int) -> str:
    """Return the file name of a training image."""
    return f"COCO_train2014_{image_id:012d}.jpg"


def _polygon(box: CanvasBox) -> list[float]:
    """Return the corners of a box as COCO writes a polygon: x, y, x, y, ..."""
    x, y, width, height = (float(value) for value in box)
    return [x, y, x + width, y, x + width, y + height, x, y + height]


def _annotation_id(scene: Scene, index: int) -> int:
    """Return the id of the annotation of `scene.things[index]`, from 1 like all ids here."""
    return scene.id * _IDS_PER_IMAGE + index + 1


def coco_instances(scenes: Sequence[Scene]) -> dict[str, Any]:
    """Return the content of `instances_train2014.json`: a box and a category for each thing."""
    return {
        **_heading("instances"),
        "images": [_image(scene) for scene in scenes],
        "annotations": [_instance(scene, index, thing) for scene in scenes for index, thing in enumerate(scene.things)],
        "categories": [
            {"supercategory": supercategory, "id": id, "name": kind}
            for kind, (id, supercategory) in THING_KINDS.items()
        ],
    }


def coco_captions(scenes: Sequence[Scene], seed: int) -> dict[str, Any]:
    """Return the content of `captions_train2014.json`: five captions an image."""
    return {
        **_heading("captions"),
        "images": [_image(scene) for scene in scenes],
        "annotations": [
            {"image_id": scene.id, "id": scene.id * _IDS_PER_IMAGE + number, "caption": caption}
            for scene in scenes
            for number, caption in enumerate(scene_captions(scene, stream(seed, scene.id, "captions")), start=1)
        ],
    }


def coco_text(scenes: Sequence[Scene]) -> dict[str, Any]:
    """Return the content of `COCO_Text.json`: the word of each sign and its box; every image is listed."""
    signs = {scene.id: scene.sign for scene in scenes if scene.sign is not None}
    return {
        "info": {"version": "1.3", "description": "Words on the signs of the mini world", "date_created": _COCO_DATE},
        "cats": {},
        "imgs": {
            str(scene.id): {
                "id": scene.id,
                "set": "train",
                "width": CANVAS,
                "height": CANVAS,
                "file_name": training_image_name(scene.id),
            }
            for scene in scenes
        },
        "anns": {
            str(image_id * _IDS_PER_IMAGE): {
                "id": image_id * _IDS_PER_IMAGE,
                "image_id": image_id,
                "utf8_string": sign.word,
                "bbox": [float(value) for value in sign.box],
                "polygon": _polygon(sign.box),
                "area": float(sign.box[2] * sign.box[3]),
                "legibility": "legible",
                "language": "english",
                "class": "machine printed",
            }
            for image_id, sign in signs.items()
        },
        "imgToAnns": {str(scene.id): [scene.id * _IDS_PER_IMAGE] if scene.id in signs else [] for scene in scenes},
    }


def coco_attributes(scenes: Sequence[Scene]) -> dict[str, Any]:
    """Return the content of `cocottributes.json`: the attributes of each annotated thing (a patch)."""
    vectors, annotation_ids = {}, {}
    for scene in scenes:
        for index, thing in enumerate(scene.things):
            patch = str(_annotation_id(scene, index))
            annotation_ids[patch] = _annotation_id(scene, index)
            has = {("color", thing.colour), ("texture", thing.texture), ("size", thing.size)}
            vectors[patch] = [float(attribute in has) for attribute in _ATTRIBUTES]
    return {
        "attributes": [{"id": id, "name": name, "type": type} for id, (type, name) in enumerate(_ATTRIBUTES, start=1)],
        "ann_vecs": vectors,
        "patch_id_to_ann_id": annotation_ids,
        "split": dict.fromkeys(vectors, "train2014"),
    }


def _heading(content: str) -> dict[str, Any]:
    return {
        "info": {
            "description": f"Mini world, {content} in the format of COCO 2014",
            "url": "",
            "version": "1.0",
            "year": 2014,
            "contributor": "vlit",
            "date_created": _COCO_DATE,
        },
        "licenses": [{"url": "http://www.apache.org/licenses/LICENSE-2.0", "id": 1, "name": "Apache License 2.0"}],
    }


def _image(scene: Scene) -> dict[str, Any]:
    return {
        "license": 1,
        "file_name": training_image_name(scene.id),
        "coco_url": "",
        "height": CANVAS,
        "width": CANVAS,
        "date_captured": _COCO_DATE,
        "flickr_url": "",
        "id": scene.id,
    }


def _instance(scene: Scene, index: int, thing: Thing) -> dict[str, Any]:
    return {
        "segmentation": [_polygon(thing.box)],
        "area": float(thing.box[2] * thing.box[3]),
        "iscrowd": 0,
        "image_id": scene.id,
        "bbox": [float(value) for value in thing.box],
        "category_id": THING_KINDS[thing.kind][0],
        "id": _annotation_id(scene, index),
    }


_QUESTIONS_PER_IMAGE = 6  # at most; the real average is 5.4
_ANSWERS = 10  # to each question, short and in lower case
_QUESTION_TYPES = (  # the published first words of a question that we use, longest first
    "what color is the",
    "what is on the",
    "what is in the",
    "what color is",
    "what color",
    "what kind of",
    "is there an",
    "what is the",
    "where is the",
    "what does the",
    "are there any",
    "is there a",
    "which",
    "what is",
    "how many",
    "where are the",
    "what are the",
    "is the",
    "what",
    "how",
    "was",
)


def vqa_files(scenes: Sequence[Scene], seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the contents of VQA v2's question file and annotation file for the `train2014` open-ended task."""
    pairs = [
        (scene.id * 1000 + number, scene.id, qa) for scene in scenes for number, qa in enumerate(_chosen(scene, seed))
    ]
    heading = {
        "info": {
            "description": "Questions on the mini world in the format of VQA v2.0",
            "version": "2.0",
            "year": 2017,
        },
        "data_type": "mscoco",
        "data_subtype": "train2014",
        "license": {"url": "http://www.apache.org/licenses/LICENSE-2.0", "name": "Apache License 2.0"},
    }
    questions = [{"image_id": image, "question": qa.question, "question_id": id} for id, image, qa in pairs]
    annotations = [_vqa_annotation(id, image, qa, stream(seed, id, "answers")) for id, image, qa in pairs]
    return {**heading, "task_type": "Open-Ended", "questions": questions}, {**heading, "annotations": annotations}


def _short_answer(qa: QA) -> str:
    """Return an answer as VQA writes it: lower case and no article; a sign's word keeps its capitals."""
    if qa.dimension == "TR":
        return qa.answer
    words = qa.answer[0].lower() + qa.answer[1:]
    for article in ("a ", "an "):
        words = words.removeprefix(article)
    return words


def _chosen(scene: Scene, seed: int) -> Iterator[QA]:
    """Yield a random question of each of up to `_QUESTIONS_PER_IMAGE` dimensions; yes-or-no questions count as one."""
    rng = stream(seed, scene.id, "vqa")
    by_dimension: defaultdict[str, list[QA]] = defaultdict(list)
    for qa in scene_questions(scene, rng, yes_no=True):
        by_dimension[qa.dimension].append(qa)
    dimensions = list(by_dimension)
    rng.shuffle(dimensions)
    for dimension in dimensions[:_QUESTIONS_PER_IMAGE]:
        yield rng.choice(by_dimension[dimension])


def _vqa_annotation(question_id: int, image_id: int, qa: QA, rng: random.Random) -> dict[str, Any]:
    answer = _short_answer(qa)
    return {
        "question_type": _question_type(qa.question),
        "multiple_choice_answer": answer,
        "answers": [
            {"answer": answer, "answer_confidence": rng.choice(("yes", "yes", "yes", "maybe")), "answer_id": id}
            for id in range(1, _ANSWERS + 1)
        ],
        "image_id": image_id,
        "answer_type": _answer_type(qa),
        "question_id": question_id,
    }


def _question_type(question: str) -> str:
    """Return the published first words that a question starts with."""
    words = question.lower()
    return next((type for type in _QUESTION_TYPES if words.startswith(f"{type} ")), "none of the above")


def _answer_type(qa: QA) -> str:
    if qa.pool == YES_NO:
        return "yes/no"
    return "number" if qa.type in ("count", "left") else "other"
