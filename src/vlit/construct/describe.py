"""Describe an image in words, by one template for each type of annotation (worked example in section A.2.2)."""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from vlit.common.errors import InputError
from vlit.construct.sources.image import AnnotatedObject, Box, ImageAnnotations, Word

Marked = AnnotatedObject | Word  # what a square box is drawn around in a region conversation


@dataclass(frozen=True)
class Templates:
    """Format strings: the sentence of each annotation type, and one item of its list.

    A word occurs once for each place in the image where it is written. Attributes and regions are not in the paper's
    example: their wording is ours.
    """

    captions: str
    objects: str
    object: str
    attributes: str
    attribute: str
    pairs: str
    pair: str
    words: str
    region: str
    region_word: str

    def describe(self, image: ImageAnnotations, region: Marked | None = None) -> str:
        """Describe an image by its annotations; a source without annotations is left out.

        Args:
            image: the annotations.
            region: the marked object or word of a region conversation.
        """
        sentences = []
        if image.captions:
            sentences.append(self.captions.format(captions=" ".join(map(_as_sentence, image.captions))))
        if image.objects:
            sentences.append(self.objects.format(objects=self._counted(image)))
        if any(thing.attributes for thing in image.objects):
            sentences.append(self.attributes.format(attributes=self._attributes(image)))
        if image.qa:
            pairs = (self.pair.format(question=question, answer=answer) for question, answer in image.qa)
            sentences.append(self.pairs.format(pairs=", ".join(pairs)))
        if image.words:
            sentences.append(self.words.format(words=", ".join(word.text for word in image.words)))
        if region is not None:
            sentences.append(self._region(region, image))
        return " ".join(sentences)

    def _counted(self, image: ImageAnnotations) -> str:
        """Count objects by category, in the order of their first occurrence."""
        counts = Counter((thing.supercategory, thing.kind) for thing in image.objects)
        return ", ".join(
            _grouped(self.object, supercategory).format(count=count, supercategory=supercategory, kind=kind)
            for (supercategory, kind), count in counts.items()
        )

    def _attributes(self, image: ImageAnnotations) -> str:
        return ", ".join(
            self.attribute.format(kind=thing.kind, attributes=" and ".join(thing.attributes))
            for thing in image.objects
            if thing.attributes
        )

    def _region(self, region: Marked, image: ImageAnnotations) -> str:
        place = {"box": corners(region.box), "width": image.width, "height": image.height}
        if isinstance(region, Word):
            return self.region_word.format(word=region.text, **place)
        template = _grouped(self.region, region.supercategory)
        return template.format(supercategory=region.supercategory, kind=region.kind, **place)


def _grouped(template: str, supercategory: str) -> str:
    """Return a template without the group in front of a kind that belongs to none."""
    return template if supercategory else template.replace("{supercategory}_", "").replace("{supercategory}", "")


def _as_sentence(caption: str) -> str:
    return caption if caption.endswith((".", "!", "?")) else f"{caption}."


BOX_COLOUR = (255, 0, 255)  # magenta, which few objects have


def corners(box: Box) -> str:
    """Write a box as "[left, top, right, bottom]" in pixels."""
    x, y, width, height = box
    return f"[{round(x)}, {round(y)}, {round(x + width)}, {round(y + height)}]"


def region_image_name(file_name: str, annotation_id: int, word: bool) -> str:
    """Return `{file stem}_{annotation id}.jpg`, with a letter t before the id of a word, which is numbered apart."""
    return f"{Path(file_name).stem}_{'t' if word else ''}{annotation_id}.jpg"


def draw_region(path: Path, box: Box) -> bytes:
    """Draw the outline of a box, just around it, on an image file, and return the JPEG's bytes.

    Raises:
        InputError: if the image is absent or can't be decoded.
    """
    try:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
    except OSError as error:
        raise InputError(f"cannot read image {path} ({error}): get the images again") from None
    line = max(1, round(max(image.size) / 128))
    x, y, width, height = box
    outline = (
        max(0, round(x) - line),
        max(0, round(y) - line),
        min(image.width - 1, round(x + width) + line - 1),
        min(image.height - 1, round(y + height) + line - 1),
    )
    ImageDraw.Draw(image).rectangle(outline, outline=BOX_COLOUR, width=line)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=95, subsampling=0)
    return buffer.getvalue()


def write_region_archive(path: Path, names: Iterable[str], boxes: Mapping[str, tuple[str, Box]], images: Path) -> None:
    """Draw the named region images into a zip archive, the same bytes for the same images.

    Args:
        path: the archive.
        names: names of the region images.
        boxes: image file and box of each name.
        images: folder of the image files.

    Raises:
        InputError: if an image is absent or can't be decoded.
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(set(names)):
            file_name, box = boxes[name]
            member = zipfile.ZipInfo(f"region_images/{name}", date_time=(1980, 1, 1, 0, 0, 0))
            archive.writestr(member, draw_region(images / file_name, box))
