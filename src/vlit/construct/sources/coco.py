"""COCO 2014's captions and instances (cocodataset.org): images, captions, boxes with their categories."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from vlit.construct.sources.image import AnnotatedObject, box_of


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
