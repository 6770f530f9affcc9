"""Annotation sources as people have them: a bad annotation is set aside, and no source is lost for it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra.utils import instantiate

from tests.construct.conftest import configured, construction
from tests.llm.conftest import RunningServer, server_model
from vlit.common.files import read_json, read_jsonl
from vlit.construct.parse import Parsed, parse_reply
from vlit.construct.pipeline import construct
from vlit.construct.sources.image import clipped
from vlit.construct.sources.read import read_annotations
from vlit.data.sample import Rejects

CASES = Path(__file__).resolve().parents[1] / "cases"
Start = Callable[[float, float], RunningServer]
BOTH = ("caption", "object")


def read(name: str, sources: tuple[str, ...] = BOTH) -> tuple[list, Rejects]:
    rejects = Rejects()
    return read_annotations(CASES / name, sources, rejects), rejects


def test_null_captions_and_unknown_categories_are_set_aside() -> None:
    images, rejects = read("construct_null_caption")
    assert len(images) == 2
    assert rejects.counts()["no caption and no box"] == 1
    assert {"field of another type", "unknown category"} <= set(rejects.counts())
    assert any(row.field == "caption" and row.place.startswith("captions[") for row in rejects.rows)


def test_what_has_no_words_is_not_described() -> None:
    images, rejects = read("construct_empty_caption")
    assert all(caption for image in images for caption in image.captions)
    assert "empty caption" in rejects.counts()
    templates = instantiate(configured().templates)
    texts = [templates.describe(image) for image in images]
    assert not any("None" in text or "described as ." in text or " _" in text for text in texts)


def test_boxes_are_clipped_or_set_aside_before_anything_is_paid_for() -> None:
    images, rejects = read("construct_box_outside")
    for image in images:
        for thing in image.objects:
            x, y, width, height = thing.box
            assert x >= 0 and y >= 0 and x + width <= image.width and y + height <= image.height
    assert {row.field for row in rejects.rows} == {"bbox"}


@pytest.mark.parametrize(
    ("box", "expected"),
    [((1, 2, 3, 4), (1, 2, 3, 4)), ((-5, 0, 10, 5), (0, 0, 5, 5)), ((60, 60, 10, 10), (60, 60, 4, 4)),
     ((64, 0, 5, 5), None), ((0, 0, 0, 5), None), ((-9, -9, 5, 5), None)],
)  # fmt: skip
def test_a_box_is_clipped_to_its_image(box: tuple, expected: tuple | None) -> None:
    assert clipped(box, 64, 64) == expected


def test_an_illegible_text_needs_no_box() -> None:
    images, rejects = read("construct_ocr_illegible_without_box", ("caption", "ocr"))
    assert any(image.words for image in images) and not rejects.rows


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize(
    ("name", "accepted", "reason"),
    [
        ("construct_broken_image", 1, "unreadable image"),
        ("construct_file_name_with_folder", 3, None),
        ("construct_box_outside", 3, "annotation: box outside the image"),
    ],
)
def test_one_bad_image_is_one_reject(
    chat_server: Start, tmp_path: Path, name: str, accepted: int, reason: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    server = chat_server(0.0, 0.0)
    job = construction(CASES / name, tmp_path, server_model(server.url), "global")
    output = construct(job)
    lines = read_jsonl(output / "images.jsonl")
    assert sum(line["status"] == "accepted" for line in lines) == accepted
    assert len(read_json(output / "global.json")["annotations"]) >= accepted
    if reason is not None:
        assert reason in read_json(output / "manifest.json")["reasons"]


def test_spaces_and_joiners_of_a_reply_survive() -> None:
    text = (CASES / "construct_reply_spaces" / "reply.json").read_text(encoding="utf-8")
    parsed = parse_reply(text)
    assert isinstance(parsed, Parsed)
    assert parsed.turns[0].response == json.loads(text)["AI"]
    assert not parsed.repairs


def test_removed_control_characters_are_a_repair() -> None:
    parsed = parse_reply(json.dumps({"User": "What?", "AI": "A\u0007 car."}))
    assert isinstance(parsed, Parsed)
    assert parsed.turns[0].response == "A car." and "control characters removed" in parsed.repairs
