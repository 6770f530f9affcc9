"""Attributes of COCO's objects: COCO Attributes (Patterson & Hays, 2016) and Visual Genome (Krishna et al., 2017).

COCO Attributes says which of some 200 attributes the instances of COCO have. Published is a pickle written by joblib,
`cocottributes_eccv_version.jbl`. A pickle can name any function to be called when it is read, so `read_joblib` admits
arrays and plain values only. A JSON file with the same content is read as well.

Half of Visual Genome's images are COCO's, under other ids, in other sizes and with boxes of their own. A box of COCO
gets the attributes of the box of Visual Genome that overlaps it most.
"""

from __future__ import annotations

import importlib
import io
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vlit.construct.sources.image import AnnotatedObject, Box

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
