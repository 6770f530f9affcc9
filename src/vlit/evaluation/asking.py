"""Ask a model about pictures of one's own, in one or several turns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image

from vlit.common.errors import InputError
from vlit.data.dataset import Item, collate
from vlit.data.encode import Encoder, UnusableText
from vlit.data.images import FileImage
from vlit.data.sample import Turn
from vlit.data.templates import Template
from vlit.models.family import VisionLanguageModel


def answers(
    model: VisionLanguageModel,
    encoder: Encoder,
    template: Template,
    images: Sequence[Path],
    questions: Sequence[str],
    max_new_tokens: int,
    num_beams: int = 1,
    upright: bool = True,
) -> Iterator[str]:
    """Yield a model's answer to each question; earlier questions and answers stay in its context.

    Args:
        model: the model; put into evaluation mode.
        encoder: its encoder of prompts.
        template: its chat template.
        images: picture files, shown with the first question.
        questions: the questions, in order.
        max_new_tokens: longest answer, in tokens.
        num_beams: beams of the search; 1 is greedy.
        upright: apply the EXIF orientation of photographs.

    Raises:
        InputError: if a picture can't be read, or the model can't read the conversation whole.
    """
    pixels = torch.stack([model.image_transform(_loaded(path, upright)) for path in images]) if images else None
    turns: list[Turn] = []
    model.eval()
    for question in questions:
        turn = Turn(question.strip(), "", 0 if turns else len(images), supervised=False)
        try:
            encoded = encoder(template.next_prompt(turns, turn), f"question {len(turns) + 1}")
        except UnusableText as error:
            raise InputError(str(error)) from None
        if encoded.truncated:
            raise InputError(
                f"question {len(turns) + 1}: the conversation has {len(encoded.input_ids) + encoded.lost} tokens, and"
                f" this model reads tuning.max_length={encoder.max_length}: ask fewer or shorter questions"
            )
        item = Item("", encoded.input_ids, encoded.labels, pixels)
        batch = collate([item], int(model.tokenizer.pad_token_id), "left")
        with torch.inference_mode():
            (text,) = model.generate(batch, max_new_tokens, num_beams)
        turns.append(replace(turn, response=text.strip()))
        yield turns[-1].response


def _loaded(path: Path, upright: bool) -> Image.Image:
    try:
        return FileImage(path, upright).load()
    except OSError as error:
        raise InputError(f"image={path}: {error}: give a picture file") from None
