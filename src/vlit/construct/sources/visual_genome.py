"""Visual Genome's attributes (Krishna et al., 2017), laid on COCO's boxes.

Half of Visual Genome's images are COCO's, under other ids, in other sizes and with boxes of their own. A box of ours
takes the attributes of the box of theirs that covers it best.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vlit.construct.sources.image import AnnotatedObject, Box

SAME = 0.5  # intersection over union from which two boxes are taken for the same object's


@dataclass(frozen=True)
class Region:
    """A box of Visual Genome with at least one attribute, in shares of the image's width and height."""

    box: Box
    attributes: tuple[str, ...]


def regions(image_data: Sequence[Mapping[str, Any]], content: Sequence[Mapping[str, Any]]) -> dict[int, list[Region]]:
    """Boxes with attributes by COCO image id, out of `image_data.json` and `attributes.json`."""
    images = {int(image["image_id"]): image for image in image_data if image.get("coco_id")}
    found: dict[int, list[Region]] = {}
    for entry in content:
        image = images.get(int(entry["image_id"]))
        if image is None:
            continue
        width, height = image["width"], image["height"]
        for thing in entry["attributes"]:
            names = tuple(dict.fromkeys(name.strip().lower() for name in thing.get("attributes") or () if name.strip()))
            box = (thing["x"] / width, thing["y"] / height, thing["w"] / width, thing["h"] / height)
            if names:
                found.setdefault(int(image["coco_id"]), []).append(Region(box, names))
    return found


def with_attributes(
    objects: Sequence[AnnotatedObject], known: Sequence[Region], width: int, height: int
) -> list[AnnotatedObject]:
    """Give each object of an image of `width` x `height` pixels the attributes of the region that covers it best."""
    dressed = []
    for thing in objects:
        x, y, w, h = thing.box
        box = (x / width, y / height, w / width, h / height)
        best = max(known, key=lambda region: overlap(box, region.box), default=None)
        if best is not None and overlap(box, best.box) >= SAME:
            thing = replace(thing, attributes=tuple(dict.fromkeys(thing.attributes + best.attributes)))  # noqa: PLW2901
        dressed.append(thing)
    return dressed


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes."""
    across = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    down = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    if across <= 0 or down <= 0:
        return 0.0
    common = across * down
    return common / (one[2] * one[3] + other[2] * other[3] - common)
