"""Captions and objects of COCO, written words of COCO-Text, and questions of VQA: the JSON files over COCO images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from vlit.construct.sources.image import AnnotatedObject, Word, box_of


def images(content: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """Name, width and height of every image that a captions or instances file lists, by image id."""
    return {
        int(image["id"]): {key: image[key] for key in ("file_name", "width", "height")} for image in content["images"]
    }


def captions(content: dict[str, Any]) -> dict[int, list[str]]:
    """Captions by image id."""
    found = defaultdict(list)
    for annotation in content["annotations"]:
        found[int(annotation["image_id"])].append(" ".join(annotation["caption"].split()))
    return found


def objects(content: dict[str, Any], attributes: Mapping[int, tuple[str, ...]]) -> dict[int, list[AnnotatedObject]]:
    """Boxes by image id, with the attributes known of them. Crowds are left out, as they give no count."""
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


def words(content: dict[str, Any]) -> dict[int, list[Word]]:
    """Legible words by image id."""
    found = defaultdict(list)
    for key, annotation in content["anns"].items():
        image_id, box = int(annotation["image_id"]), box_of(annotation["bbox"])
        text = (annotation.get("utf8_string") or "").strip()
        if text and annotation.get("legibility", "legible") == "legible":
            found[image_id].append(Word(int(key), text, box))
    return found


def question_answers(questions: dict[str, Any], answers: dict[str, Any]) -> dict[int, list[tuple[str, str]]]:
    """Pairs of question and answer by image id."""
    answer_of = {answer["question_id"]: answer["multiple_choice_answer"] for answer in answers["annotations"]}
    found = defaultdict(list)
    for question in questions["questions"]:
        pair = (question["question"], answer_of[question["question_id"]])
        found[int(question["image_id"])].append(pair)
    return found
