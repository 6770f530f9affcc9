"""Steps of the forward pass that all families share: pixels, image features among embeddings, logits, loss, scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch.nn import functional
from torchvision.transforms.functional import InterpolationMode, center_crop, normalize, resize, to_tensor

from vlit.data.dataset import Batch, ImageTransform
from vlit.data.encode import IGNORED

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
_THIN = 16  # times as long as wide


@dataclass(frozen=True)
class CropTransform:
    """Bicubic resize to `size` pixels, scale to [0, 1], normalise by CLIP's channel statistics.

    `crop=True` keeps the proportions and crops the centre (CLIP, LLaVA, OpenFlamingo); `crop=False` squeezes the whole
    image into the square (BLIP-2 in LAVIS). Where the middle falls between two pixels, `floor=True` crops as
    transformers' CLIPImageProcessor does (LLaVA), else as torchvision, which rounds to even (open_clip).
    """

    size: int
    crop: bool = True
    floor: bool = False

    def __call__(self, image: Image.Image) -> torch.Tensor:
        """Return a (3, size, size) float tensor of an RGB image."""
        if self.crop:
            image = _without_ends(image)
        if image.size != (self.size, self.size):
            target = self.size if self.crop else (self.size, self.size)
            image = resize(image, target, interpolation=InterpolationMode.BICUBIC)
            if self.crop and self.floor:
                left, top = (image.width - self.size) // 2, (image.height - self.size) // 2
                image = image.crop((left, top, left + self.size, top + self.size))
            elif self.crop:
                image = center_crop(image, [self.size, self.size])
        return normalize(to_tensor(image), CLIP_MEAN, CLIP_STD)


def _without_ends(image: Image.Image) -> Image.Image:
    """Cut the ends off a picture more than `_THIN` times as long as wide; the crop after resizing shows none of them.

    Resizing first makes a picture of 1 x 5000 pixels one of 336 x 1,680,000.
    """
    short, long = sorted(image.size)
    if long <= _THIN * short:
        return image
    kept = 3 * short + (long - 3 * short) % 2  # the centre stays where it is
    start = (long - kept) // 2
    wide = image.width == long
    return image.crop((start, 0, start + kept, short) if wide else (0, start, short, start + kept))


def pixels_or_blank(batch: Batch, image_transform: ImageTransform) -> torch.Tensor:
    """Return a batch's pixel values; of a batch without images, those of one black picture (1, 3, height, width).

    Data-parallel and sharded training need every process to run the same modules, whatever its samples hold. What is
    computed of the black picture must be multiplied by zero.
    """
    if len(batch.pixel_values):
        return batch.pixel_values
    return image_transform(Image.new("RGB", (1, 1)))[None].to(batch.pixel_values)


def insert_features(
    embeddings: torch.Tensor, input_ids: torch.Tensor, image_token_id: int, features: torch.Tensor
) -> torch.Tensor:
    """Replace the embeddings (batch, length, width) of image tokens by image features (images, tokens, width).

    Raises:
        ValueError: if the numbers of image tokens and of features differ, which would shift every later image.
    """
    places = input_ids == image_token_id
    expected = features.shape[0] * features.shape[1]
    if int(places.sum()) != expected:
        raise ValueError(f"{int(places.sum())} image tokens in the batch, but {expected} image features")
    flat = features.reshape(expected, features.shape[-1]).to(embeddings.dtype)
    return embeddings.masked_scatter(places.unsqueeze(-1).expand_as(embeddings), flat)


def positions(attention_mask: torch.Tensor) -> torch.Tensor:
    """Return the place of each token among those that are not padding, from 0: (batch, length)."""
    return (attention_mask.cumsum(dim=1) - 1).clamp(min=0)


def last_logits(language: Any, keep: int, **inputs: Any) -> torch.Tensor:
    """Return logits (batch, keep, vocabulary) of the last `keep` positions of a transformers causal language model.

    The model's own forward pass takes `logits_to_keep`, which OPT and MPT ignore.
    """
    hidden = language.base_model(**inputs).last_hidden_state
    return language.get_output_embeddings()(hidden[:, -keep:])


@dataclass
class TokenLoss:
    """Negative log-likelihood of the supervised tokens, summed over them (`total`), and their number (`tokens`)."""

    total: torch.Tensor
    tokens: torch.Tensor


def unsupervised_prefix(labels: torch.Tensor) -> int:
    """Return how many leading positions of (batch, length) labels have no supervised next token in any row."""
    supervised = (labels != IGNORED).any(dim=0)
    return max(0, int(supervised.int().argmax()) - 1)


def token_loss(logits: torch.Tensor, labels: torch.Tensor) -> TokenLoss:
    """Compute the next-token loss on supervised tokens (paper Eq. 1).

    Args:
        logits: (batch, length, vocabulary).
        labels: (batch, length), `IGNORED` where nothing is learned.

    Raises:
        ValueError: if a sample has no supervised token: it would count as trained on without a gradient.
    """
    shifted = labels[:, 1:]
    supervised = shifted != IGNORED
    if not bool(supervised.any(dim=1).all()):
        rows = (~supervised.any(dim=1)).nonzero().flatten().tolist()
        raise ValueError(f"rows {rows} of the batch have no supervised token")
    losses = functional.cross_entropy(logits[:, :-1][supervised].float(), shifted[supervised], reduction="sum")
    return TokenLoss(losses, supervised.sum())


def sequence_log_probabilities(logits: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute the sum and the mean log-probability in nats of each row's supervised tokens.

    SEED-Bench ranks choices by likelihood; upstream code differs in summing or averaging over tokens.

    Args:
        logits: (batch, length, vocabulary).
        labels: (batch, length), `IGNORED` on tokens that do not count.

    Returns:
        (batch,) sums and (batch,) means, in float32.
    """
    shifted = labels[:, 1:]
    supervised = shifted != IGNORED
    rows, _ = supervised.nonzero(as_tuple=True)
    chosen = logits[:, :-1][supervised].float()
    log_probabilities = -functional.cross_entropy(chosen, shifted[supervised], reduction="none")
    sums = log_probabilities.new_zeros(len(labels)).index_add(0, rows, log_probabilities)
    return sums, sums / supervised.sum(dim=1)
