"""Files as people have them: each small case is read, rejected row by row, or refused in one line."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from vlit.common.errors import InputError
from vlit.data.formats.coco_arc import read_coco_arc
from vlit.data.formats.llava import read_llava
from vlit.data.formats.mimic_it import read_mimic_it
from vlit.data.images import FileImage
from vlit.data.sample import Rejects, Sample

CASES = Path(__file__).resolve().parents[1] / "cases"


def read(name: str, file: str = "data.json") -> tuple[list[Sample], Rejects]:
    rejects = Rejects()
    samples = read_llava(CASES / name / file, CASES / name / "images", rejects)
    (count,) = rejects.sources
    assert count.rows == count.kept + count.rejected + count.noted
    assert count.kept == len(samples)
    return samples, rejects


def rejected(rejects: Rejects) -> list[tuple[str, str, str]]:
    return [(row.place, row.field, row.reason) for row in rejects.rows if not row.sample_kept]


@pytest.mark.parametrize(
    ("name", "kept", "expected"),
    [
        ("train_no_id", 6, []),
        ("train_roles_user_assistant", 6, []),
        ("train_images_key", 12, []),
        ("train_text_only_batch", 18, []),
        ("train_image_is_data_uri", 6, [("data.json[6]", "image", "image is a data URI")]),
        ("train_zero_width_response", 6, [("data.json[6]", "response", "empty response")]),
        ("train_broken_avif", 6, [("data.json[6]", "", "unreadable image")]),
        ("train_heic", 5, [("data.json[5]", "", "unreadable image")]),
    ],
)
def test_rows_are_kept_or_rejected_with_place_field_and_reason(name: str, kept: int, expected: list) -> None:
    samples, rejects = read(name)
    assert len(samples) == kept
    assert rejected(rejects) == expected


def test_pictures_named_under_images_are_read() -> None:
    samples, _ = read("train_images_key")
    assert [len(sample.images) for sample in samples] == [1] * 12
    assert all(sample.turns[0].images == 1 for sample in samples)


@pytest.mark.parametrize("file", ["data.jsonl", "data.json"])
def test_json_lines_are_read_whatever_the_file_is_called(file: str) -> None:
    samples, rejects = read("train_jsonl", file)
    assert len(samples) == 6 and not rejects.rows
    assert samples[2].place.startswith(file)


def test_gzip_is_read() -> None:
    assert len(read("train_lfs_pointer", "gz.json")[0]) == 1


@pytest.mark.parametrize(
    ("name", "file", "message"),
    [
        ("train_lfs_pointer", "data.json", "Git LFS pointer.*git lfs pull"),
        ("train_lfs_pointer", "empty.json", "is empty"),
        ("train_annotations_is_a_folder", "folder", r"is a folder: name the file in it \(it holds data.json\)"),
        ("train_lfs_pointer", "absent.json", "no file"),
    ],
)
def test_what_is_no_json_is_named_in_one_line(name: str, file: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read(name, file)
    assert file in str(caught.value)
    assert "\n" not in str(caught.value) and "cut off" not in str(caught.value)


def test_heic_is_named_with_a_remedy_and_without_an_address() -> None:
    (row,) = read("train_heic")[1].rows
    assert "HEIC" in row.detail and "heif-convert" in row.detail and "0x" not in row.detail


def test_a_photograph_is_read_upright() -> None:
    samples, _ = read("train_exif_orientation")
    phone = next(image for sample in samples for image in sample.images if image.path.name == "phone.jpg")
    pixels = np.asarray(phone.load())
    assert pixels.shape == (96, 48, 3)
    assert pixels[10, 24, 0] > 200 and pixels[80, 24, 2] > 200  # red above blue
    assert FileImage(phone.path, upright=False).load().size == (96, 48)


def test_sixteen_bits_are_scaled() -> None:
    pixels = np.asarray(FileImage(CASES / "train_16bit_grey_png" / "images" / "depth16.png").load())
    row = pixels[0, :, 0].astype(int)
    assert row[0] == 0 and row[-1] == 255
    assert len(set(row)) == 64 and (np.diff(row) > 0).all()


def test_transparency_is_on_white() -> None:
    pixels = np.asarray(FileImage(CASES / "train_black_on_transparent" / "images" / "icon.png").load())
    assert {0, 255} <= set(pixels.reshape(-1).tolist())
    assert (pixels[0, 0] == 255).all()


def test_turns_in_one_object_with_repeated_keys_are_all_read() -> None:
    rejects = Rejects()
    folder = CASES / "arc_repeated_keys"
    (sample,) = read_coco_arc(folder, folder / "train2014", rejects, kinds=["global"])
    assert [(turn.instruction, turn.response) for turn in sample.turns] == [
        ("What is it?", "A car."), ("Which colour?", "Red."), ("Where?", "On a road."), ("How many?", "One."),
    ]  # fmt: skip
    assert not rejects.rows


@pytest.mark.parametrize(
    ("archive", "reason"), [("region_images.zip", "Deflate64"), ("encrypted.zip", "it is encrypted")]
)
def test_an_archive_that_cannot_be_unpacked_is_a_reject_an_image(tmp_path: Path, archive: str, reason: str) -> None:
    shutil.copytree(CASES / "arc_deflate64_zip", tmp_path / "arc")
    shutil.copy(CASES / "arc_deflate64_zip" / archive, tmp_path / "arc" / "region_images.zip")
    rejects = Rejects()
    assert read_coco_arc(tmp_path / "arc", tmp_path / "arc" / "train2014", rejects, kinds=["region"]) == []
    (row,) = rejects.rows
    assert row.reason == "unreadable image" and reason in row.detail


def test_image_ids_that_are_no_list_reject_the_row() -> None:
    rejects = Rejects()
    folder = CASES / "mimic_image_ids_string"
    (sample,) = read_mimic_it(folder / "LA_instructions.json", folder / "LA.json", rejects)
    assert sample.source_id == "LA_INS_2" and len(sample.images) == 1
    assert rejected(rejects) == [("LA_instructions.json[LA_INS_1]", "image_ids", "field of another type")]


def test_a_thin_picture_is_cropped_before_it_is_resized() -> None:
    import tracemalloc

    from vlit.models.forward import CropTransform

    picture = FileImage(CASES / "train_thin_image" / "thin.png").load()
    assert picture.size in ((1, 5000), (5000, 1))
    tracemalloc.start()
    assert CropTransform(336)(picture).shape == (3, 336, 336)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6
