"""What every model family offers, whatever is inside: image features, logits, generation; and the loss all share.

A family only has to turn a batch into logits aligned with its input ids.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from PIL import Image
from torch.nn import functional
from torchvision.transforms.functional import InterpolationMode, center_crop, normalize, resize, to_tensor
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


CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class CropTransform:
    """Bicubic resize to `size`, scale to [0, 1], normalise by CLIP's channel statistics.

    `crop=True` keeps the proportions and crops the centre (CLIP, LLaVA, OpenFlamingo); `crop=False` squeezes the whole
    image into the square (BLIP-2 in LAVIS).
    """

    size: int
    crop: bool = True

    def __call__(self, image: Image.Image) -> torch.Tensor:
        """Return a (3, size, size) float tensor."""
        if image.size != (self.size, self.size):
            target = self.size if self.crop else (self.size, self.size)
            image = resize(image, target, interpolation=InterpolationMode.BICUBIC)
            if self.crop:
                image = center_crop(image, [self.size, self.size])
        return normalize(to_tensor(image), CLIP_MEAN, CLIP_STD)


IGNORE = -100  # the label of a token that is read but not learned


@dataclass
class TokenLoss:
    """Summed negative log-likelihood of the supervised tokens, and their number; the mean is theirs to take."""

    total: torch.Tensor
    tokens: torch.Tensor


def unsupervised_prefix(labels: torch.Tensor) -> int:
    """How many positions of (batch, length) labels come before any whose next token is learned in some row."""
    learned = (labels != IGNORE).any(dim=0)
    return max(0, int(learned.int().argmax()) - 1)


def token_loss(logits: torch.Tensor, labels: torch.Tensor) -> TokenLoss:
    """Next-token loss on supervised tokens only (paper Eq. 1).

    Args:
        logits: (batch, length, vocabulary).
        labels: (batch, length), `IGNORE` where nothing is learned.

    Raises:
        ValueError: if a sample has no supervised token: it would be trained on silently as nothing.
    """
    shifted = labels[:, 1:]
    supervised = shifted != IGNORE
    if not bool(supervised.any(dim=1).all()):
        rows = (~supervised.any(dim=1)).nonzero().flatten().tolist()
        raise ValueError(f"rows {rows} of the batch have no supervised token")
    losses = functional.cross_entropy(logits[:, :-1][supervised].float(), shifted[supervised], reduction="sum")
    return TokenLoss(losses, supervised.sum())


def sequence_log_probabilities(logits: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Sum and mean log-probability of each row's supervised tokens, from one pass.

    SEED-Bench ranks choices by likelihood; upstream code differs in summing or averaging over tokens, so both are kept.

    Returns:
        (batch,) sums and (batch,) means, in float32.
    """
    shifted = labels[:, 1:]
    supervised = shifted != IGNORE
    rows, _ = supervised.nonzero(as_tuple=True)
    chosen = logits[:, :-1][supervised].float()
    log_probabilities = -functional.cross_entropy(chosen, shifted[supervised], reduction="none")
    sums = log_probabilities.new_zeros(len(labels)).index_add(0, rows, log_probabilities)
    return sums, sums / supervised.sum(dim=1)
