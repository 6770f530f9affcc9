"""Write a dataset in COCO_ARC's schema with everything that was rejected, and a page of samples to look through."""

from __future__ import annotations

import base64
import hashlib
import html
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

from PIL import Image

from vlit.common.files import replaced_folder, write_json, write_jsonl, write_text
from vlit.construct.describe import draw_region, region_image_name, write_region_archive
from vlit.construct.judge import Accepted, Judgement, per_image, reason_class
from vlit.construct.prompts import ARC_FILES
from vlit.construct.sources.image import Box, Word

MANIFEST_FILE = "manifest.json"


def write_dataset(
    folder: Path,
    judgement: Judgement,
    image_ids: Sequence[int],
    images: Path,
    manifest: Mapping[str, Any],
    shown: int,
) -> Path:
    """Write a dataset, whole or not at all.

    The dataset is `global.json`, `negative.json`, `region.json` and `region_images.zip`. Next to it, `rejects.jsonl`
    contains every rejected candidate with its text and reason, `images.jsonl` how each image ended, `manifest.json`
    the counts and the hash of every file, and `samples.html` some conversations with their images.

    Args:
        folder: folder of the dataset; an earlier dataset is replaced.
        judgement: accepted conversations, and everything rejected.
        image_ids: ids of all images that were read.
        images: folder of the image files.
        manifest: what the manifest contains besides the hashes.
        shown: number of conversations on the page of samples.

    Raises:
        InputError: if `folder` contains something else than an earlier dataset of this kind, or an image is broken.
    """
    mend = "move it away, or name another folder with output="
    with replaced_folder(folder, MANIFEST_FILE, what="output", mend=mend) as fresh:
        for name in ARC_FILES:
            chosen = [each for each in judgement.accepted if each.request.variant.file == name]
            write_json(fresh / f"{name}.json", coco_arc(chosen))
        boxes = dict(_region(each) for each in judgement.accepted if each.request.region is not None)
        write_region_archive(fresh / "region_images.zip", boxes, boxes, images)
        write_jsonl(fresh / "rejects.jsonl", (asdict(fault) for fault in judgement.rejected))
        write_jsonl(fresh / "images.jsonl", _ends(judgement, image_ids))
        write_page(fresh / "samples.html", judgement.accepted, images, shown, int(manifest["seed"]))
        hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(fresh.iterdir())}
        write_json(fresh / MANIFEST_FILE, {**manifest, "files": hashes})
    return folder


def coco_arc(conversations: Sequence[Accepted]) -> dict[str, Any]:
    """Return the conversations of one file in COCO_ARC's schema; without a time, so that equal data are equal files."""
    return {
        "image_source": "COCO2014",
        "construction_time": "not recorded",
        "annotations": [
            {
                "img_ids": [_region(each)[0] if each.request.region is not None else each.request.image.image_id],
                "instruction_type": each.request.variant.name,
                "conversations": [{"User": turn.instruction, "AI": turn.response} for turn in each.turns],
            }
            for each in conversations
        ],
    }


def _region(each: Accepted) -> tuple[str, tuple[str, Box]]:
    """Return the name of a conversation's region image, the image it is drawn on, and the box."""
    region, file_name = each.request.region, each.request.image.file_name
    assert region is not None, "only region conversations have one"
    return region_image_name(file_name, region.id, isinstance(region, Word)), (file_name, region.box)


def _ends(judgement: Judgement, image_ids: Sequence[int]) -> Iterable[dict[str, Any]]:
    for image_id, (count, reasons) in per_image(judgement, image_ids).items():
        counted = dict(sorted(Counter(map(reason_class, reasons)).items()))
        status = "accepted" if count else "rejected"
        yield {"image_id": image_id, "status": status, "conversations": count, "rejected": counted}


WIDEST = 320  # pixels of an image on the page
PAGE_STYLE = """
body { font: 15px/1.45 sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; color: #222; background: #fff }
article { display: grid; grid-template-columns: 320px 1fr; gap: 1.5em; border-top: 1px solid #ccc; padding: 1.2em 0 }
img { width: 100%; image-rendering: auto } dt { font-weight: bold; margin-top: .6em } dd { margin: 0 }
details { margin-top: 1em; color: #555 } small { color: #666 }
@media (max-width: 45em) { article { grid-template-columns: 1fr } }
"""


def write_page(path: Path, accepted: Sequence[Accepted], images: Path, shown: int, seed: int) -> None:
    """Write conversations next to their images, as in the paper's Tables 9-14: an HTML file that needs no other.

    Args:
        path: the file.
        accepted: conversations to draw from.
        images: folder of the image files.
        shown: number of conversations, about as many of each COCO_ARC file.
        seed: seed of the draw.

    Raises:
        InputError: if an image is broken.
    """
    sections = []
    for name, chosen in _drawn(accepted, shown, Random(seed)).items():
        articles = "\n".join(_article(each, images) for each in chosen)
        sections.append(f"<h2>{html.escape(name)}</h2>\n{articles}")
    head = '<meta charset="utf-8">\n<meta name="viewport" content="width=device-width">\n<title>Samples</title>'
    title = f"{len(accepted)} conversations, some of each kind"
    body = "\n".join(sections)
    page = (
        f'<!doctype html>\n<html lang="en">\n{head}\n<style>{PAGE_STYLE}</style>\n<h1>{title}</h1>\n{body}\n</html>\n'
    )
    write_text(path, page)


def _drawn(accepted: Sequence[Accepted], shown: int, rng: Random) -> dict[str, list[Accepted]]:
    of_file: dict[str, list[Accepted]] = defaultdict(list)
    for each in accepted:
        of_file[each.request.variant.file].append(each)
    return {
        name: rng.sample(of_file[name], min(len(of_file[name]), -(-shown // len(ARC_FILES))))
        for name in ARC_FILES
        if of_file[name]
    }


def _article(each: Accepted, images: Path) -> str:
    turns = "".join(
        f"<dt>{html.escape(turn.instruction)}</dt><dd>{html.escape(turn.response)}</dd>" for turn in each.turns
    )
    given = html.escape(each.request.messages[-1]["content"])
    mended = f" (mended: {html.escape(', '.join(each.repairs))})" if each.repairs else ""
    return (
        f'<article><div><img alt="{html.escape(each.request.image.file_name)}" src="{_picture(each, images)}">'
        f"<small>{html.escape(each.request.id)}, candidate {each.candidate}{mended}</small></div>"
        f"<div><dl>{turns}</dl><details><summary>what the model was given</summary>{given}</details></div></article>"
    )


def _picture(each: Accepted, images: Path) -> str:
    """Return the image as a data URL, with the box of a region conversation."""
    path, region = images / each.request.image.file_name, each.request.region
    drawn = io.BytesIO(draw_region(path, region.box)) if region is not None else path
    with Image.open(drawn) as opened:
        image = opened.convert("RGB")
    image.thumbnail((WIDEST, WIDEST))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
