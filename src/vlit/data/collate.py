"""From encoded samples to one padded batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import torch
from torch import Tensor

from vlit.data.encode import IGNORED


@dataclass(frozen=True)
class Item:
    """One encoded sample with its images.

    Attributes:
        sample_id: names the sample.
        input_ids: token ids.
        labels: as long as `input_ids`.
        pixel_values: (images, 3, H, W), None without images.
    """

    sample_id: str
    input_ids: list[int]
    labels: list[int]
    pixel_values: Tensor | None


@dataclass
class Batch:
    """A batch.

    Attributes:
        sample_ids: names the samples.
        input_ids: (B, T) int64.
        attention_mask: (B, T) int64, 0 on padding.
        labels: (B, T) int64, -100 where nothing is learned, as on all padding.
        pixel_values: (all images, 3, H, W), those of the first sample first; (0, 3, 0, 0) without images.
        image_counts: (B,) int64; images of each sample.
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
        """Pin the tensors; the loader calls this."""
        return self._map(lambda tensor: tensor.pin_memory())

    def _map(self, change: Any) -> Batch:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return Batch(**{key: change(value) if isinstance(value, Tensor) else value for key, value in values.items()})


def collate(items: Sequence[Item], pad_id: int, side: Literal["left", "right"] = "right") -> Batch:
    """Pad to the longest sample: on the right to tune, on the left to generate."""
    length = max(len(item.input_ids) for item in items)
    pictures = [item.pixel_values for item in items if item.pixel_values is not None]
    return Batch(
        sample_ids=[item.sample_id for item in items],
        input_ids=torch.tensor([_pad(item.input_ids, length, pad_id, side) for item in items]),
        attention_mask=torch.tensor([_pad([1] * len(item.input_ids), length, 0, side) for item in items]),
        labels=torch.tensor([_pad(item.labels, length, IGNORED, side) for item in items]),
        pixel_values=torch.cat(pictures) if pictures else torch.zeros(0, 3, 0, 0),
        image_counts=torch.tensor([0 if item.pixel_values is None else len(item.pixel_values) for item in items]),
    )


def _pad(row: list[int], length: int, value: int, side: Literal["left", "right"]) -> list[int]:
    padding = [value] * (length - len(row))
    return padding + row if side == "left" else row + padding
