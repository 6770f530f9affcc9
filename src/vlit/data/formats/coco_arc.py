"""COCO_ARC, the paper's own data (section 4.2): three kinds of conversation over COCO 2014 images.

The published schema names `conversations` as a list and says no more. Read here are turn objects
`{"User": ..., "AI": ...}`, messages `{"from": ..., "value": ...}`, and lists of either (several conversations about
the same images, one sample each).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import msgspec

from vlit.common.content import RepeatedKeys, read_document
from vlit.common.errors import InputError
from vlit.data.checks import (
    MalformedError,
    Message,
    Pair,
    Unreadable,
    checked_row,
    keep_readable,
    pairs_from_messages,
    turns_of,
)
from vlit.data.images import FileImage, ImageFolder, ZipImage, unreadable
from vlit.data.sample import ImageSource, Rejects, Sample

log = logging.getLogger(__name__)

KINDS = ("global", "negative", "region")
_SPEAKERS = ("User", "AI")
Find = Callable[[str], ImageSource | None]


class Annotation(msgspec.Struct):
    """An annotation of a file: what images, what kind of instruction, which conversations."""

    conversations: Any
    img_ids: list[str | int] = []
    instruction_type: str | None = None


def read_coco_arc(
    folder: str | Path,
    images: str | Path,
    rejects: Rejects,
    *,
    kinds: Sequence[str] = KINDS,
    name: str = "ours",
    check: Unreadable | None = unreadable,
    upright: bool = True,
    outside: bool = False,
) -> list[Sample]:
    """Read `{image_source, construction_time, annotations: [{img_ids, instruction_type, conversations}]}` files.

    `img_ids` holds COCO ids or file names. Region images are in `folder`, in `region_images.zip` or `region_images/`.
    Ids are "ours/global/000012", with "-0", "-1" ... added where an annotation holds several conversations.

    Args:
        folder: holds `global.json`, `negative.json`, `region.json`.
        images: the COCO train2014 folder.
        rejects: receives the unusable samples.
        kinds: which of the three files to read; a file of the others is not asked for.
        name: first part of the ids.
        check: finds the images that cannot be decoded, by default by decoding all; None checks nothing.
        upright: apply the EXIF orientation.
        outside: follow image names that lead out of the folder (`ImageFolder`).

    Raises:
        InputError: if a kind is unknown, or a file of a configured kind is absent or in another format.
    """
    folder, images = Path(folder), Path(images)
    unknown = set(kinds) - set(KINDS)
    if unknown:
        raise InputError(f"unknown kinds {sorted(unknown)}: choose from {', '.join(KINDS)}")
    left_out = [kind for kind in KINDS if kind not in kinds]
    if left_out:
        log.info("%s: %s left out, as configured", folder, ", ".join(left_out))
    if not images.is_dir():
        raise InputError(f"no image folder {images}: download COCO train2014, or mend data.images")
    samples: list[Sample] = []
    for kind in kinds:
        regions = _region_images(folder, upright) if kind == "region" else {}
        find = _finder(ImageFolder(images, upright, outside), regions)
        read, rows = _read_kind(folder / f"{kind}.json", f"{name}/{kind}", find, rejects)
        read = keep_readable(read, rejects, check)
        rejects.close(str(folder / f"{kind}.json"), rows, len(read))
        samples += read
    log.info("%s: %d samples read; %s", folder, len(samples), rejects.summary())
    return samples


def _read_kind(path: Path, prefix: str, find: Find, rejects: Rejects) -> tuple[list[Sample], int]:
    """Return the usable samples of a file and the number of conversations it holds."""
    content = read_document(path, "download it, or leave its kind out of data.read.kinds", repeated_keys=True).value
    annotations = content.get("annotations") if isinstance(content, dict) else None
    if not isinstance(annotations, list):
        raise InputError(f"{path} is not in COCO_ARC's format: it has no list `annotations`")
    samples, rows = [], 0
    for number, value in enumerate(annotations):
        place = f"{path.name}[{number}]"
        for sample_id, conversation in _conversations(f"{prefix}/{number:06d}", value):
            rows += 1
            try:
                samples.append(_sample(sample_id, place, value, conversation, path.stem, find))
            except MalformedError as fault:
                rejects.add(sample_id, fault.reason, fault.detail, place=place, field=fault.field)
    return samples, rows


def _conversations(sample_id: str, annotation: object) -> list[tuple[str, Any]]:
    """Return the conversations of an annotation, each with its id; one, where they are no list of lists."""
    value = annotation.get("conversations") if isinstance(annotation, dict) else None
    if type(value) is list and value and all(type(item) is list for item in value):  # no object of repeated keys
        return [(f"{sample_id}-{number}", item) for number, item in enumerate(value)]
    return [(sample_id, value)]


def _sample(sample_id: str, place: str, value: object, conversation: Any, kind: str, find: Find) -> Sample:
    annotation = checked_row(Annotation, value)
    if not annotation.img_ids:
        raise MalformedError("no image ids", field="img_ids")
    ids = [str(image_id) for image_id in annotation.img_ids]
    turns = turns_of(_pairs(conversation), len(ids))
    try:
        found = [find(image_id) for image_id in ids]
    except OSError as error:
        raise MalformedError("unusable image name", str(error), "img_ids") from None
    absent = [image_id for image_id, image in zip(ids, found, strict=True) if image is None]
    if absent:
        raise MalformedError("missing image", ", ".join(absent), "img_ids")
    images = tuple(image for image in found if image is not None)
    return Sample(sample_id, images, turns, source_id=",".join(ids), task=kind, place=place)


def _pairs(conversation: Any) -> list[Pair]:
    """Return instructions and responses of a conversation in any of the forms it has in files.

    One of them is an object that repeats its keys, `{"User": ..., "AI": ..., "User": ..., "AI": ...}`: the very form
    that the paper's prompt asks for (section A.2.2).
    """
    items = conversation if type(conversation) is list else [conversation]
    if items and all(map(_is_spoken, items)):
        spoken = [pair for item in items for pair in (item if isinstance(item, RepeatedKeys) else item.items())]
        speakers = [speaker for speaker, _ in spoken]
        if speakers != list(_SPEAKERS) * (len(speakers) // 2):
            raise MalformedError("turns do not alternate", f"speakers: {' '.join(speakers)}", "conversations")
        return [(spoken[at][1], spoken[at + 1][1]) for at in range(0, len(spoken), 2)]
    if not isinstance(conversation, list) or not conversation:
        raise MalformedError("no conversation", field="conversations")
    return pairs_from_messages([checked_row(Message, item) for item in conversation])


def _is_spoken(item: object) -> bool:
    keys = [key for key, _ in item] if isinstance(item, RepeatedKeys) else list(item) if isinstance(item, dict) else []
    return bool(keys) and set(keys) <= set(_SPEAKERS)


def _region_images(folder: Path, upright: bool) -> dict[str, ImageSource]:
    """Return region images by file name and by stem, from the folder or the zip archive."""
    archive = folder / "region_images.zip"
    found: dict[str, ImageSource] = {}
    if (folder / "region_images").is_dir():
        for path in sorted((folder / "region_images").iterdir()):
            found[path.name] = found[path.stem] = FileImage(path, upright)
    elif archive.is_file():
        try:
            with ZipFile(archive) as zipped:
                members = [Path(info.filename) for info in zipped.infolist() if not info.is_dir()]
        except BadZipFile as error:
            raise InputError(f"{archive} is not a readable zip archive ({error}): fetch it again") from None
        for member in members:
            found[member.name] = found[member.stem] = ZipImage(archive, member.as_posix(), upright)
    return found


def _finder(folder: ImageFolder, region_images: dict[str, ImageSource]) -> Find:
    """Return the lookup of an image id: a region image, a file name, or a COCO id (also as "000000000042.jpg")."""

    def find(image_id: str) -> ImageSource | None:
        name = Path(image_id).name
        return region_images[name] if name in region_images else folder.find(image_id)

    return find
