"""How Lightning writes a checkpoint here: straight to its place.

Lightning's own way makes the file in memory, then in the system's folder for temporary files, then moves it: a 7B model
needs its size twice more, on a disk that nobody meant, and what is left there when that disk is full stays there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO


class CheckpointFile(TorchCheckpointIO):
    """Reads as Lightning does and writes without detours; `callbacks.Checkpoint` makes it whole or not at all."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write the file.

        Raises:
            OSError: what the system said, such as a disk that is full. torch hides it behind an error of its own.
        """
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        try:
            with Path(path).open("wb") as file:
                torch.save(checkpoint, file)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):
                raise OSError(error.__context__.errno, error.__context__.strerror, str(path)) from None
            raise
