"""From the bytes of a picture to RGB as a viewer shows it: upright, on white, 8 bits a channel; or one line of reason.

Only formats that Pillow decodes by itself are opened: others (EPS, for one) start programs. Pixels are bounded before
anything is decoded. Pillow keeps four bytes a pixel, and there are two pictures at most, the decoded one and the one it
is turned or converted into, band by band: so one picture takes at most `8 * LARGEST` bytes, 0.72 GB, next to its file.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

# Of broken metadata, and of sizes that are refused here: each would print a line a picture.
warnings.filterwarnings("ignore", module=r"PIL\.")
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

LARGEST = 89_478_485  # pixels: Pillow's own bound for a warning, a picture of 9,459 x 9,459
LARGEST_FILE = 8 * LARGEST  # bytes: a picture of that size at 64 bits a pixel, without any compression
_BAND = 2**20  # pixels that are converted at a time
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
        image: Image.Image = Image.open(io.BytesIO(data), formats=_formats())
        width, height = image.size
        if width * height > LARGEST:
            raise OSError(f"{width} x {height} pixels are more than {LARGEST:,}: make it smaller")
        image.load()
        if upright:
            image = _upright(image)
        return _rgb(image)
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
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    convert = _converter(image)
    made = Image.new("RGB", image.size)
    for band in _bands(image):
        made.paste(convert(image.crop(band)), band)
    return made


def _bands(image: Image.Image) -> Iterator[tuple[int, int, int, int]]:
    rows = max(1, _BAND // image.width)
    for top in range(0, image.height, rows):
        yield 0, top, image.width, min(image.height, top + rows)


def _converter(image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """Return what converts a band of a picture to RGB."""
    if image.mode.startswith("I") or image.mode == "F":
        return _scaler(image)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        return _on_white
    return lambda band: band.convert("RGB")


def _on_white(band: Image.Image) -> Image.Image:
    layer = band.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, (255, 255, 255, 255)), layer).convert("RGB")


def _scaler(image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """Return what scales a grey picture of more than 8 bits: by 65,535 up to there, else from its least value on."""
    found = [(float(values.min()), float(values.max())) for values in map(_values, map(image.crop, _bands(image)))]
    low, high = min(low for low, _ in found), max(high for _, high in found)
    if image.mode == "F" and low >= 0 and high <= 1:
        low, span = 0.0, 1.0
    elif low >= 0 and high <= 255 and image.mode in ("F", "I"):
        low, span = 0.0, 255.0
    elif low >= 0 and high <= 65_535 and image.mode != "F":
        low, span = 0.0, 65_535.0
    else:
        span = (high - low) or 1.0

    def scale(band: Image.Image) -> Image.Image:
        scaled = (_values(band) - low) * 255 / span
        return Image.fromarray(np.rint(scaled).astype(np.uint8), mode="L").convert("RGB")

    return scale


def _values(image: Image.Image) -> NDArray[np.float64]:
    return np.nan_to_num(np.asarray(image, dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0)
