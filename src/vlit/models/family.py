"""What every model family offers, whatever is inside: image features, logits, generation.

Loss and choice scores are the same for all families and live in `scoring.py`; a family only has to turn a batch into
logits aligned with its input ids.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from PIL import Image
from transformers import DynamicCache, PreTrainedTokenizerBase

from vlit.data.collate import Batch
from vlit.models.freeze import FreezePolicy


class ImageTransform(Protocol):
    """Turns an RGB image into a (3, height, width) float tensor."""

    def __call__(self, image: Image.Image) -> torch.Tensor:
        """Transform one image."""


@dataclass(frozen=True)
class Read:
    """Prompts that were read, for answers to go on from.

    Attributes:
        cache: keys and values of all layers.
        attention_mask: (prompts, length), 0 on the padding at the left.
        logits: (prompts, vocabulary) of the token that comes next.
        images: (prompts, most images, ...) features, for a family whose text goes on looking at them.
        image_counts: (prompts,) images of each.
    """

    cache: DynamicCache
    attention_mask: torch.Tensor
    logits: torch.Tensor
    images: torch.Tensor | None = None
    image_counts: torch.Tensor | None = None

    def repeat(self, times: int) -> Read:
        """Each prompt `times` times, one after the other. The cache itself is repeated: go on from the result only."""
        self.cache.batch_repeat_interleave(times)
        rest = (self.attention_mask, self.logits, self.images, self.image_counts)
        return Read(self.cache, *(None if one is None else one.repeat_interleave(times, dim=0) for one in rest))  # type: ignore[arg-type]


class VisionLanguageModel(Protocol):
    """One of `Llava`, `Blip2`, `OpenFlamingo`: an `nn.Module` that also knows how its inputs are made."""

    tokenizer: PreTrainedTokenizerBase
    image_transform: ImageTransform
    image_token_id: int
    tokens_per_image: int
    policy: FreezePolicy

    def encode_images(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Return what the language model reads of each image: (images, tokens, width)."""

    def forward(self, batch: Batch, features: torch.Tensor | None = None, skip: int = 0) -> torch.Tensor:
        """Return logits (batch, length, vocabulary), without those of the first `skip` positions.

        `features` from `encode_images` spare the images a second pass.
        """

    def read(self, batch: Batch, features: torch.Tensor | None = None) -> Read:
        """Read left-padded prompts once; `features` as in `forward`."""

    def go_on(self, read: Read, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return logits (prompts, length, vocabulary) of text without images that follows the prompts."""

    def generate(self, batch: Batch, max_new_tokens: int, num_beams: int = 1) -> list[str]:
        """Continue each prompt (left-padded) and return the new text."""


def last_logits(language: Any, keep: int, **inputs: Any) -> torch.Tensor:
    """Logits (batch, keep, vocabulary) of a transformers causal language model's last `keep` positions.

    Its own forward pass takes `logits_to_keep`, which OPT and MPT do not heed.
    """
    hidden = language.base_model(**inputs).last_hidden_state
    return language.get_output_embeddings()(hidden[:, -keep:])


def positions(attention_mask: torch.Tensor) -> torch.Tensor:
    """Place of each token among those that are not padding, from 0."""
    return (attention_mask.cumsum(dim=1) - 1).clamp(min=0)


def insert_features(
    embeddings: torch.Tensor, input_ids: torch.Tensor, image_token_id: int, features: torch.Tensor
) -> torch.Tensor:
    """Put image features (images, tokens, width) where the image tokens of (batch, length, width) embeddings stand.

    Raises:
        ValueError: if the numbers of image tokens and of features differ, which would shift every later image.
    """
    places = input_ids == image_token_id
    expected = features.shape[0] * features.shape[1]
    if int(places.sum()) != expected:
        raise ValueError(f"{int(places.sum())} image tokens in the batch, but {expected} image features")
    flat = features.reshape(expected, -1).to(embeddings.dtype)
    return embeddings.masked_scatter(places.unsqueeze(-1).expand_as(embeddings), flat)
