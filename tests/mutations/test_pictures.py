"""Mutated pictures: every one decodes to RGB or has a reason, and takes a bounded amount of memory."""

from __future__ import annotations

import io
import subprocess
import sys
from random import Random

import numpy as np
import pytest
from PIL import Image

from vlit.data.decode import LARGEST, decode

BOUND = 8 * LARGEST  # bytes, as the module says


def pictures() -> list[bytes]:
    """Return small pictures in every format and mode that is read."""
    noise = np.random.default_rng(0).integers(0, 255, (23, 31, 4), dtype=np.uint8)
    colour, grey = Image.fromarray(noise), Image.fromarray(noise[..., 0])
    exif = Image.Exif()
    exif[0x0112] = 6
    made: list[tuple[Image.Image, str, dict[str, object]]] = [
        (colour.convert("RGB"), "JPEG", {"exif": exif}), (grey, "JPEG", {}), (colour.convert("CMYK"), "JPEG", {}),
        (colour.convert("RGB"), "JPEG", {"progressive": True}), (colour, "PNG", {}), (colour.convert("P"), "PNG", {}),
        (grey.convert("I;16"), "PNG", {}), (grey.convert("1"), "PNG", {}), (grey.convert("LA"), "PNG", {}),
        (colour, "WEBP", {}), (colour.convert("RGB"), "WEBP", {"lossless": True}), (colour.convert("P"), "GIF", {}),
        (colour.convert("P"), "GIF", {"save_all": True, "append_images": [grey.convert("P")] * 3}),
        (colour.convert("RGB"), "BMP", {}), (grey, "BMP", {}), (colour, "TIFF", {}), (grey.convert("F"), "TIFF", {}),
        (colour.convert("RGB"), "TIFF", {"compression": "tiff_lzw"}), (colour.convert("RGB"), "PPM", {}),
        (colour, "TGA", {}), (colour, "ICO", {}), (colour.convert("RGB"), "JPEG2000", {}),
    ]  # fmt: skip
    encoded = []
    for image, name, options in made:
        stream = io.BytesIO()
        image.save(stream, name, **options)
        encoded.append(stream.getvalue())
    return encoded


def mutated(data: bytes, rng: Random) -> bytes:
    """Return a picture cut, with flipped bytes, with a changed header, or with a part of it twice or gone."""
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 5)):
        at, way = rng.randrange(len(changed)), rng.randrange(6)
        if way == 0 and len(changed) > 8:
            del changed[at:]
            changed = changed or bytearray(data[:4])
        elif way == 1:
            changed[at] ^= 1 << rng.randrange(8)
        elif way in (2, 3):
            head = rng.randrange(min(64, len(changed)))
            changed[head] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        elif way == 4:
            changed[at:at] = changed[at : at + rng.randrange(40)]
        else:
            del changed[at : at + rng.randrange(1, 9)]
            changed = changed or bytearray(data[:4])
    return bytes(changed)


def examine(data: bytes) -> bool:
    """Decode a picture; return whether it decodes."""
    try:
        image = decode(data, "it")
    except OSError as error:
        line = str(error)
        assert line.startswith("cannot decode it: ") and len(line.splitlines()) == 1 and " at 0x" not in line, line
        return False
    assert image.mode == "RGB" and image.width * image.height <= LARGEST
    return True


def test_every_format_decodes_when_nothing_happened_to_it() -> None:
    assert all(map(examine, pictures()))


def run(number: int, seed: int) -> tuple[int, int]:
    rng, base = Random(seed), pictures()
    outcomes = [examine(mutated(base[place % len(base)], rng)) for place in range(number)]
    return sum(outcomes), number


def test_mutated_pictures() -> None:
    decoded, number = run(2_000, 1)
    assert 0 < decoded < number


@pytest.mark.slow
def test_150_000_mutated_pictures() -> None:
    decoded, number = run(150_000, 0)
    assert 0 < decoded < number


LARGE = """
import io, resource, sys
from PIL import Image
Image.MAX_IMAGE_PIXELS = None
from vlit.data.decode import decode
mode, name, turned = sys.argv[1:]
exif = Image.Exif()
exif[0x0112] = 6 if turned == "turned" else 1
stream = io.BytesIO()
options = {"exif": exif} if name in ("PNG", "JPEG", "WEBP") else {}
child = __import__("os").fork()
if not child:  # made elsewhere, so that the memory for it does not count
    with open("/dev/shm/large.bin" if __import__("os").path.isdir("/dev/shm") else "large.bin", "wb") as file:
        Image.new(mode, (9459, 9459), 0).save(file, name, **options)
    __import__("os")._exit(0)
__import__("os").waitpid(child, 0)
path = "/dev/shm/large.bin" if __import__("os").path.isdir("/dev/shm") else "large.bin"
data = open(path, "rb").read()
__import__("os").unlink(path)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
image = decode(data, "it")
assert image.mode == "RGB"
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("turned", ["turned", "upright"])
@pytest.mark.parametrize(
    ("mode", "name"), [("RGB", "JPEG"), ("RGBA", "PNG"), ("I;16", "PNG"), ("P", "GIF"), ("F", "TIFF"), ("CMYK", "JPEG")]
)
def test_the_largest_picture_takes_no_more_than_the_bound(mode: str, name: str, turned: str, tmp_path) -> None:
    code = [sys.executable, "-c", LARGE, mode, name, turned]
    done = subprocess.run(code, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < BOUND + 100 * 2**20
