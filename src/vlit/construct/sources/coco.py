"""Annotations over COCO images: captions, objects, written words, questions, and the attributes of two sources."""

from __future__ import annotations

import importlib
import io
import pickle
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import msgspec

from vlit.construct.sources.image import AnnotatedObject, Box, Word
from vlit.data.checks import Kind, MalformedError, checked_row
from vlit.data.sample import Rejects


class _Image(msgspec.Struct):
    id: int
    file_name: str
    width: Annotated[int, msgspec.Meta(gt=0)]
    height: Annotated[int, msgspec.Meta(gt=0)]


class _Caption(msgspec.Struct):
    image_id: int
    caption: str


class _Category(msgspec.Struct):
    id: int
    name: str
    supercategory: str | None = None


class _Instance(msgspec.Struct):
    id: int
    image_id: int
    category_id: int
    bbox: tuple[int | float, int | float, int | float, int | float]
    iscrowd: int | bool = 0


class _Text(msgspec.Struct):
    image_id: int
    bbox: tuple[int | float, int | float, int | float, int | float]


class _Question(msgspec.Struct):
    question_id: int
    image_id: int
    question: str


class _Answer(msgspec.Struct):
    question_id: int
    multiple_choice_answer: str


def _rows(kind: type[Kind], rows: Iterable[Any], name: str, rejects: Rejects) -> Iterator[Kind]:
    """Yield the rows that fit their schema; the others are rejected, by their place in the list `name`.

    Raises:
        ValueError: if there are rows and none fits: it is another file.
    """
    fits, fault = False, None
    for number, row in enumerate(rows):
        try:
            yield checked_row(kind, row)
            fits = True
        except MalformedError as error:
            fault = fault or error
            image = row.get("image_id", "") if isinstance(row, dict) else ""
            rejects.add(str(image), error.reason, error.detail, place=f"{name}[{number}]", field=error.field)
    if fault is not None and not fits:
        raise ValueError(f"no row of {name} can be used, first: {fault}")


def listed_images(content: dict[str, Any], rejects: Rejects) -> dict[int, dict[str, Any]]:
    """Read name, width and height of every image that a captions or instances file lists, by image id."""
    listed = _rows(_Image, content["images"], "images", rejects)
    return {image.id: {key: getattr(image, key) for key in ("file_name", "width", "height")} for image in listed}


def captions_by_image(content: dict[str, Any], rejects: Rejects) -> dict[int, list[str]]:
    """Read captions by image id; one without words is rejected."""
    found = defaultdict(list)
    for row in _rows(_Caption, content["annotations"], "captions", rejects):
        caption = " ".join(row.caption.split())
        if caption:
            found[row.image_id].append(caption)
        else:
            rejects.add(str(row.image_id), "empty caption", field="caption")
    return found


def objects_by_image(
    content: dict[str, Any], attributes: Mapping[int, tuple[str, ...]], rejects: Rejects
) -> dict[int, list[AnnotatedObject]]:
    """Read boxes by image id, without crowds, as they give no count.

    Args:
        content: COCO's instances.
        attributes: attribute names by id of the instance.
        rejects: receives rows in another form, and boxes of categories that are not listed.
    """
    categories = {row.id: row for row in _rows(_Category, content["categories"], "categories", rejects)}
    found = defaultdict(list)
    for row in _rows(_Instance, content["annotations"], "instances", rejects):
        category = categories.get(row.category_id)
        if row.iscrowd:
            continue
        if category is None:
            rejects.add(str(row.image_id), "unknown category", f"{row.category_id} of instance {row.id}")
            continue
        found[row.image_id].append(
            AnnotatedObject(row.id, category.name, category.supercategory or "", row.bbox, attributes.get(row.id, ()))
        )
    return found


def words_by_image(content: dict[str, Any], rejects: Rejects) -> dict[int, list[Word]]:
    """Read legible words by image id; of the others nothing is needed.

    Raises:
        ValueError: if no text instance names its image: it is another file.
    """
    found = defaultdict(list)
    texts = content["anns"].values()
    if texts and not any(isinstance(text, dict) and "image_id" in text for text in texts):
        raise ValueError("no text instance has an image_id")
    for key, annotation in content["anns"].items():
        legible = isinstance(annotation, dict) and annotation.get("legibility", "legible") == "legible"
        text = annotation.get("utf8_string") if legible else None
        if not isinstance(text, str) or not text.strip():
            continue
        try:
            row = checked_row(_Text, annotation)
            found[row.image_id].append(Word(int(key), text.strip(), row.bbox))
        except (MalformedError, ValueError) as fault:
            rejects.add(str(annotation.get("image_id", "")), "unusable text instance", str(fault), place=f"anns[{key}]")
    return found


def questions_by_image(
    questions: dict[str, Any], answers: dict[str, Any], rejects: Rejects
) -> dict[int, list[tuple[str, str]]]:
    """Read pairs of question and answer by image id; a question without an answer is rejected."""
    answered = _rows(_Answer, answers["annotations"], "answers", rejects)
    answer_of = {row.question_id: row.multiple_choice_answer.strip() for row in answered}
    found = defaultdict(list)
    for row in _rows(_Question, questions["questions"], "questions", rejects):
        if row.question.strip() and answer_of.get(row.question_id):
            found[row.image_id].append((row.question, answer_of[row.question_id]))
        else:
            rejects.add(str(row.image_id), "unanswered question", row.question)
    return found


