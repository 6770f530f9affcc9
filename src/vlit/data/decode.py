"""From the bytes of a picture to RGB as a viewer shows it: upright, on white, 8 bits a channel; or one line of reason.

Only formats that Pillow decodes by itself are opened: others (EPS, for one) start programs. Pixels are bounded before
anything is decoded, so that one picture takes at most `4 * LARGEST` bytes, twice while it is converted (about 0.7 GB).
"""

from __future__ import annotations

import io
import re
import warnings
from functools import lru_cache

import numpy as np
from PIL import Image, ImageOps

# Of broken metadata, and of sizes that are refused here: each would print a line a picture.
warnings.filterwarnings("ignore", module=r"PIL\.")
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

LARGEST = 89_478_485  # pixels: Pillow's own bound for a warning, a picture of 9,459 x 9,459
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "ICO", "TGA", "AVIF")
_HEIC = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1", b"hevx")
_ADDRESS = re.compile(r"<[\w.]+ object at 0x[0-9a-f]+>")
# (first bytes, what the file is)
_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"%!PS", "is PostScript, which is never opened"),
    (b"\xc5\xd0\xd3\xc6", "is PostScript (EPS), which is never opened"),
    (b"%PDF", "is a PDF, not a picture: render it to PNG"),
    (b"version https://git-lfs", "is a Git LFS pointer, not the file: run `git lfs pull`"),
    (b"PK\x03\x04", "is a zip archive, not a picture: unpack it"),
    (b"<svg", "is an SVG drawing: render it to PNG"),
    (b"<?xml", "is XML (an SVG drawing, or an error page), not a picture"),
    (b"<!doctype", "is a web page, not a picture: fetch it again"),
    (b"<html", "is a web page, not a picture: fetch it again"),
    (b"8BPS", "is a Photoshop file: save it as PNG"),
)


def decode(data: bytes, where: str, upright: bool = True) -> Image.Image:
    """Decode a picture to RGB.

    Args:
        data: the encoded picture.
        where: names it in the reason.
        upright: apply the EXIF orientation.

    Raises:
        OSError: if it cannot be decoded, in one line that does not change from run to run.
    """
    if not data:
        raise OSError(f"cannot decode {where}: it is empty")
    head = data[:64].lstrip().lower()
    for magic, kind in _OTHERS:
        if head.startswith(magic.lower()):
            raise OSError(f"cannot decode {where}: it {kind}")
    if data[4:8] == b"ftyp" and data[8:12] in _HEIC:
        raise OSError(f"cannot decode {where}: it is HEIC (an iPhone's photo): convert it to JPEG, e.g. heif-convert")
    try:
        with Image.open(io.BytesIO(data), formats=_formats()) as image:
            width, height = image.size
            if width * height > LARGEST:
                raise OSError(f"{width} x {height} pixels are more than {LARGEST:,}: make it smaller")
            image.load()
            return _rgb(_upright(image) if upright else image)
    except Exception as error:  # a decoder raises whatever it likes on a broken file, and each is the file's fault
        raise OSError(f"cannot decode {where}: {_reason(data, error)}") from None


@lru_cache(maxsize=1)
def _formats() -> tuple[str, ...]:
    """Return those of `FORMATS` that this Pillow was built with."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # broken metadata of a picture that is whole: a viewer shows it as it lies
        return image


def _reason(data: bytes, error: Exception) -> str:
    if isinstance(error, Image.UnidentifiedImageError):
        avif = data[4:8] == b"ftyp" and data[8:12] in (b"avif", b"avis")
        return "it is AVIF, which this Pillow does not read: convert it to PNG" if avif else "no format that is known"
    lines = _ADDRESS.sub("the file", str(error)).splitlines()
    return lines[0] if lines and lines[0] else type(error).__name__


def _rgb(image: Image.Image) -> Image.Image:
    """Convert to RGB as a viewer shows it: 16 bits and floats scaled to 8, transparency on white."""
    if image.mode.startswith("I") or image.mode == "F":
        return _scaled(image)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        layer = image.convert("RGBA")
        ground = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(ground, layer).convert("RGB")
    return image.convert("RGB")


def _scaled(image: Image.Image) -> Image.Image:
    """Scale a grey picture of more than 8 bits: by 65,535 up to there, else from its least to its largest value."""
    values = np.asarray(image, dtype=np.float64)
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if image.mode == "F" and low >= 0 and high <= 1:
        scaled = values * 255
    elif low >= 0 and high <= 255 and image.mode in ("F", "I"):
        scaled = values
    elif low >= 0 and high <= 65_535 and image.mode != "F":
        scaled = values * 255 / 65_535
    else:
        scaled = (values - low) * 255 / ((high - low) or 1.0)
    return Image.fromarray(np.rint(scaled).astype(np.uint8), mode="L").convert("RGB")
