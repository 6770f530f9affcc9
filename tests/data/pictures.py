"""Tiny images for the tests."""

import base64
import io
from pathlib import Path

from PIL import Image


def png_bytes(colour: tuple[int, int, int] = (255, 0, 0), mode: str = "RGB") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 6), colour).convert(mode).save(stream, "PNG")
    return stream.getvalue()


def write_image(path: Path, colour: tuple[int, int, int] = (255, 0, 0)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6), colour).save(path)
    return path


def png_text(colour: tuple[int, int, int] = (255, 0, 0)) -> str:
    return base64.b64encode(png_bytes(colour)).decode()