MAJORITY = 0.5  # share of yes votes above which an instance has an attribute
SAME_OBJECT = 0.5  # intersection over union from which two boxes are taken for the same object's
OLD_FORMAT = b"ZF"  # first bytes of joblib's format before 0.10, which the published file has
ADMITTED = {  # what a file of dictionaries, strings and number arrays needs, under its old and new names
    ("joblib.numpy_pickle", "NumpyArrayWrapper"),
    ("sklearn.externals.joblib.numpy_pickle", "NumpyArrayWrapper"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("collections", "OrderedDict"),
    ("_codecs", "encode"),
}


def attributes_by_instance(content: dict[str, Any]) -> dict[int, tuple[str, ...]]:
    """Read attribute names by id of the COCO instance.

    Args:
        content: COCO Attributes; a vector contains the workers' share of yes votes, in the order of attribute ids.
    """
    names = [attribute["name"] for attribute in sorted(content["attributes"], key=lambda attribute: attribute["id"])]
    return {
        int(content["patch_id_to_ann_id"][patch]): tuple(
            name for name, vote in zip(names, vector, strict=True) if vote > MAJORITY
        )
        for patch, vector in content["ann_vecs"].items()
    }


def read_joblib(path: Path) -> dict[str, Any]:
    """Read a joblib file, in the old format or the present one, without running any code it names.

    Raises:
        ValueError: if it names anything but arrays and plain values, or is cut off.
    """
    import zlib

    from joblib.numpy_pickle import NumpyUnpickler
    from joblib.numpy_pickle_compat import read_zfile
    from joblib.numpy_pickle_utils import _validate_fileobject_and_memmap

    class PlainNumpyUnpickler(NumpyUnpickler):
        find_class = _admitted

    try:
        with path.open("rb") as file:
            if file.read(2) == OLD_FORMAT:
                return _PlainUnpickler(io.BytesIO(read_zfile(file)), encoding="latin1").load()
            file.seek(0)
            with _validate_fileobject_and_memmap(file, str(path), None) as (stream, _):
                unpickler = PlainNumpyUnpickler(str(path), stream, ensure_native_byte_order=True)
                unpickler.encoding = "latin1"  # the file may have been written by Python 2
                return unpickler.load()
    except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError, zlib.error, OSError) as error:
        raise ValueError(f"not a joblib file ({error})") from None


def _admitted(unpickler: pickle.Unpickler, module: str, name: str) -> Any:
    """Return the object that a name in the file stands for, if it is `ADMITTED`."""
    if (module, name) not in ADMITTED:
        raise ValueError(f"it names {module}.{name}, which is no array")
    return getattr(importlib.import_module(module.removeprefix("sklearn.externals.")), name)


class _PlainUnpickler(pickle.Unpickler):
    find_class = _admitted


@dataclass(frozen=True)
class AttributedBox:
    """A box of Visual Genome with at least one attribute, in shares of the image's width and height."""

    box: Box
    attributes: tuple[str, ...]


def boxes_by_image(
    image_data: Sequence[Mapping[str, Any]], content: Sequence[Mapping[str, Any]]
) -> dict[int, list[AttributedBox]]:
    """Read Visual Genome's boxes with attributes by COCO image id, out of `image_data.json` and `attributes.json`."""
    images = {int(image["image_id"]): image for image in image_data if image.get("coco_id")}
    found: dict[int, list[AttributedBox]] = {}
    for entry in content:
        image = images.get(int(entry["image_id"]))
        if image is None:
            continue
        width, height = image["width"], image["height"]
        for thing in entry["attributes"]:
            names = tuple(dict.fromkeys(name.strip().lower() for name in thing.get("attributes") or () if name.strip()))
            box = (thing["x"] / width, thing["y"] / height, thing["w"] / width, thing["h"] / height)
            if names:
                found.setdefault(int(image["coco_id"]), []).append(AttributedBox(box, names))
    return found


def with_attributes(
    objects: Sequence[AnnotatedObject], known: Sequence[AttributedBox], width: int, height: int
) -> list[AnnotatedObject]:
    """Add to each object of an image of `width` x `height` pixels the attributes of the box that overlaps it most."""
    extended = []
    for thing in objects:
        x, y, w, h = thing.box
        box = (x / width, y / height, w / width, h / height)
        best = max(known, key=lambda other: overlap(box, other.box), default=None)
        if best is not None and overlap(box, best.box) >= SAME_OBJECT:
            thing = replace(thing, attributes=tuple(dict.fromkeys(thing.attributes + best.attributes)))  # noqa: PLW2901
        extended.append(thing)
    return extended


def overlap(one: Box, other: Box) -> float:
    """Return the intersection over union of two boxes."""
    across = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    down = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    if across <= 0 or down <= 0:
        return 0.0
    common = across * down
    return common / (one[2] * one[3] + other[2] * other[3] - common)
