import base64
import pickle
import zipfile

import pytest

from vlit.data.checks import keep_readable
from vlit.data.images import Base64Image, FileImage, ZipImage, portable_key, unreadable
from vlit.data.sample import Rejects, Sample, Turn


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA"])
def test_every_mode_decodes_to_rgb(tmp_path, png, mode):
    path = tmp_path / "a.png"
    path.write_bytes(png((255, 255, 255), mode))
    image = FileImage(path).load()
    assert image.mode == "RGB"
    assert image.size == (8, 6)
    assert image.getpixel((0, 0)) == (255, 255, 255)


def test_zip_member_is_the_file(tmp_path, png):
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("in/a.png", png((1, 2, 3)))
    image = ZipImage(tmp_path / "z.zip", "in/a.png")
    assert image.load().getpixel((0, 0)) == (1, 2, 3)
    assert pickle.loads(pickle.dumps(image)) == image  # goes to loader workers


def test_base64_alphabets_and_padding_agree():
    # Bytes whose encoding holds both of the letters that differ, and padding.
    data = b"\xfb\xff\xbf\xfe" * 3 + b"\xff"
    standard, url_safe = base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode()
    assert standard != url_safe
    assert standard.endswith("=")
    keys = {Base64Image(text).key for text in (standard, url_safe, standard.rstrip("="), url_safe.rstrip("="))}
    assert len(keys) == 1


def test_base64_decodes(png_text):
    assert Base64Image(png_text((4, 5, 6)).rstrip("=")).load().getpixel((0, 0)) == (4, 5, 6)


def test_truncated_image_names_its_path(tmp_path, png):
    path = tmp_path / "cut.png"
    path.write_bytes(png()[:-30])
    with pytest.raises(OSError, match=r"cut\.png"):
        FileImage(path).load()


@pytest.mark.parametrize("text", ["not an image!", "aGVsbG8", "a"])
def test_bad_base64_is_an_oserror(text):
    with pytest.raises(OSError, match="base64"):
        Base64Image(text).load()


def test_bad_zips_are_oserrors(tmp_path, png):
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(OSError, match=r"broken\.zip"):
        ZipImage(tmp_path / "broken.zip", "a.png").load()
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("a.png", png())
    with pytest.raises(OSError, match="no member b"):
        ZipImage(tmp_path / "z.zip", "b.png").load()


def test_key_changes_with_the_file(tmp_path, write_image):
    path = write_image(tmp_path / "a.png")
    before = FileImage(path).key
    assert FileImage(path).key == before
    path.write_bytes(path.read_bytes() + b"more")
    assert FileImage(path).key != before


def test_portable_key_ignores_the_folder(tmp_path, write_image):
    here, there = write_image(tmp_path / "x" / "a.png"), write_image(tmp_path / "y" / "a.png")
    assert portable_key(FileImage(here)) == portable_key(FileImage(there))
    assert FileImage(here).key != FileImage(there).key


def test_unreadable_names_only_the_bad_ones(tmp_path, write_image, png_text):
    good, bad = FileImage(write_image(tmp_path / "a.png")), FileImage(tmp_path / "absent.png")
    faults = unreadable([good, bad, bad, Base64Image(png_text()), Base64Image("!")])
    assert set(faults) == {bad, Base64Image("!")}
    assert "absent.png" in faults[bad]


def test_samples_with_an_unreadable_image_are_set_aside(tmp_path, write_image):
    good, bad = FileImage(write_image(tmp_path / "a.png")), FileImage(tmp_path / "absent.png")
    samples = [
        Sample("s/0", (good,), (Turn("q", "a", 1),)),
        Sample("s/1", (good, bad), (Turn("q", "a", 2),)),
        Sample("s/2", (), (Turn("q", "a"),)),
    ]
    rejects = Rejects()
    assert [sample.id for sample in keep_readable(samples, rejects)] == ["s/0", "s/2"]
    assert [(row.sample_id, row.reason) for row in rejects.rows] == [("s/1", "unreadable image")]
