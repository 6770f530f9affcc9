"""LLaVA-Instruct's format, the common one for a user's own data (haotian-liu/LLaVA, docs/Finetune_Custom_Data.md)."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import msgspec

from vlit.common.content import read_document
from vlit.common.errors import InputError
from vlit.data.checks import (
    MalformedError,
    Message,
    Unreadable,
    checked_row,
    keep_readable,
    pairs_from_messages,
    turns_of,
)
from vlit.data.images import FileImage, ImageFolder, unreadable
from vlit.data.sample import Rejects, Sample

log = logging.getLogger(__name__)

# Keys under which other formats keep what this one has no place for: a sample without them would be another sample.
_FOREIGN_MEDIA = re.compile(r"(videos?|audios?|img|imgs|picture|pictures|photos?|image_?(paths?|files?|urls?|names?))")


class Row(msgspec.Struct):
    """A row of the file. `images` is what LLaMA-Factory calls the list of pictures; the id is never needed."""

    conversations: list[Message] = []
    id: str | int | float | None = None
    image: str | list[str] | None = None
    images: str | list[str] | None = None
    task: str | None = None


_KEYS = frozenset(Row.__struct_fields__)


def read_llava(
    annotations: str | Path,
    images: str | Path,
    rejects: Rejects,
    *,
    name: str = "llava",
    task: str = "",
    check: Unreadable | None = unreadable,
    upright: bool = True,
    outside: bool = False,
) -> list[Sample]:
    """Read `[{id, image, conversations: [{from, value}]}]`, a JSON list or JSON lines, also compressed with gzip.

    `image` (or `images`) may be absent (a sample of text alone), a name or a list of names. The file's ids repeat or
    are absent, so `Sample.id` is the place in the file, "llava/000123", and the file's id becomes `source_id`.

    Args:
        annotations: path of the file.
        images: folder the image names are relative to.
        rejects: receives the unusable samples.
        name: first part of the ids.
        task: task of samples that name none themselves (the published file names none).
        check: finds the images that cannot be decoded, by default by decoding all; None checks nothing.
        upright: apply the EXIF orientation of photographs.
        outside: follow image names that lead out of the folder (`ImageFolder`).

    Raises:
        InputError: if the file is absent or not in this format, or the image folder is absent.
    """
    annotations, folder = Path(annotations), ImageFolder(Path(images), upright, outside)
    document = read_document(annotations, "download it, or mend data.annotations", repeated_keys=True)
    if not isinstance(document.value, list):
        raise InputError(f"{annotations} is not in LLaVA's format: the top level must be a list of samples")
    if not folder.folder.is_dir() and any(isinstance(row, dict) and _names_images(row) for row in document.value):
        raise InputError(f"no image folder {images}: download the images, or mend data.images")
    samples = []
    for number, value in enumerate(document.value):
        sample_id = f"{name}/{number:06d}"
        place = document.places[number] if document.places else f"{annotations.name}[{number}]"
        try:
            samples.append(_sample(sample_id, place, value, folder, task))
        except MalformedError as fault:
            rejects.add(sample_id, fault.reason, fault.detail, place=place, field=fault.field)
    for number, (place, reason) in enumerate(document.faults, start=len(document.value)):
        rejects.add(f"{name}/{number:06d}", "not valid JSON", reason, place=place)
    samples = keep_readable(samples, rejects, check)
    rows = len(document.value) + len(document.faults)
    rejects.close(str(annotations), rows, len(samples))
    log.info("%s: %d of %d samples read; %s", annotations.name, len(samples), rows, rejects.summary())
    return samples


def _names_images(row: dict[str, Any]) -> bool:
    return bool(row.get("image") or row.get("images"))


def _sample(sample_id: str, place: str, value: object, folder: ImageFolder, task: str) -> Sample:
    row = checked_row(Row, value)
    assert isinstance(value, dict)  # the schema is that of an object
    for key, content in value.items():
        if key not in _KEYS and content and _FOREIGN_MEDIA.fullmatch(key):
            raise MalformedError("unknown key of a picture, video or sound", f"{key}: name pictures under `image`", key)
    names = _image_names(row)
    turns = turns_of(pairs_from_messages(row.conversations), len(names))
    return Sample(
        id=sample_id,
        images=tuple(find_image(folder, image) for image in names),
        turns=turns,
        source_id="" if row.id is None else str(row.id),
        task=row.task or task,
        place=place,
    )


def _image_names(row: Row) -> list[str]:
    listed = [[names] if isinstance(names, str) else names for names in (row.image, row.images) if names is not None]
    if len(listed) == 2 and listed[0] != listed[1]:
        raise MalformedError("image and images differ", f"{listed[0]} and {listed[1]}", "images")
    names = listed[0] if listed else []
    if not all(names):
        raise MalformedError("empty image name", field="image")
    return names


def find_image(folder: ImageFolder, name: str) -> FileImage:
    """Return the image of a name.

    Raises:
        MalformedError: if the folder has none, or the name is no path inside it.
    """
    if name.startswith("data:"):
        raise MalformedError("image is a data URI", f"{name[:40]}...: write it to a file, and name the file", "image")
    if re.match(r"[a-z][a-z0-9+.-]*://", name):
        raise MalformedError("image is an address", f"{name[:200]}: download it, and name the file", "image")
    try:
        found = folder.find(name)
    except OSError as error:
        raise MalformedError("unusable image name", str(error), "image") from None
    if found is None:
        raise MalformedError("missing image", name, "image")
    return found
