from __future__ import annotations

import json
from pathlib import Path

import pytest

from vlit.common.errors import InputError
from vlit.construct.sources.read import read_annotations


def test_all_sources_are_merged_per_image(world: Path) -> None:
    first, second, third, fourth = read_annotations(world / "coco")
    assert first.file_name == "COCO_train2014_000000000001.jpg"
    assert first.captions == ("A red cup and a car on a beach.", "There is a sign near a car")
    assert [(thing.kind, thing.supercategory) for thing in first.objects] == [("cup", "kitchen"), ("car", "vehicle")]
    assert first.objects[0].box == (8, 9, 13, 13)
    assert set(first.objects[0].attributes) == {"red", "striped", "small"}
    assert [(word.id, word.text) for word in first.words] == [(501, "CAFE")]
    assert first.qa == (("What is the setting of this image?", "beach"), ("How many cars are there?", "1"))
    assert len(second.objects) == 5
    assert [thing.kind for thing in third.objects] == ["cat", "car"], "a crowd gives no count"
    assert third.objects[0].attributes == () and third.words == () and third.qa == ()
    assert fourth.words[0].text == "OPEN"


def test_a_source_left_out_needs_no_file(world: Path) -> None:
    (world / "coco/COCO_Text.json").unlink()
    (world / "coco/cocottributes.json").unlink()
    images = read_annotations(world / "coco", ("caption", "object", "vqa"))
    assert all(not image.words for image in images)
    assert all(not thing.attributes for image in images for thing in image.objects)
    with pytest.raises(InputError, match=r"COCO_Text\.json.*leave ocr out"):
        read_annotations(world / "coco", ("caption", "ocr"))


@pytest.mark.parametrize("sources", [("caption", "video"), ("ocr",), ("caption", "attribute")])
def test_impossible_sources_are_refused(world: Path, sources: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="source"):
        read_annotations(world / "coco", sources)


def test_restricting_hides_the_other_sources(world: Path) -> None:
    (seen, *_) = [image.restricted(("caption", "object")) for image in read_annotations(world / "coco")]
    assert seen.captions and seen.objects
    assert not seen.words and not seen.qa and not seen.objects[0].attributes


FILES = [
    "annotations/captions_train2014.json",
    "annotations/instances_train2014.json",
    "cocottributes.json",
    "COCO_Text.json",
    "v2_OpenEnded_mscoco_train2014_questions.json",
    "v2_mscoco_train2014_annotations.json",
]


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file_is_one_clear_line(world: Path, name: str) -> None:
    path = world / "coco" / name
    text = path.read_text()
    path.write_text(text[: len(text) // 2])
    with pytest.raises(InputError) as caught:
        read_annotations(world / "coco")
    assert name in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", [[], {"annotations": [{}]}, {"anns": {"1": {}}, "questions": [1]}])
def test_another_format_is_one_clear_line(world: Path, name: str, content: object) -> None:
    (world / "coco" / name).write_text(json.dumps(content))
    with pytest.raises(InputError) as caught:
        read_annotations(world / "coco")
    assert "published format" in str(caught.value) and "\n" not in str(caught.value)
