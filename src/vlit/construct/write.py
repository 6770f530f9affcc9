"""Writes a dataset in COCO_ARC's schema, with everything that was rejected, whole or not at all."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vlit.common.files import replaced_folder, write_json, write_jsonl
from vlit.construct.judge import Accepted, Judgement, per_image, reason_class
from vlit.construct.prompts import FILES
from vlit.construct.region_images import region_image_name, write_region_archive
from vlit.construct.review import write_page
from vlit.construct.sources.image import Box, Word

MANIFEST = "manifest.json"


def write_dataset(
    folder: Path,
    judgement: Judgement,
    image_ids: Sequence[int],
    images: Path,
    manifest: Mapping[str, Any],
    shown: int,
) -> Path:
    """Write `global.json`, `negative.json`, `region.json`, `region_images.zip`, and the records beside them.

    `rejects.jsonl` holds every rejected candidate with its text and reason, `images.jsonl` how each image ended,
    `manifest.json` the counts and the hash of every file, `samples.html` some conversations with their images.

    Raises:
        InputError: if `folder` holds something else than an earlier dataset of this kind, or an image is broken.
    """
    mend = "move it away, or name another folder with output="
    with replaced_folder(folder, MANIFEST, what="output", mend=mend) as fresh:
        for name in FILES:
            chosen = [each for each in judgement.accepted if each.request.variant.file == name]
            write_json(fresh / f"{name}.json", coco_arc(chosen))
        boxes = dict(_region(each) for each in judgement.accepted if each.request.region is not None)
        write_region_archive(fresh / "region_images.zip", boxes, boxes, images)
        write_jsonl(fresh / "rejects.jsonl", (asdict(fault) for fault in judgement.rejected))
        write_jsonl(fresh / "images.jsonl", _ends(judgement, image_ids))
        write_page(fresh / "samples.html", judgement.accepted, images, shown, int(manifest["seed"]))
        hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(fresh.iterdir())}
        write_json(fresh / MANIFEST, {**manifest, "files": hashes})
    return folder


def coco_arc(conversations: Sequence[Accepted]) -> dict[str, Any]:
    """Conversations of one file in COCO_ARC's schema; the time is left out, so that equal data are equal files."""
    return {
        "image_source": "COCO2014",
        "construction_time": "not recorded",
        "annotations": [
            {
                "img_ids": [_region(each)[0] if each.request.region is not None else each.request.image.image_id],
                "instruction_type": each.request.variant.name,
                "conversations": [{"User": turn.user, "AI": turn.ai} for turn in each.turns],
            }
            for each in conversations
        ],
    }


def _region(each: Accepted) -> tuple[str, tuple[str, Box]]:
    """Name of the region image of a conversation, the image it is made of, and the box."""
    region, file_name = each.request.region, each.request.image.file_name
    assert region is not None, "asked of region conversations only"
    return region_image_name(file_name, region.id, isinstance(region, Word)), (file_name, region.box)


def _ends(judgement: Judgement, image_ids: Sequence[int]) -> Iterable[dict[str, Any]]:
    for image_id, (count, reasons) in per_image(judgement, image_ids).items():
        counted = dict(sorted(Counter(map(reason_class, reasons)).items()))
        status = "accepted" if count else "rejected"
        yield {"image_id": image_id, "status": status, "conversations": count, "rejected": counted}
