"""Samples as a torch dataset: text is encoded and images are decoded when asked for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from vlit.common.errors import InputError
from vlit.data.collate import Item
from vlit.data.encode import Encoder, NoSupervisedToken, UnusableText
from vlit.data.rejects import Rejects
from vlit.data.sample import Sample
from vlit.data.templates import Template

log = logging.getLogger(__name__)

ImageTransform = Callable[[Image.Image], Tensor]  # RGB image -> (3, H, W)


class InstructionDataset(Dataset[Item]):
    """Encoded samples by number.

    Every text is encoded once at the start, to know the lengths and to set aside what can't be tuned on: a sample with
    no supervised token within `max_length`, say. Only the lengths are kept; workers encode again.

    Attributes:
        samples: the samples kept.
        lengths: tokens of each, after cutting.
        truncated: how many were cut to the encoder's `max_length`.
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
        for sample in samples:
            self._admit(sample, rejects)
        if not self.samples:
            raise InputError(f"none of {len(samples)} samples can be tuned on: {rejects.summary()}")
        log.info("%d samples encoded, %d of them cut to %d tokens", len(self), self.truncated, encoder.max_length)

    def __len__(self) -> int:
        return len(self.samples)

    def length_of(self, index: int) -> int:
        """Tokens of a sample, images included."""
        return self.lengths[index]

    def __getitem__(self, index: int) -> Item:
        """Encode a sample and decode its images.

        Raises:
            InputError: naming the sample, if an image has become unreadable since it was checked.
        """
        sample = self.samples[index]
        encoded = self.encoder.training(self.template.render(sample), sample.id)
        try:
            pictures = [self.image_transform(image.load()) for image in sample.images[: encoded.images]]
        except OSError as error:
            raise InputError(f"sample {sample.id}: {error}: put the image back, or read the dataset again") from None
        return Item(sample.id, encoded.input_ids, encoded.labels, torch.stack(pictures) if pictures else None)

    def _admit(self, sample: Sample, rejects: Rejects) -> None:
        try:
            encoded = self.encoder.training(self.template.render(sample), sample.id)
        except NoSupervisedToken as error:
            rejects.add(sample.id, "no supervised token", str(error))
            return
        except UnusableText as error:
            rejects.add(sample.id, "unusable text", str(error))
            return
        self.samples.append(sample)
        self.lengths.append(len(encoded.input_ids))
        self.truncated += encoded.truncated
