"""The world's annotations in the published formats of COCO 2014, COCO-Text and COCO Attributes.

COCO Attributes is published as a pickle, which runs code when read; ours has the same keys in a JSON file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vlit.mini.world.sample import stream
from vlit.mini.world.scene import CANVAS, Scene, Thing
from vlit.mini.world.texts import captions
from vlit.mini.world.vocabulary import COLOURS, KINDS, SIZES, TEXTURES

DATE = "2014-01-01 00:00:00"
ATTRIBUTES = (
    [("color", name) for name in COLOURS]
    + [("texture", name) for name in TEXTURES]
    + [("size", name) for name in SIZES]
)
PER_IMAGE = 10  # ids of an image's annotations start at ten times its own id


def image_name(image_id: int) -> str:
    """Return the file name of a training image."""
    return f"COCO_train2014_{image_id:012d}.jpg"


def box_polygon(box: tuple[int, int, int, int]) -> list[float]:
    """Return the corners of a box as COCO writes a polygon: x, y, x, y, ..."""
    x, y, width, height = (float(value) for value in box)
    return [x, y, x + width, y, x + width, y + height, x, y + height]


def annotation_id(scene: Scene, index: int) -> int:
    """Return the id of the annotation of `scene.things[index]`; 1-based like all ids here."""
    return scene.id * PER_IMAGE + index + 1


def coco_instances(scenes: Sequence[Scene]) -> dict[str, Any]:
    """Return the content of `instances_train2014.json`: a box and a category for each thing."""
    return {
        **_heading("instances"),
        "images": [_image(scene) for scene in scenes],
        "annotations": [_instance(scene, index, thing) for scene in scenes for index, thing in enumerate(scene.things)],
        "categories": [
            {"supercategory": supercategory, "id": id, "name": kind} for kind, (id, supercategory) in KINDS.items()
        ],
    }


def coco_captions(scenes: Sequence[Scene], seed: int) -> dict[str, Any]:
    """Return the content of `captions_train2014.json`: five captions an image."""
    return {
        **_heading("captions"),
        "images": [_image(scene) for scene in scenes],
        "annotations": [
            {"image_id": scene.id, "id": scene.id * PER_IMAGE + number, "caption": caption}
            for scene in scenes
            for number, caption in enumerate(captions(scene, stream(seed, scene.id, "captions")), start=1)
        ],
    }


def coco_text(scenes: Sequence[Scene]) -> dict[str, Any]:
    """Return the content of `COCO_Text.json`: the word of each sign and its box; every image is listed."""
    signs = {scene.id: scene.sign for scene in scenes if scene.sign is not None}
    return {
        "info": {"version": "1.3", "description": "Words on the signs of the mini world", "date_created": DATE},
        "cats": {},
        "imgs": {
            str(scene.id): {
                "id": scene.id,
                "set": "train",
                "width": CANVAS,
                "height": CANVAS,
                "file_name": image_name(scene.id),
            }
            for scene in scenes
        },
        "anns": {
            str(image_id * PER_IMAGE): {
                "id": image_id * PER_IMAGE,
                "image_id": image_id,
                "utf8_string": sign.word,
                "bbox": [float(value) for value in sign.box],
                "polygon": box_polygon(sign.box),
                "area": float(sign.box[2] * sign.box[3]),
                "legibility": "legible",
                "language": "english",
                "class": "machine printed",
            }
            for image_id, sign in signs.items()
        },
        "imgToAnns": {str(scene.id): [scene.id * PER_IMAGE] if scene.id in signs else [] for scene in scenes},
    }


def coco_attributes(scenes: Sequence[Scene]) -> dict[str, Any]:
    """Return the content of `cocottributes.json`: for each annotated thing (a patch) which attributes it has."""
    vectors, annotation_ids = {}, {}
    for scene in scenes:
        for index, thing in enumerate(scene.things):
            patch = str(annotation_id(scene, index))
            annotation_ids[patch] = annotation_id(scene, index)
            has = {("color", thing.colour), ("texture", thing.texture), ("size", thing.size)}
            vectors[patch] = [float(attribute in has) for attribute in ATTRIBUTES]
    return {
        "attributes": [{"id": id, "name": name, "type": type} for id, (type, name) in enumerate(ATTRIBUTES, start=1)],
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
            "date_created": DATE,
        },
        "licenses": [{"url": "http://www.apache.org/licenses/LICENSE-2.0", "id": 1, "name": "Apache License 2.0"}],
    }


def _image(scene: Scene) -> dict[str, Any]:
    return {
        "license": 1,
        "file_name": image_name(scene.id),
        "coco_url": "",
        "height": CANVAS,
        "width": CANVAS,
        "date_captured": DATE,
        "flickr_url": "",
        "id": scene.id,
    }


def _instance(scene: Scene, index: int, thing: Thing) -> dict[str, Any]:
    return {
        "segmentation": [box_polygon(thing.box)],
        "area": float(thing.box[2] * thing.box[3]),
        "iscrowd": 0,
        "image_id": scene.id,
        "bbox": [float(value) for value in thing.box],
        "category_id": KINDS[thing.kind][0],
        "id": annotation_id(scene, index),
    }
