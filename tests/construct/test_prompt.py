from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.construct.conftest import request_spec
from vlit.common.errors import InputError
from vlit.construct.judge import Rules
from vlit.construct.parse import Parsed, parse_reply
from vlit.construct.prompts import make_requests
from vlit.construct.sources.image import ImageAnnotations
from vlit.construct.sources.read import read_annotations

VARIANTS = ("global", "negative", "region", "multi_turn", "external_knowledge")


@pytest.fixture
def images(world: Path) -> list[ImageAnnotations]:
    return read_annotations(world / "coco")


def test_every_prompt_has_nine_requirements_and_repeats_its_key_points() -> None:
    for variant in request_spec(*VARIANTS).variants:
        assert [f" {number}. " in variant.system for number in range(1, 11)] == [True] * 9 + [False]
        assert '{"User": "Question?", "AI": "Answer."}' in variant.system
        assert '{"User": "Question?", "AI": "Answer."}' in variant.reminder
        assert "the given text" in variant.system and "user asks first" in variant.reminder


def test_the_region_prompt_is_the_printed_one() -> None:
    (region,) = request_spec("region").variants
    assert region.system.startswith("You are an artificial intelligence assistant. You'll be given a text describing")
    assert "2. The conversation must be about the object in the circle. 3. The visual" in region.system


def test_there_are_about_ten_examples_and_all_keep_to_the_rules() -> None:
    spec = request_spec("global")
    rules = Rules(["the description", "the given text"], ["box", "square", "circled", "marked"], 0.7)
    assert len(spec.examples) == 10
    for example in spec.examples:
        parsed = parse_reply(example.reply)
        assert isinstance(parsed, Parsed) and not parsed.repairs and len(parsed.turns) == len(example.conversation)
        assert rules.broken(parsed.turns, 3, "nothing" if example.file == "region" else None) is None


def test_a_request_shows_two_examples_and_then_the_image(images: list[ImageAnnotations]) -> None:
    requests = make_requests(images, request_spec(*VARIANTS))
    assert len({request.id for request in requests}) == len(requests) == 4 * 5
    for request in requests:
        roles = [message["role"] for message in request.messages]
        assert roles == ["system", "user", "assistant", "user", "assistant", "user"]
        assert request.messages[1] != request.messages[3]
        assert request.messages[-1]["content"].endswith(request.variant.reminder.strip())
        assert (request.region is not None) == (request.variant.file == "region")
        if request.region is not None:
            x, y, width, height = (round(value) for value in request.region.box)
            assert f"[{x}, {y}, {x + width}, {y + height}]" in request.messages[-1]["content"]


def test_draws_follow_from_the_seed_and_the_image_alone(images: list[ImageAnnotations]) -> None:
    spec = request_spec("global", "region")
    together = {request.id: request.messages for request in make_requests(images, spec)}
    alone = {request.id: request.messages for image in images[::-1] for request in make_requests([image], spec)}
    assert together == alone
    drawn = {
        json.dumps([request.messages[1:5] for request in make_requests(images, replace(spec, seed=seed))])
        for seed in range(5)
    }
    assert len(drawn) > 1


def test_nothing_large_enough_to_mark_gives_no_region_request(images: list[ImageAnnotations]) -> None:
    assert make_requests(images, replace(request_spec("region"), least_region=0.9)) == []


def test_too_few_examples_is_one_clear_line(images: list[ImageAnnotations]) -> None:
    with pytest.raises(InputError, match="3 in-context examples of file region for 4"):
        make_requests(images, replace(request_spec("region"), shown=4))
