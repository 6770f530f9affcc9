"""From an RGB image to what a vision encoder reads, as each upstream project prepares it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from PIL import Image
from torchvision.transforms.functional import InterpolationMode, center_crop, normalize, resize, to_tensor

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class ImageTransform:
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
