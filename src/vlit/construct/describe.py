"""Describe an image in words, by one template for each type of annotation (worked example in section A.2.2)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from vlit.construct.region_images import corners
from vlit.construct.sources.image import AnnotatedObject, ImageAnnotations, Word

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
            self.object.format(count=count, supercategory=supercategory, kind=kind)
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
        return self.region.format(supercategory=region.supercategory, kind=region.kind, **place)


def _as_sentence(caption: str) -> str:
    return caption if caption.endswith((".", "!", "?")) else f"{caption}."
