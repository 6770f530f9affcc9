"""The interface of vision-language models, and the registry from which the configuration names a model family.

A family is one file, `vlit/models/{name}.py`. It defines the model and ends with `register(Family(...))`;
`model.family={name}` then builds it. The file is imported when its family is first looked up, so that no run loads the
libraries of another family.
"""

from __future__ import annotations

import importlib
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import DynamicCache, PreTrainedTokenizerBase

from vlit.common.errors import InputError
from vlit.data.dataset import Batch, ImageTransform
from vlit.models.freeze import FreezePolicy


@dataclass(frozen=True)
class PromptCache:
    """Prompts that a model has read once, to be extended by response tokens.

    Attributes:
        keys_values: keys and values of all layers; extending adds to them.
        attention_mask: (prompts, length), 0 on the padding at the left.
        next_logits: (prompts, vocabulary) of the token that follows each prompt.
        images: (prompts, most images of a prompt, ...) features, for a family whose later tokens attend to them too.
        image_counts: (prompts,) number of images of each prompt, for such a family.
    """

    keys_values: DynamicCache
    attention_mask: torch.Tensor
    next_logits: torch.Tensor
    images: torch.Tensor | None = None
    image_counts: torch.Tensor | None = None

    def repeat(self, times: int) -> PromptCache:
        """Return each prompt `times` times in a row. Keys and values are repeated in place: use the result only."""
        self.keys_values.batch_repeat_interleave(times)
        return PromptCache(
            self.keys_values,
            self.attention_mask.repeat_interleave(times, dim=0),
            self.next_logits.repeat_interleave(times, dim=0),
            None if self.images is None else self.images.repeat_interleave(times, dim=0),
            None if self.image_counts is None else self.image_counts.repeat_interleave(times, dim=0),
        )


class VisionLanguageModel(nn.Module, ABC):
    """A model of any family: a network, and what makes its inputs.

    Attributes:
        tokenizer: the language model's tokenizer; it knows the image token. None in a skeleton.
        image_transform: RGB image -> (3, height, width).
        image_token_id: id of the token that marks the place of an image.
        tokens_per_image: copies of that token for one image.
        policy: which parts learn; applied when the model is built.
    """

    tokenizer: PreTrainedTokenizerBase
    image_transform: ImageTransform
    image_token_id: int
    tokens_per_image: int
    policy: FreezePolicy

    @abstractmethod
    def encode_images(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Return what the language model reads of each image: (images, tokens, width)."""

    @abstractmethod
    def forward(self, batch: Batch, features: torch.Tensor | None = None, skip: int = 0) -> torch.Tensor:
        """Return logits (batch, length - skip, vocabulary), aligned with the input ids from position `skip` on.

        `features` from `encode_images` take the place of the images.
        """

    @abstractmethod
    def prefill(self, batch: Batch, features: torch.Tensor | None = None) -> PromptCache:
        """Read left-padded prompts once; `features` as in `forward`."""

    @abstractmethod
    def extend(self, cache: PromptCache, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return logits (prompts, length, vocabulary) of text that follows cached prompts.

        Args:
            cache: the prompts.
            input_ids: (prompts, length) text without images, padded on the right.
            attention_mask: (prompts, length), 0 on that padding.
        """

    @abstractmethod
    def generate(self, batch: Batch, max_new_tokens: int, num_beams: int = 1) -> list[str]:
        """Return the text that continues each left-padded prompt, greedily or by beam search."""

    @abstractmethod
    def trace(self, batch_size: int, length: int) -> torch.Tensor:
        """Return logits of samples with one image and `length` tokens, image tokens included, on the `meta` device.

        `forward` looks for image tokens in the input ids, which have no values there.
        """

    @abstractmethod
    def save_published(self, folder: Path, whole_language_model: bool) -> None:
        """Write the network into a folder, as the upstream project reads it.

        Args:
            folder: an existing folder.
            whole_language_model: write the language model even where upstream leaves a frozen one out.
        """


@dataclass(frozen=True)
class Family:
    """What the configuration and the pre-training need to know of a model family.

    Attributes:
        name: as in `model.family`, and the name of the family's file.
        build: keys of `model.build` -> the model with its published weights.
        skeleton: keys of `model.architecture` -> the same model on the `meta` device, without weights.
        template: name of the prompt template of its upstream project, as in `model.template`.
        resampler: parts that condense an image's patches into fewer tokens and are aligned first, before a language
            model is involved; none where each patch becomes a token.
    """

    name: str
    build: Callable[..., VisionLanguageModel]
    skeleton: Callable[..., VisionLanguageModel]
    template: str
    resampler: tuple[str, ...] = ()


FAMILIES: dict[str, Family] = {}


def register(family: Family) -> Family:
    """Add a family to `FAMILIES` and return it.

    Raises:
        ValueError: if the name is taken.
    """
    if family.name in FAMILIES:
        raise ValueError(f"a model family {family.name!r} is registered already")
    FAMILIES[family.name] = family
    return family


def find_family(name: str) -> Family:
    """Return a registered family, importing its file if need be.

    Raises:
        InputError: if no file registers that name.
    """
    module = f"vlit.models.{name}"
    if name not in FAMILIES and name.isidentifier() and find_spec(module) is not None:
        importlib.import_module(module)
    if name not in FAMILIES:
        raise InputError(
            f"model.family={name}: no such model family; choose one with model=, or register it in"
            f" src/vlit/models/{name}.py"
        )
    return FAMILIES[name]


def build_model(family: str, arguments: Mapping[str, Any]) -> VisionLanguageModel:
    """Build a model with its weights.

    Args:
        family: name of the family (`model.family`).
        arguments: the values of `model.build`.

    Raises:
        InputError: if the family or a key is unknown, a key is missing, or weights are missing or do not fit.
    """
    return _called(find_family(family).build, arguments, "model.build")


def build_skeleton(family: str, arguments: Mapping[str, Any]) -> VisionLanguageModel:
    """Build a model without weights, on the `meta` device: it can be counted and traced, not run.

    Args:
        family: name of the family (`model.family`).
        arguments: the values of `model.architecture`.

    Raises:
        InputError: if the family or a key is unknown, or a key is missing.
    """
    return _called(find_family(family).skeleton, arguments, "model.architecture")


def _called(build: Callable[..., VisionLanguageModel], arguments: Mapping[str, Any], where: str) -> VisionLanguageModel:
    signature = inspect.signature(build)
    try:
        signature.bind(**arguments)
    except TypeError as error:
        raise InputError(f"{where}: {error}; its keys are {', '.join(signature.parameters)}") from None
    return build(**arguments)
