"""Make what a command needs and the scale can make: the `prepare` steps of the configuration."""

from __future__ import annotations

from pathlib import Path

from hydra.utils import instantiate
from omegaconf import DictConfig

from vlit.common.files import locked


def prepare(cfg: DictConfig) -> None:
    """Make missing weights and datasets: the scale's `prepare` steps, and the dose where that is the dataset.

    Commands that start together, as in a sweep, wait for the first to make them.
    """
    steps = [*cfg.prepare, *([cfg.dose] if "dose" in cfg else [])]
    if steps:
        with locked(Path(cfg.paths.cache) / "preparing.lock"):
            for step in steps:
                instantiate(step)
