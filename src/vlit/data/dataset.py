"""Encoded samples as a torch dataset, and batches of them: text is encoded and images are decoded when asked for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Literal

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from vlit.common.errors import InputError
from vlit.common.progress import progress
from vlit.data.encode import IGNORED, Encoder, NoSupervisedToken, UnusableText
from vlit.data.sample import Rejects, Sample
from vlit.data.templates import Template


@dataclass(frozen=True)
class Item:
    """One encoded sample with its images.

    Attributes:
        sample_id: id of the sample.
        input_ids: T token ids.
        labels: T labels, as in `Encoded`.
        pixel_values: (images, 3, height, width), None without images.
    """

    sample_id: str
    input_ids: list[int]
    labels: list[int]
    pixel_values: Tensor | None


@dataclass
class Batch:
    """B padded samples of T tokens.

    Attributes:
        sample_ids: ids of the samples.
        input_ids: (B, T) int64.
        attention_mask: (B, T) int64, 0 on padding.
        labels: (B, T) int64, `IGNORED` where nothing is learned, as on all padding.
        pixel_values: (all images, 3, height, width), in the order of the samples; (0, 3, 0, 0) without images.
        image_counts: (B,) int64, images per sample.
    """

    sample_ids: list[str]
    input_ids: Tensor
    attention_mask: Tensor
    labels: Tensor
    pixel_values: Tensor
    image_counts: Tensor

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Batch:
        """Copy the tensors to a device."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Batch:
        """Pin the tensors; torch's loader calls this."""
        return self._map(lambda tensor: tensor.pin_memory())

    def _map(self, change: Callable[[Tensor], Tensor]) -> Batch:
        tensors = {field.name: change(getattr(self, field.name)) for field in fields(self)[1:]}
        return Batch(self.sample_ids, **tensors)


def collate(items: Sequence[Item], pad_id: int, side: Literal["left", "right"] = "right") -> Batch:
    """Pad items to the longest: on the right to tune, on the left to generate or to extend.

    Args:
        items: encoded samples, at least one.
        pad_id: id of the padding token.
        side: side on which shorter items are padded.
    """
    length = max(len(item.input_ids) for item in items)
    images = [item.pixel_values for item in items if item.pixel_values is not None]
    return Batch(
        sample_ids=[item.sample_id for item in items],
        input_ids=torch.tensor([_pad(item.input_ids, length, pad_id, side) for item in items]),
        attention_mask=torch.tensor([_pad([1] * len(item.input_ids), length, 0, side) for item in items]),
        labels=torch.tensor([_pad(item.labels, length, IGNORED, side) for item in items]),
        pixel_values=torch.cat(images) if images else torch.zeros(0, 3, 0, 0),
        image_counts=torch.tensor([0 if item.pixel_values is None else len(item.pixel_values) for item in items]),
    )


def _pad(row: list[int], length: int, value: int, side: Literal["left", "right"]) -> list[int]:
    padding = [value] * (length - len(row))
    return padding + row if side == "left" else row + padding


log = logging.getLogger(__name__)

ImageTransform = Callable[[Image.Image], Tensor]  # RGB image -> (3, height, width)


class InstructionDataset(Dataset[Item]):
    """Encoded samples by index.

    Every text is encoded once at the start, for its length and to set aside what cannot be tuned on (a sample without a
    supervised token within `max_length`, for instance). Only lengths are kept; loader processes encode again.

    Args:
        samples: samples to tune on.
        template: prompt format of the model family.
        encoder: encoder of the model.
        image_transform: image preprocessing of the model.
        rejects: receives the samples that are set aside.

    Attributes:
        samples: samples that can be tuned on.
        lengths: tokens of each, images included, after cutting.
        truncated: number of samples cut to the encoder's `max_length`.

    Raises:
        InputError: if no sample can be tuned on.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        template: Template,
        encoder: Encoder,
        image_transform: ImageTransform,
        rejects: Rejects,
    ) -> None:
        self.template = template
        self.encoder = encoder
        self.image_transform = image_transform
        self.samples: list[Sample] = []
        self.lengths: list[int] = []
        self.truncated = 0
        for sample in progress(samples, "encoding", "sample"):
            self._add(sample, rejects)
        if not self.samples:
            raise InputError(f"none of {len(samples)} samples can be tuned on: {rejects.summary()}")
        log.info("encoded %d samples, %d of them cut to %d tokens", len(self), self.truncated, encoder.max_length)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Item:
        """Encode a sample and decode its images.

        Raises:
            InputError: naming the sample, if an image has become unreadable since it was checked.
        """
        sample = self.samples[index]
        encoded = self.encoder.training(self.template.render(sample), sample.id)
        try:
            pixels = [self.image_transform(image.load()) for image in sample.images[: encoded.images]]
        except OSError as error:
            raise InputError(f"sample {sample.id}: {error}: put the image back, or read the dataset again") from None
        return Item(sample.id, encoded.input_ids, encoded.labels, torch.stack(pixels) if pixels else None)

    def _add(self, sample: Sample, rejects: Rejects) -> None:
        try:
            encoded = self.encoder.training(self.template.render(sample), sample.id)
        except NoSupervisedToken as error:
            rejects.add(sample.id, "no supervised token", str(error), place=sample.place)
            return
        except UnusableText as error:
            rejects.add(sample.id, "unusable text", str(error), place=sample.place)
            return
        self.samples.append(sample)
        self.lengths.append(len(encoded.input_ids))
        self.truncated += encoded.truncated
        if encoded.truncated:
            unseen = len(sample.images) - encoded.images
            images = f"; {unseen} of {len(sample.images)} images are not shown" if unseen else ""
            detail = f"{encoded.lost} of {len(encoded.input_ids) + encoded.lost} tokens{images}"
            rejects.add_part(sample.id, f"cut to max_length={self.encoder.max_length}", detail, place=sample.place)
