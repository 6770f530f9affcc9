"""Attributes of objects over COCO images: COCO Attributes, also as its published pickle, and Visual Genome."""

from __future__ import annotations

import importlib
import io
import pickle
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np

from vlit.construct.sources.coco import rows_of
from vlit.construct.sources.image import AnnotatedObject, Box
from vlit.data.checks import MalformedError, checked_row
from vlit.data.sample import Rejects


class _Attribute(msgspec.Struct):
    id: int
    name: str


class _GenomeImage(msgspec.Struct):
    image_id: int
    width: Annotated[int, msgspec.Meta(gt=0)]
    height: Annotated[int, msgspec.Meta(gt=0)]
    coco_id: int | None = None


class _GenomeEntry(msgspec.Struct):
    image_id: int
    attributes: list[Any]


class _Region(msgspec.Struct):
    x: int | float
    y: int | float
    w: int | float
    h: int | float
    attributes: list[str] | None = None


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


def attributes_by_instance(content: dict[str, Any], rejects: Rejects) -> dict[int, tuple[str, ...]]:
    """Read attribute names by id of the COCO instance.

    Args:
        content: COCO Attributes; a vector contains the workers' share of yes votes, in the order of attribute ids.
        rejects: receives vectors of another length or without an instance.
    """
    listed = sorted(rows_of(_Attribute, content["attributes"], "attributes", rejects), key=lambda row: row.id)
    if len(listed) != len(content["attributes"]):
        raise ValueError("an attribute without id and name: which vote is whose is not known")
    rejects.close("attributes", len(content["attributes"]), len(listed))
    instances, vectors = content["patch_id_to_ann_id"], content["ann_vecs"]
    found: dict[int, tuple[str, ...]] = {}
    used = 0
    for patch, vector in vectors.items():
        try:
            votes, instance = np.asarray(vector, dtype=float), int(instances[patch])
            if votes.shape != (len(content["attributes"]),):
                raise ValueError(f"{votes.size} votes on {len(content['attributes'])} attributes")
        except (KeyError, TypeError, ValueError, OverflowError) as fault:
            rejects.add(str(patch), "unusable attribute vector", str(fault), place=f"ann_vecs[{patch}]")
            continue
        used += 1
        found[instance] = tuple(row.name for row, vote in zip(listed, votes, strict=True) if vote > MAJORITY)
    if vectors and not found:
        raise ValueError("no attribute vector can be used")
    rejects.close("attribute vectors", len(vectors), len(found), noted=used - len(found))  # of an instance that has one
    return found


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
    # A cut or forged file may also ask for more memory than there is, or end within a number.
    except (
        pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError, KeyError, TypeError, zlib.error,
        struct.error, MemoryError, OverflowError, RecursionError, OSError,
    ) as error:  # fmt: skip
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
    image_data: Sequence[Any], content: Sequence[Any], rejects: Rejects
) -> dict[int, list[AttributedBox]]:
    """Read Visual Genome's boxes with attributes by COCO image id, out of `image_data.json` and `attributes.json`.

    Rows in another form are rejected; images that are not COCO's have no use here.
    """
    listed = list(rows_of(_GenomeImage, image_data, "image_data", rejects))
    images = {row.image_id: row for row in listed}
    rejects.close("image_data", len(image_data), len(images), noted=len(listed) - len(images))
    entries = list(rows_of(_GenomeEntry, content, "visual genome", rejects))
    of_coco = [entry for entry in entries if entry.image_id in images and images[entry.image_id].coco_id]
    rejects.close("visual genome", len(content), len(of_coco), noted=len(entries) - len(of_coco))
    found: dict[int, list[AttributedBox]] = {}
    plain = 0
    for entry in of_coco:
        image = images[entry.image_id]
        for place, thing in enumerate(entry.attributes):
            try:
                row = checked_row(_Region, thing)
            except MalformedError as fault:
                where = f"visual genome image {entry.image_id}, attributes[{place}]"
                rejects.add(str(image.coco_id), fault.reason, fault.detail, place=where, field=fault.field)
                continue
            names = tuple(dict.fromkeys(name.strip().lower() for name in row.attributes or () if name.strip()))
            box = (row.x / image.width, row.y / image.height, row.w / image.width, row.h / image.height)
            plain += not names
            if names:
                found.setdefault(image.coco_id or 0, []).append(AttributedBox(box, names))
    regions = sum(len(entry.attributes) for entry in of_coco)
    rejects.close("regions", regions, sum(map(len, found.values())), noted=plain)
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
