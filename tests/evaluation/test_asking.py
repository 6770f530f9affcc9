"""Asking about pictures: several turns, several pictures, and what can't be asked."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.conftest import FAMILIES
from vlit.common.errors import InputError
from vlit.data.dataset import Item, collate
from vlit.data.sample import Turn
from vlit.data.templates import TEMPLATES
from vlit.evaluation.asking import answers

QUESTIONS = ["What color is the cup?", "Where is it?"]


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    files = [tmp_path / "red.png", tmp_path / "blue.png"]
    for file, colour in zip(files, ((200, 20, 20), (20, 20, 200)), strict=True):
        Image.new("RGB", (70, 64), colour).save(file)
    return files


@pytest.mark.parametrize("name", FAMILIES)
def test_the_second_answer_is_what_follows_the_first_exchange(family, pictures: list[Path], name: str) -> None:
    cfg, model, encoder = family(name)
    template = TEMPLATES[cfg.model.template]
    first, second = answers(model, encoder, template, pictures, QUESTIONS, max_new_tokens=6)
    prompt = template.next_prompt([Turn(QUESTIONS[0], first, 2)], Turn(QUESTIONS[1], "", 0))
    encoded = encoder(prompt, "")
    pixels = torch.stack([model.image_transform(Image.open(file).convert("RGB")) for file in pictures])
    batch = collate([Item("", encoded.input_ids, encoded.labels, pixels)], model.tokenizer.pad_token_id, "left")
    assert second == model.generate(batch, 6)[0]


def test_a_picture_that_is_none_and_a_conversation_too_long_are_refused(family, tmp_path: Path) -> None:
    cfg, model, encoder = family("blip2")
    template = TEMPLATES[cfg.model.template]
    with pytest.raises(InputError, match=r"nothing\.png"):
        list(answers(model, encoder, template, [tmp_path / "nothing.png"], QUESTIONS, 4))
    with pytest.raises(InputError, match=r"question 2: .*max_length=256"):
        list(answers(model, encoder, template, [], [QUESTIONS[0], "where " * 300], 4))
