"""Annotations over COCO images: captions, objects, written words, questions, and the attributes of two sources."""

from __future__ import annotations

import importlib
import io
import pickle
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vlit.construct.sources.image import AnnotatedObject, Box, Word, box_of


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
