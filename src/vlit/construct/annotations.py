"""Reads the five annotation sources of COCO 2014 images and merges them per image (paper section 4.2.1).

Formats: COCO instances and captions (cocodataset.org), COCO Attributes (as JSON; the published `.jbl` file holds the
same object, pickled), COCO-Text, and VQA v2.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from vlit.errors import InputError
from vlit.files import read_json

Box = tuple[float, float, float, float]  # x, y, width, height in pixels
Item = TypeVar("Item")

SOURCES: tuple[str, ...] = ("caption", "object", "attribute", "ocr", "vqa")
FILES: dict[str, tuple[str, ...]] = {
    "caption": ("annotations/captions_train2014.json",),
    "object": ("annotations/instances_train2014.json",),
    "attribute": ("cocottributes.json",),
    "ocr": ("COCO_Text.json",),
    "vqa": ("v2_OpenEnded_mscoco_train2014_questions.json", "v2_mscoco_train2014_annotations.json"),
}


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


def read_annotations(folder: str | Path, sources: Sequence[str] = SOURCES) -> list[ImageAnnotations]:
    """Read and merge annotation sources, in the order of image ids.

    An image that a source says nothing of has nothing of that source; images without any caption or box are left out.
    Boxes of crowds are left out, as they give no count.

    Args:
        folder: holds the files named in `FILES`.
        sources: which of `SOURCES` to read. The files of the others need not exist; "attribute" needs "object".

    Raises:
        InputError: if a source is unknown, or a file of a chosen source is absent, cut off or in another format.
    """
    folder = Path(folder)
    unknown = set(sources) - set(SOURCES)
    if unknown or not {"caption", "object"} & set(sources):
        raise InputError(f"sources {list(sources)}: choose from {', '.join(SOURCES)}, caption or object among them")
    if "attribute" in sources and "object" not in sources:
        raise InputError("source attribute describes the boxes of source object: add object to the sources")
    images: dict[int, dict[str, Any]] = {}
    captions: dict[int, list[str]] = {}
    objects: dict[int, list[AnnotatedObject]] = {}
    words: dict[int, list[Word]] = {}
    qa: dict[int, list[tuple[str, str]]] = {}
    if "caption" in sources:
        captions = _read("caption", folder, lambda content: _captions(content, images))
    if "object" in sources:
        attributes = _read("attribute", folder, _attributes) if "attribute" in sources else {}
        objects = _read("object", folder, lambda content: _objects(content, images, attributes))
    if "ocr" in sources:
        words = _read("ocr", folder, _words)
    if "vqa" in sources:
        qa = _read("vqa", folder, _qa)
    return [
        ImageAnnotations(
            image_id,
            image["file_name"],
            image["width"],
            image["height"],
            tuple(captions.get(image_id, ())),
            tuple(objects.get(image_id, ())),
            tuple(words.get(image_id, ())),
            tuple(qa.get(image_id, ())),
        )
        for image_id, image in sorted(images.items())
        if captions.get(image_id) or objects.get(image_id)
    ]


def _read(source: str, folder: Path, parse: Callable[..., dict[int, Item]]) -> dict[int, Item]:
    """Read a source's files and parse their contents; anything not as published is one clear line."""
    paths = [folder / name for name in FILES[source]]
    mend = f"get it, or leave {source} out of the sources"
    contents = [read_json(path, mend=mend) for path in paths]
    with _as_published(source, paths):
        return parse(*contents)


@contextmanager
def _as_published(source: str, paths: Sequence[Path]) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        names = " and ".join(str(path) for path in paths)
        fault = f"{type(error).__name__}: {error}"
        raise InputError(f"{names} not in the published format of source {source} ({fault}): fetch again") from None


def _list_images(content: dict[str, Any], images: dict[int, dict[str, Any]]) -> None:
    for image in content["images"]:
        images[int(image["id"])] = {key: image[key] for key in ("file_name", "width", "height")}


def _captions(content: dict[str, Any], images: dict[int, dict[str, Any]]) -> dict[int, list[str]]:
    _list_images(content, images)
    found = defaultdict(list)
    for annotation in content["annotations"]:
        found[int(annotation["image_id"])].append(" ".join(annotation["caption"].split()))
    return found


def _attributes(content: dict[str, Any]) -> dict[int, tuple[str, ...]]:
    """Attribute names by instance id. A vector holds the workers' share of yes votes, in the order of attribute ids."""
    names = [attribute["name"] for attribute in sorted(content["attributes"], key=lambda attribute: attribute["id"])]
    return {
        int(content["patch_id_to_ann_id"][patch]): tuple(
            name for name, vote in zip(names, vector, strict=True) if vote > 0.5
        )
        for patch, vector in content["ann_vecs"].items()
    }


def _objects(
    content: dict[str, Any], images: dict[int, dict[str, Any]], attributes: dict[int, tuple[str, ...]]
) -> dict[int, list[AnnotatedObject]]:
    _list_images(content, images)
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
                _box(annotation["bbox"]),
                attributes.get(instance, ()),
            )
        )
    return found


def _words(content: dict[str, Any]) -> dict[int, list[Word]]:
    found = defaultdict(list)
    for key, annotation in content["anns"].items():
        image_id, box = int(annotation["image_id"]), _box(annotation["bbox"])
        text = (annotation.get("utf8_string") or "").strip()
        if text and annotation.get("legibility", "legible") == "legible":
            found[image_id].append(Word(int(key), text, box))
    return found


def _qa(questions: dict[str, Any], answers: dict[str, Any]) -> dict[int, list[tuple[str, str]]]:
    answer_of = {answer["question_id"]: answer["multiple_choice_answer"] for answer in answers["annotations"]}
    found = defaultdict(list)
    for question in questions["questions"]:
        pair = (question["question"], answer_of[question["question_id"]])
        found[int(question["image_id"])].append(pair)
    return found


def _box(values: Sequence[float]) -> Box:
    x, y, width, height = values
    return x, y, width, height
