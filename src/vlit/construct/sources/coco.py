"""The JSON files about COCO images: captions and objects of COCO, written words of COCO-Text, questions of VQA."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from vlit.construct.sources.image import AnnotatedObject, Word, box_of


def listed_images(content: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """Read name, width and height of every image that a captions or instances file lists, by image id."""
    return {
        int(image["id"]): {key: image[key] for key in ("file_name", "width", "height")} for image in content["images"]
    }


def captions_by_image(content: dict[str, Any]) -> dict[int, list[str]]:
    """Read captions by image id."""
    found = defaultdict(list)
    for annotation in content["annotations"]:
        found[int(annotation["image_id"])].append(" ".join(annotation["caption"].split()))
    return found


def objects_by_image(
    content: dict[str, Any], attributes: Mapping[int, tuple[str, ...]]
) -> dict[int, list[AnnotatedObject]]:
    """Read boxes by image id, without crowds, as they give no count.

    Args:
        content: COCO's instances.
        attributes: attribute names by id of the instance.
    """
    categories = {category["id"]: category for category in content["categories"]}
    found = defaultdict(list)
    for annotation in content["annotations"]:
        if annotation.get("iscrowd"):
            continue
        category = categories[annotation["category_id"]]
        instance = int(annotation["id"])
        found[int(annotation["image_id"])].append(
            AnnotatedObject(
                instance,
                category["name"],
                category["supercategory"],
                box_of(annotation["bbox"]),
                attributes.get(instance, ()),
            )
        )
    return found


def words_by_image(content: dict[str, Any]) -> dict[int, list[Word]]:
    """Read legible words by image id."""
    found = defaultdict(list)
    for key, annotation in content["anns"].items():
        image_id, box = int(annotation["image_id"]), box_of(annotation["bbox"])
        text = (annotation.get("utf8_string") or "").strip()
        if text and annotation.get("legibility", "legible") == "legible":
            found[image_id].append(Word(int(key), text, box))
    return found


def questions_by_image(questions: dict[str, Any], answers: dict[str, Any]) -> dict[int, list[tuple[str, str]]]:
    """Read pairs of question and answer by image id."""
    answer_of = {answer["question_id"]: answer["multiple_choice_answer"] for answer in answers["annotations"]}
    found = defaultdict(list)
    for question in questions["questions"]:
        pair = (question["question"], answer_of[question["question_id"]])
        found[int(question["image_id"])].append(pair)
    return found
