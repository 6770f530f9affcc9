"""Samples as a torch dataset: lengths are known at once, texts are encoded and images decoded on access."""

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
        for sample in samples:
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
            rejects.add(sample.id, "no supervised token", str(error))
            return
        except UnusableText as error:
            rejects.add(sample.id, "unusable text", str(error))
            return
        self.samples.append(sample)
        self.lengths.append(len(encoded.input_ids))
        self.truncated += encoded.truncated
