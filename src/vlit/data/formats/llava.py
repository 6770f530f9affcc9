"""LLaVA-Instruct's format, the common one for a user's own data (haotian-liu/LLaVA, docs/Finetune_Custom_Data.md)."""

from __future__ import annotations

import logging
from pathlib import Path

from vlit.common.errors import InputError
from vlit.common.files import read_json
from vlit.data.checks import MalformedError, keep_readable, pairs_from_messages, turns_of
from vlit.data.images import FileImage
from vlit.data.sample import Rejects, Sample

log = logging.getLogger(__name__)


def read_llava(
    annotations: str | Path,
    images: str | Path,
    rejects: Rejects,
    *,
    name: str = "llava",
    task: str = "",
    check_images: bool = True,
) -> list[Sample]:
    """Read `[{id, image, conversations: [{from, value}]}]`.

    `image` may be absent (a sample of text alone) or a list of names. The file's ids repeat, so `Sample.id` is the
    place in the file, "llava/000123", and the file's id becomes `source_id`.

    Args:
        annotations: the JSON file.
        images: the folder the image names are relative to.
        rejects: receives the unusable samples.
        name: the first part of the ids.
        task: the task of samples that name none themselves (the published file names none).
        check_images: decode every image now; otherwise only a missing file is found here.

    Raises:
        InputError: if the file is absent, cut off or not a list, or the image folder is absent.
    """
    annotations, images = Path(annotations), Path(images)
    entries = read_json(annotations, mend="download it, or mend the dataset's `annotations` path")
    if not isinstance(entries, list):
        raise InputError(f"{annotations} is not in LLaVA's format: the top level must be a list of samples")
    if not images.is_dir() and any(isinstance(entry, dict) and entry.get("image") for entry in entries):
        raise InputError(f"no image folder {images}: download the images, or mend the dataset's `images` path")
    samples = []
    for number, entry in enumerate(entries):
        sample_id = f"{name}/{number:06d}"
        try:
            samples.append(_sample(sample_id, entry, images, task))
        except MalformedError as fault:
            rejects.add(sample_id, fault.reason, fault.detail)
    if check_images:
        samples = keep_readable(samples, rejects)
    log.info("%s: %d of %d samples read; %s", annotations.name, len(samples), len(entries), rejects.summary())
    return samples


def _sample(sample_id: str, entry: object, folder: Path, task: str) -> Sample:
    if not isinstance(entry, dict):
        raise MalformedError("not a sample", repr(entry))
    if entry.get("id") is None:
        raise MalformedError("no id")
    images = tuple(_image(folder, file) for file in _files(entry.get("image")))
    turns = turns_of(pairs_from_messages(entry.get("conversations")), len(images))
    return Sample(sample_id, images, turns, source_id=str(entry["id"]), task=str(entry.get("task", task)))


def _files(value: object) -> list[object]:
    if not value:
        return []
    return value if isinstance(value, list) else [value]


def _image(folder: Path, file: object) -> FileImage:
    if not isinstance(file, str):
        raise MalformedError("image is not a file name", repr(file))
    image = FileImage(folder / file)
    if not image.path.is_file():
        raise MalformedError("missing image", str(image.path))
    return image
