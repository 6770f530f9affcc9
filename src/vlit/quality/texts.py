"""What the indicators read of a sample: its supervised turns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vlit.data.sample import Sample


class Encode(Protocol):
    """A sentence encoder: texts -> unit vectors (n, width). `key` names model and settings."""

    key: str

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode texts."""


def instructions(sample: Sample) -> list[str]:
    """The instructions of the supervised turns (in-context examples belong to other samples)."""
    return [turn.instruction for turn in sample.turns if turn.supervised]


def responses(sample: Sample) -> str:
    """The responses of the supervised turns, one after another."""
    return " ".join(turn.response for turn in sample.turns if turn.supervised)
