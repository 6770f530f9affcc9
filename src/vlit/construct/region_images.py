"""Draw the square box that marks the object of a conversation (paper section A.2.2, Tables 13 and 14)."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from PIL import Image, ImageDraw

from vlit.common.errors import InputError
from vlit.construct.sources.image import Box

BOX_COLOUR = (255, 0, 255)  # magenta, which few objects have


def corners(box: Box) -> str:
    """Write a box as "[left, top, right, bottom]" in pixels."""
    x, y, width, height = box
    return f"[{round(x)}, {round(y)}, {round(x + width)}, {round(y + height)}]"


def region_image_name(file_name: str, annotation_id: int, word: bool) -> str:
    """Return `{file stem}_{annotation id}.jpg`, with a letter t before the id of a word, which is numbered apart."""
    return f"{Path(file_name).stem}_{'t' if word else ''}{annotation_id}.jpg"


def draw_region(path: Path, box: Box) -> bytes:
    """Draw the outline of a box, just around it, on an image file, and return the JPEG's bytes.

    Raises:
        InputError: if the image is absent or can't be decoded.
    """
    try:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
    except OSError as error:
        raise InputError(f"cannot read image {path} ({error}): get the images again") from None
    line = max(1, round(max(image.size) / 128))
    x, y, width, height = box
    outline = (
        max(0, round(x) - line),
        max(0, round(y) - line),
        min(image.width - 1, round(x + width) + line - 1),
        min(image.height - 1, round(y + height) + line - 1),
    )
    ImageDraw.Draw(image).rectangle(outline, outline=BOX_COLOUR, width=line)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=95, subsampling=0)
    return buffer.getvalue()


def write_region_archive(path: Path, names: Iterable[str], boxes: Mapping[str, tuple[str, Box]], images: Path) -> None:
    """Draw the named region images into a zip archive, the same bytes for the same images.

    Args:
        path: the archive.
        names: names of the region images.
        boxes: image file and box of each name.
        images: folder of the image files.

    Raises:
        InputError: if an image is absent or can't be decoded.
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(set(names)):
            file_name, box = boxes[name]
            member = zipfile.ZipInfo(f"region_images/{name}", date_time=(1980, 1, 1, 0, 0, 0))
            archive.writestr(member, draw_region(images / file_name, box))
