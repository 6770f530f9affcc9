"""COCO-Text (Veit et al., 2016): words in COCO's images. Version 1 and `cocotext.v2.json` have the same fields."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from vlit.construct.sources.image import Word, box_of


def words(content: dict[str, Any]) -> dict[int, list[Word]]:
    """Legible words by image id."""
    found = defaultdict(list)
    for key, annotation in content["anns"].items():
        image_id, box = int(annotation["image_id"]), box_of(annotation["bbox"])
        text = (annotation.get("utf8_string") or "").strip()
        if text and annotation.get("legibility", "legible") == "legible":
            found[image_id].append(Word(int(key), text, box))
    return found
