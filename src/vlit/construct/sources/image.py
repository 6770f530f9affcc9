"""The annotations of one image, merged over the sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

Box = tuple[float, float, float, float]  # x, y, width, height in pixels


@dataclass(frozen=True)
class AnnotatedObject:
    """A box of COCO's instances with its attributes (most of COCO's boxes have none).

    Attributes:
        id: id of the instance.
        kind: name of its category.
        supercategory: name of the category's group; empty where it has none.
        box: box in pixels.
        attributes: names of its attributes.
    """

    id: int
    kind: str
    supercategory: str
    box: Box
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Word:
    """A legible text instance of COCO-Text; the box is in pixels."""

    id: int
    text: str
    box: Box


@dataclass(frozen=True)
class ImageAnnotations:
    """The annotations of one image.

    Attributes:
        image_id: COCO's id.
        file_name: name of the image file.
        width: width in pixels.
        height: height in pixels.
        captions: captions.
        objects: boxes.
        words: written words.
        qa: pairs of question and answer.
    """

    image_id: int
    file_name: str
    width: int
    height: int
    captions: tuple[str, ...] = ()
    objects: tuple[AnnotatedObject, ...] = ()
    words: tuple[Word, ...] = ()
    qa: tuple[tuple[str, str], ...] = ()

    def restricted(self, sources: Sequence[str]) -> ImageAnnotations:
        """Return the same image with the annotations of some of the `SOURCES` only."""
        objects = self.objects if "object" in sources else ()
        if "attribute" not in sources:
            objects = tuple(replace(thing, attributes=()) for thing in objects)
        return replace(
            self,
            captions=self.captions if "caption" in sources else (),
            objects=objects,
            words=self.words if "ocr" in sources else (),
            qa=self.qa if "vqa" in sources else (),
        )


def clipped(box: Box, width: int, height: int) -> Box | None:
    """Return the part of a box inside an image of `width` x `height` pixels; None if that is less than a pixel."""
    x, y, w, h = box
    if x >= 0 and y >= 0 and x + w <= width and y + h <= height:
        return box if w > 0 and h > 0 else None
    left, top, right, bottom = max(0, x), max(0, y), min(width, x + w), min(height, y + h)
    return (left, top, right - left, bottom - top) if right - left >= 1 and bottom - top >= 1 else None
