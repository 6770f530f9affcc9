"""Tables 9-14: samples of constructed conversations with their images, two of each kind (paper appendix B)."""

from __future__ import annotations

import base64
import html
import io
import random
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlit.analysis.tables.table import Table
from vlit.common.errors import InputError
from vlit.common.files import read_json
from vlit.data.images import FileImage, ZipImage
from vlit.data.sample import ImageSource

KINDS = {
    "global": ("An example of a conversation generated from an image as a whole", (9, 10)),
    "negative": ("An example of a generated conversation with negative responses", (11, 12)),
    "region": ("A generated conversation for regions where the image is marked", (13, 14)),
}
_SPEAKERS = {"User": "User", "AI": "AI Assistant", "human": "User", "gpt": "AI Assistant"}
_WIDTH = 320


@dataclass(frozen=True)
class Example:
    """A table of turns, and the image it is about (None, with the reason, if it can't be shown)."""

    table: Table
    image: ImageSource | None


def examples(folder: Path, images: Path | None, seed: int = 0) -> list[Example]:
    """Choose two conversations of each kind at random, from `global.json`, `negative.json` and `region.json`.

    Raises:
        InputError: none of the files is there, or one isn't in the COCO_ARC format.
    """
    found = []
    files: list[ImageSource] = [FileImage(path) for path in _files(images, folder / "region_images")]
    known = {_name(source): source for source in (*_members(folder), *files)}
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


def as_html(example: Example) -> str:
    """The table with its image inside the page."""
    picture = "" if example.image is None else _picture(example.image)
    turns = "".join(f"<dt>{html.escape(who)}</dt><dd>{html.escape(text)}</dd>" for who, text in example.table.rows)
    notes = "".join(f"<p class=note>{html.escape(note)}</p>" for note in example.table.notes)
    caption = html.escape(f"{example.table.title}")
    head = f'<figure id="{example.table.name}" class=chat><figcaption>{caption}</figcaption>'
    return f"{head}{picture}<dl>{turns}</dl>{notes}</figure>"


def _picture(image: ImageSource) -> str:
    try:
        small = image.load()
    except OSError as error:
        return f"<p class=note>{html.escape(f'The image cannot be read: {error}')}</p>"
    small.thumbnail((_WIDTH, _WIDTH))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=80)
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}">'


def _example(name: str, title: str, annotation: dict[str, Any], known: dict[str, ImageSource], given: bool) -> Example:
    ids = annotation.get("img_ids")
    ids = ids if isinstance(ids, list) else [ids]
    image = next((known[key] for id in ids for key in _names(str(id)) if key in known), None)
    shown = ", ".join(map(str, ids))
    note = f"Image: {shown}" + ("" if image else "; not found" if given else "; no image folder given (images=FOLDER)")
    rows = [[_SPEAKERS.get(who, who), text] for who, text in _turns(annotation["conversations"])]
    return Example(Table(name, title, ["", "Turn"], rows, notes=[note + "."]), image)


def _files(*folders: Path | None) -> list[Path]:
    return [path for folder in folders if folder and folder.is_dir() for path in sorted(folder.iterdir())]


def _members(folder: Path) -> list[ImageSource]:
    """The images of `region_images.zip`, if it is there."""
    archive = folder / "region_images.zip"
    if not archive.is_file():
        return []
    try:
        with zipfile.ZipFile(archive) as opened:
            return [ZipImage(archive, info.filename) for info in opened.infolist() if not info.is_dir()]
    except zipfile.BadZipFile as error:
        raise InputError(f"{archive} is no zip archive ({error}): fetch or write it again") from None


def _name(source: ImageSource) -> str:
    return Path(source.member).name if isinstance(source, ZipImage) else source.path.name  # type: ignore[attr-defined]


def _names(key: str) -> list[str]:
    """File names that an image id can stand for."""
    names = [Path(key).name, *(f"{key}.{ending}" for ending in ("jpg", "png"))]
    if key.isdigit():
        names += [f"COCO_train2014_{int(key):012d}.jpg", f"COCO_val2014_{int(key):012d}.jpg", f"{int(key):012d}.jpg"]
    return names


def _turns(conversation: Any) -> list[tuple[str, str]]:
    """Speaker and text, from `[{"User": ..., "AI": ...}]` or `[{"from": ..., "value": ...}]`; empty if neither."""
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
