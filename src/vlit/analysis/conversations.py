"""Tables 9-14: samples of constructed conversations with their images, two of each kind (paper appendix B)."""

from __future__ import annotations

import base64
import html
import io
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from vlit.analysis.table import Table
from vlit.errors import InputError
from vlit.files import read_json

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
    image: Path | None


def examples(folder: Path, images: Path | None, seed: int = 0) -> list[Example]:
    """Choose two conversations of each kind at random, from `global.json`, `negative.json` and `region.json`.

    Raises:
        InputError: none of the files is there, or one isn't in the COCO_ARC format.
    """
    found = []
    for kind, (title, numbers) in KINDS.items():
        path = folder / f"{kind}.json"
        if path.is_file():
            content = read_json(path, "construct the data first: python construct.py")
            if not isinstance(content, dict) or not isinstance(content.get("annotations"), list):
                raise InputError(f"{path} has no list of annotations: it isn't in the COCO_ARC format")
            annotations = [a for a in content["annotations"] if isinstance(a, dict) and _turns(a.get("conversations"))]
            chosen = random.Random(seed).sample(annotations, min(len(numbers), len(annotations)))
            for number, annotation in zip(numbers, chosen, strict=False):
                found.append(_example(f"table{number:02d}", title, annotation, images))
    if not found:
        raise InputError(f"no conversations in {folder}: run python construct.py, or set conversations=FOLDER")
    return found


def as_html(example: Example) -> str:
    """The table with its image inside the page."""
    picture = ""
    if example.image is not None:
        with Image.open(example.image) as opened:
            small = opened.convert("RGB")
            small.thumbnail((_WIDTH, _WIDTH))
            buffer = io.BytesIO()
            small.save(buffer, "JPEG", quality=80)
        picture = f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}">'
    turns = "".join(f"<dt>{html.escape(who)}</dt><dd>{html.escape(text)}</dd>" for who, text in example.table.rows)
    notes = "".join(f"<p class=note>{html.escape(note)}</p>" for note in example.table.notes)
    caption = html.escape(f"{example.table.title}")
    head = f'<figure id="{example.table.name}" class=chat><figcaption>{caption}</figcaption>'
    return f"{head}{picture}<dl>{turns}</dl>{notes}</figure>"


def _example(name: str, title: str, annotation: dict[str, Any], images: Path | None) -> Example:
    ids = annotation.get("img_ids")
    ids = ids if isinstance(ids, list) else [ids]
    path = next((found for found in (_find(images, str(key)) for key in ids) if found), None)
    shown = ", ".join(map(str, ids))
    note = f"Image: {shown}" + ("" if path else "; not found" if images else "; no image folder given (images=FOLDER)")
    rows = [[_SPEAKERS.get(who, who), text] for who, text in _turns(annotation["conversations"])]
    return Example(Table(name, title, ["", "Turn"], rows, notes=[note + "."]), path)


def _find(images: Path | None, key: str) -> Path | None:
    if images is None:
        return None
    names = [key, *(f"{key}.{ending}" for ending in ("jpg", "png"))]
    if key.isdigit():
        names += [f"COCO_train2014_{int(key):012d}.jpg", f"COCO_val2014_{int(key):012d}.jpg", f"{int(key):012d}.jpg"]
    return next((images / name for name in names if (images / name).is_file()), None)


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
