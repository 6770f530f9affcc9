"""Load open_clip models by name from a local weights file: the CLIP that quality control and pre-training share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from transformers import PreTrainedTokenizerBase

from vlit.common.errors import InputError
from vlit.data.dataset import ImageTransform
from vlit.models.forward import CropTransform
from vlit.models.loading import load_tokenizer, require


@dataclass
class Clip:
    """A CLIP that compares images and texts.

    Attributes:
        model: the open_clip model, in evaluation mode.
        image_transform: RGB image -> (3, size, size).
        tokenize: texts -> (texts, context) token ids, cut to the context length.
    """

    model: torch.nn.Module
    image_transform: ImageTransform
    tokenize: Callable[[list[str]], torch.Tensor]


def tokenize(words: PreTrainedTokenizerBase, texts: list[str], context: int) -> torch.Tensor:
    """Return token ids (texts, context) as open_clip's text tower with `pool_type: eos` takes them.

    A row is the text, cut to the context, the end token, and padding.
    """
    encoded = words(
        texts, add_special_tokens=False, truncation=True, max_length=context - 1,
        return_attention_mask=False, return_token_type_ids=False,
    )["input_ids"]  # fmt: skip
    lengths = np.array([len(ids) for ids in encoded], np.int64).reshape(-1, 1)
    rows = np.full((len(texts), context), int(words.pad_token_id), np.int64)
    places = np.arange(context)[None, :]
    rows[places < lengths] = np.fromiter(chain.from_iterable(encoded), np.int64)
    rows[places == lengths] = int(words.eos_token_id)
    return torch.from_numpy(rows)


def open_clip_configuration(name: str, configs: str | None = None) -> dict[str, Any]:
    """Return open_clip's configuration of a model.

    Args:
        name: open_clip model name, or one that `configs` defines.
        configs: folder of further model configurations, which open_clip knows from then on.

    Raises:
        InputError: if the name is unknown.
    """
    if configs is not None:
        open_clip.add_model_config(Path(configs))
    configuration: dict[str, Any] | None = open_clip.get_model_config(name)
    if configuration is None:
        raise InputError(f"open_clip has no model {name!r}: see open_clip.list_models()")
    return configuration


def load_clip(name: str, weights: str, configs: str | None, tokenizer: str | None, source: str) -> Clip:
    """Load an open_clip model.

    Args:
        name: open_clip model name, or one that `configs` defines.
        weights: file with its weights.
        configs: folder of further open_clip model configurations.
        tokenizer: folder of a transformers tokenizer; None for the one that open_clip has for the model.
        source: where to get the weights, for the error message.

    Raises:
        InputError: if the weights are missing or the name is unknown.
    """
    path = require(weights, source)
    configuration = open_clip_configuration(name, configs)
    model = open_clip.create_model(name, pretrained=str(path)).float().eval()
    if tokenizer is None:
        to_ids = open_clip.get_tokenizer(name)
    else:
        words = load_tokenizer(require(tokenizer, source))
        context = int(configuration["text_cfg"]["context_length"])

        def to_ids(texts: list[str]) -> torch.Tensor:
            return tokenize(words, texts, context)

    return Clip(model, CropTransform(configuration["vision_cfg"]["image_size"]), to_ids)
