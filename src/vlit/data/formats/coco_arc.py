"""COCO_ARC, the paper's own data (section 4.2): three kinds of conversation over COCO 2014 images.

The published schema names `conversations` as a list and says no more. Read here are turn objects
`{"User": ..., "AI": ...}`, messages `{"from": ..., "value": ...}`, and lists of either (several conversations about
the same images, one sample each).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from vlit.common.errors import InputError
from vlit.common.files import read_json
from vlit.data.checks import MalformedError, Pair, keep_readable, pairs_from_messages, turns_of
from vlit.data.images import FileImage, ZipImage
from vlit.data.sample import ImageSource, Rejects, Sample

log = logging.getLogger(__name__)

KINDS = ("global", "negative", "region")
Find = Callable[[str], ImageSource | None]


def read_coco_arc(
    folder: str | Path,
    images: str | Path,
    rejects: Rejects,
    *,
    kinds: Sequence[str] = KINDS,
    name: str = "ours",
    check_images: bool = True,
) -> list[Sample]:
    """Read `{image_source, construction_time, annotations: [{img_ids, instruction_type, conversations}]}` files.

    `img_ids` holds COCO ids or file names. Region images are in `folder`, in `region_images.zip` or `region_images/`.
    Ids are "ours/global/000012", with "-0", "-1" ... added where an annotation holds several conversations.

    Args:
        folder: holds `global.json`, `negative.json`, `region.json`.
        images: the COCO train2014 folder.
        rejects: receives the unusable samples.
        kinds: which of the three files to read; a file of the others is not asked for.
        name: the first part of the ids.
        check_images: decode every image now; otherwise only a missing file is found here.

    Raises:
        InputError: if a kind is unknown, or a file of a configured kind is absent, cut off or in another format.
    """
    folder, images = Path(folder), Path(images)
    unknown = set(kinds) - set(KINDS)
    if unknown:
        raise InputError(f"unknown kinds {sorted(unknown)}: choose from {', '.join(KINDS)}")
    left_out = [kind for kind in KINDS if kind not in kinds]
    if left_out:
        log.info("%s: %s left out, as configured", folder, ", ".join(left_out))
    if not images.is_dir():
        raise InputError(f"no image folder {images}: download COCO train2014, or mend the dataset's `images` path")
    samples: list[Sample] = []
    for kind in kinds:
        find = _finder(images, _region_images(folder) if kind == "region" else {})
        samples += _read_kind(folder / f"{kind}.json", f"{name}/{kind}", find, rejects)
    if check_images:
        samples = keep_readable(samples, rejects)
    log.info("%s: %d samples read; %s", folder, len(samples), rejects.summary())
    return samples


def _read_kind(path: Path, prefix: str, find: Find, rejects: Rejects) -> list[Sample]:
    content = read_json(path, mend="download it, or leave its kind out of the dataset's `kinds`")
    annotations = content.get("annotations") if isinstance(content, dict) else None
    if not isinstance(annotations, list):
        raise InputError(f"{path} is not in COCO_ARC's format: it has no list `annotations`")
    samples = []
    for number, annotation in enumerate(annotations):
        for sample_id, conversation in _conversations(f"{prefix}/{number:06d}", annotation):
            try:
                samples.append(_sample(sample_id, annotation, conversation, path.stem, find))
            except MalformedError as fault:
                rejects.add(sample_id, fault.reason, fault.detail)
    return samples


def _conversations(sample_id: str, annotation: object) -> list[tuple[str, object]]:
    value = annotation.get("conversations") if isinstance(annotation, dict) else None
    if isinstance(value, list) and value and all(isinstance(item, list) for item in value):
        return [(f"{sample_id}-{number}", item) for number, item in enumerate(value)]
    return [(sample_id, value)]


def _sample(sample_id: str, annotation: object, conversation: object, kind: str, find: Find) -> Sample:
    if not isinstance(annotation, dict):
        raise MalformedError("not a sample", repr(annotation))
    ids = annotation.get("img_ids")
    if not isinstance(ids, list) or not ids:
        raise MalformedError("no image ids")
    turns = turns_of(_pairs(conversation), len(ids))
    found = [find(str(image_id)) for image_id in ids]
    absent = [str(image_id) for image_id, image in zip(ids, found, strict=True) if image is None]
    if absent:
        raise MalformedError("missing image", ", ".join(absent))
    return Sample(
        id=sample_id,
        images=tuple(image for image in found if image is not None),
        turns=turns,
        source_id=",".join(map(str, ids)),
        task=kind,
    )


def _pairs(conversation: object) -> list[Pair]:
    if isinstance(conversation, list) and conversation and all(_is_turn(item) for item in conversation):
        return [(item["User"], item["AI"]) for item in conversation]
    return pairs_from_messages(conversation)


def _is_turn(item: object) -> bool:
    return isinstance(item, dict) and "User" in item and "AI" in item


def _region_images(folder: Path) -> dict[str, ImageSource]:
    """Region images by file name and by stem, from the folder or the zip archive."""
    archive = folder / "region_images.zip"
    found: dict[str, ImageSource] = {}
    if (folder / "region_images").is_dir():
        for path in sorted((folder / "region_images").iterdir()):
            found[path.name] = found[path.stem] = FileImage(path)
    elif archive.is_file():
        try:
            with ZipFile(archive) as zipped:
                members = [Path(info.filename) for info in zipped.infolist() if not info.is_dir()]
        except BadZipFile as error:
            raise InputError(f"{archive} is not a readable zip archive ({error}): fetch it again") from None
        for member in members:
            found[member.name] = found[member.stem] = ZipImage(archive, member.as_posix())
    return found


def _finder(coco: Path, region_images: dict[str, ImageSource]) -> Find:
    """Look an image id up: a region image, a file name, or a COCO id (also as "000000000042.jpg")."""

    def find(image_id: str) -> ImageSource | None:
        name = Path(image_id).name
        if name in region_images:
            return region_images[name]
        candidates = [coco / image_id]
        if Path(name).stem.isdecimal():
            candidates.append(coco / f"COCO_train2014_{int(Path(name).stem):012d}.jpg")
        return next((FileImage(path) for path in candidates if path.is_file()), None)

    return find
