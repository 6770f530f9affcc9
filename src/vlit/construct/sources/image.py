"""What the annotation sources say of one image, merged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

Box = tuple[float, float, float, float]  # x, y, width, height in pixels


@dataclass(frozen=True)
class AnnotatedObject:
    """One box of COCO's instances, with what COCO Attributes says of it (nothing for most of COCO's boxes)."""

    id: int
    kind: str
    supercategory: str
    box: Box
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Word:
    """One legible text instance of COCO-Text."""

    id: int
    text: str
    box: Box


@dataclass(frozen=True)
class ImageAnnotations:
    """Everything the sources say of one image."""

    image_id: int
    file_name: str
    width: int
    height: int
    captions: tuple[str, ...] = ()
    objects: tuple[AnnotatedObject, ...] = ()
    words: tuple[Word, ...] = ()
    qa: tuple[tuple[str, str], ...] = ()

    def restricted(self, sources: Sequence[str]) -> ImageAnnotations:
        """Return the same image as seen through some of the `SOURCES` only."""
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


def box_of(values: Sequence[float]) -> Box:
    """Exactly four numbers as a box.

    Raises:
        ValueError: if there are more or fewer.
    """
    x, y, width, height = values
    return x, y, width, height
