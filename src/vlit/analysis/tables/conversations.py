"""Tables 9-14: samples of constructed conversations with their images, two of each kind (paper appendix B)."""

from __future__ import annotations

import random
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlit.analysis.table import Table
from vlit.common.errors import InputError
from vlit.common.files import read_json
from vlit.data.images import FileImage, ZipImage

KINDS = {
    "global": ("An example of a conversation generated from an image as a whole", (9, 10)),
    "negative": ("An example of a generated conversation with negative responses", (11, 12)),
    "region": ("A generated conversation for regions where the image is marked", (13, 14)),
}
_SPEAKERS = {"User": "User", "AI": "AI Assistant", "human": "User", "gpt": "AI Assistant"}


@dataclass(frozen=True)
class ConversationExample:
    """A table of turns (speaker, text), and the image it is about; None, with a note in the table, if it is missing."""

    table: Table
    image: FileImage | ZipImage | None


def choose_examples(folder: Path, images: Path | None, seed: int = 0) -> list[ConversationExample]:
    """Choose two conversations of each kind at random.

    Args:
        folder: folder with `global.json`, `negative.json` or `region.json` (COCO_ARC), and `region_images`, a folder or
            a zip archive.
        images: folder with the other images; None shows none.
        seed: seed of the choice.

    Raises:
        InputError: none of the files is there, or one isn't in the COCO_ARC format.
    """
    found = []
    sources: list[FileImage | ZipImage] = [*_archive_members(folder)]
    sources += [FileImage(path) for path in _files(images, folder / "region_images")]
    known = {_file_name(source): source for source in sources}
    for kind, (title, numbers) in KINDS.items():
        path = folder / f"{kind}.json"
        if path.is_file():
            content = read_json(path, "construct the data first: python construct.py")
            if not isinstance(content, dict) or not isinstance(content.get("annotations"), list):
                raise InputError(f"{path} has no list of annotations: it isn't in the COCO_ARC format")
            annotations = [a for a in content["annotations"] if isinstance(a, dict) and _turns(a.get("conversations"))]
            chosen = random.Random(seed).sample(annotations, min(len(numbers), len(annotations)))
            for number, annotation in zip(numbers, chosen, strict=False):
                found.append(_example(f"table{number:02d}", title, annotation, known, images is not None))
    if not found:
        raise InputError(f"no conversations in {folder}: run python construct.py, or set conversations=FOLDER")
    return found


def _example(
    name: str, title: str, annotation: dict[str, Any], known: dict[str, FileImage | ZipImage], searched: bool
) -> ConversationExample:
    ids = annotation.get("img_ids")
    ids = ids if isinstance(ids, list) else [ids]
    image = next((known[name] for key in ids for name in _candidate_names(str(key)) if name in known), None)
    missing = "; not found" if searched else "; no image folder given (images=FOLDER)"
    note = f"Image: {', '.join(map(str, ids))}{'' if image else missing}."
    rows = [[_SPEAKERS.get(who, who), text] for who, text in _turns(annotation["conversations"])]
    return ConversationExample(Table(name, title, ["", "Turn"], rows, notes=[note]), image)


def _files(*folders: Path | None) -> list[Path]:
    return [path for folder in folders if folder and folder.is_dir() for path in sorted(folder.iterdir())]


def _archive_members(folder: Path) -> list[ZipImage]:
    """Return the images of `region_images.zip`, if it is there."""
    archive = folder / "region_images.zip"
    if not archive.is_file():
        return []
    try:
        with zipfile.ZipFile(archive) as opened:
            return [ZipImage(archive, info.filename) for info in opened.infolist() if not info.is_dir()]
    except zipfile.BadZipFile as error:
        raise InputError(f"{archive} is no zip archive ({error}): fetch or write it again") from None


def _file_name(source: FileImage | ZipImage) -> str:
    return Path(source.member).name if isinstance(source, ZipImage) else source.path.name


def _candidate_names(key: str) -> list[str]:
    """Return the file names that an image id can stand for."""
    names = [Path(key).name, *(f"{key}.{ending}" for ending in ("jpg", "png"))]
    if key.isdigit():
        names += [f"COCO_train2014_{int(key):012d}.jpg", f"COCO_val2014_{int(key):012d}.jpg", f"{int(key):012d}.jpg"]
    return names


def _turns(conversation: Any) -> list[tuple[str, str]]:
    """Return speaker and text, from `[{"User": ..., "AI": ...}]` or `[{"from": ..., "value": ...}]`; else nothing."""
    if isinstance(conversation, dict):
        conversation = [conversation]
    if not isinstance(conversation, list):
        return []
    turns: list[tuple[str, str]] = []
    for part in conversation:
        if not isinstance(part, dict):
            return []
        if {"from", "value"} <= set(part):
            turns.append((str(part["from"]), str(part["value"])))
        else:
            turns += [(str(who), str(text)) for who, text in part.items()]
    return turns
