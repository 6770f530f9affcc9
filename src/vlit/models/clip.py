"""open_clip models by name, from a local weights file: the one CLIP that quality control and pre-training share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import open_clip
import torch
from transformers import PreTrainedTokenizerBase

from vlit.common.errors import InputError
from vlit.models import loading
from vlit.models.family import CropTransform


@dataclass
class Clip:
    """A CLIP ready to compare images and texts.

    Attributes:
        model: the open_clip model, in evaluation mode.
        image_transform: RGB image -> (3, size, size).
        tokenize: texts -> (n, context) token ids, cut at the context length.
    """

    model: torch.nn.Module
    image_transform: Callable[..., torch.Tensor]
    tokenize: Callable[[list[str]], torch.Tensor]


def tokenize(words: PreTrainedTokenizerBase, texts: list[str], context: int) -> torch.Tensor:
    """Token ids (n, context) as open_clip's text tower with `pool_type: eos` reads them: text, end token, padding."""
    read = words(
        texts, add_special_tokens=False, truncation=True, max_length=context - 1,
        return_attention_mask=False, return_token_type_ids=False,
    )["input_ids"]  # fmt: skip
    lengths = np.array([len(ids) for ids in read], np.int64).reshape(-1, 1)
    rows = np.full((len(texts), context), int(words.pad_token_id), np.int64)
    places = np.arange(context)[None, :]
    rows[places < lengths] = np.fromiter(chain.from_iterable(read), np.int64)
    rows[places == lengths] = int(words.eos_token_id)
    return torch.from_numpy(rows)


def load(name: str, weights: str, configs: str | None, tokenizer: str | None, source: str) -> Clip:
    """Load an open_clip model.

    Args:
        name: open_clip model name, or one defined in `configs`.
        weights: file with its weights.
        configs: folder of open_clip model configurations to make known first.
        tokenizer: folder of a transformers tokenizer; None takes the one open_clip has for the model.
        source: where the weights can be had.

    Raises:
        InputError: if the weights are missing or the name is unknown.
    """
    path = loading.require(weights, source)
    if configs is not None:
        open_clip.add_model_config(Path(configs))
    configuration = open_clip.get_model_config(name)
    if configuration is None:
        raise InputError(f"open_clip has no model {name!r}: see open_clip.list_models()")
    model = open_clip.create_model(name, pretrained=str(path)).float().eval()
    if tokenizer is None:
        to_ids = open_clip.get_tokenizer(name)
    else:
        words = loading.tokenizer(loading.require(tokenizer, source))
        context = int(configuration["text_cfg"]["context_length"])

        def to_ids(texts: list[str]) -> torch.Tensor:
            return tokenize(words, texts, context)

    return Clip(model, CropTransform(configuration["vision_cfg"]["image_size"]), to_ids)


def state(name: str, weights: str) -> str:
    """Name a model and the state of its weights file: what was computed with another file is not this model's."""
    file = Path(weights)
    found = file.stat() if file.exists() else None
    return f"{name}|{file.name}|{(found.st_size, found.st_mtime_ns) if found else None}"
