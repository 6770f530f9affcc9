"""The one sample type that flows from here to the right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from PIL import Image


class ImageSource(Protocol):
    """Anything that gives an image: a file, a member of a zip, a base64 string."""

    @property
    def key(self) -> str:
        """Names the image's content: equal keys are the same image. Raises `OSError` when that can't be told."""

    def load(self) -> Image.Image:
        """Decode to RGB. Raises `OSError` when it can't be read."""


@dataclass(frozen=True)
class Turn:
    """An instruction and its response. `images` says how many of the sample's images come right before it."""

    instruction: str
    response: str
    images: int = 0
    supervised: bool = True  # False for an in-context example: read, not learned from


@dataclass(frozen=True)
class Sample:
    """One conversation about its images (paper section 3.1: image X_v, instruction X_c, response X_a)."""

    id: str
    images: tuple[ImageSource, ...]
    turns: tuple[Turn, ...]
    source_id: str = ""  # the image's or instruction's id in the file it came from
    task: str = ""  # conversation, detailed_description, complex_reasoning, global, negative, region ...
