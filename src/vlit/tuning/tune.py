"""One tuning run: a Lightning trainer from the configuration, checkpoints, and going on where a killed run stopped."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import torch

from vlit.common.errors import InputError
from vlit.common.resolvers import check_global_batch
from vlit.data.dataset import InstructionDataset
from vlit.runs.attempt import deferred
from vlit.runs.folder import RunFolder
from vlit.tuning.callbacks import Checkpoint, Progress, StepMetrics
from vlit.tuning.data import InstructionData
from vlit.tuning.module import InstructionTuning

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TuningSpec:
    """Hyperparameters (Tables 6-8 at paper scale).

    Attributes:
        epochs: passes over the data.
        max_steps: optimiser steps to stop after, -1 for none.
        batch_size: samples a batch and process.
        accumulation: batches an optimiser step.
        max_length: most tokens of a sample, images included.
        workers: loader processes.
        precision: as Lightning names it.
        gradient_clip: largest norm of the gradient, None for none.
        save_every: optimiser steps between two checkpoints.
        optimizer: parameter groups -> optimiser.
        groups: model -> parameter groups.
        schedule: (total_steps, steps_per_epoch) -> factor of the rate by step.
        global_batch: samples an optimiser step over all processes; None takes what the others make.
        samples_per_epoch: open_flamingo's `train_num_samples`; None takes the whole dataset.
        resampled: draw each sample anew from the whole dataset, open_flamingo's `dataset_resampled`.
        loss_multiplier: open_flamingo's: of the loss that is derived, not of the one that is told. Adam does not notice
            the size of a gradient, clipping does.
    """

    epochs: int
    max_steps: int
    batch_size: int
    accumulation: int
    max_length: int
    workers: int
    precision: str
    gradient_clip: float | None
    save_every: int
    optimizer: Callable[..., Any]
    groups: Callable[..., Any]
    schedule: Callable[..., Any]
    global_batch: int | None = None
    samples_per_epoch: int | None = None
    resampled: bool = False
    loss_multiplier: float = 1.0

    def __post_init__(self) -> None:
        least = {"epochs": 1, "max_steps": -1, "batch_size": 1, "accumulation": 1, "max_length": 1, "workers": 0}
        for name, lowest in {**least, "save_every": 1}.items():
            value = getattr(self, name)
            if not isinstance(value, int) or value < lowest:
                raise InputError(f"tuning.{name}={value}: it is a whole number, at least {lowest}")
        if self.loss_multiplier <= 0:
            raise InputError(f"tuning.loss_multiplier={self.loss_multiplier}: it is above 0")


@dataclass(frozen=True)
class TuningRun:
    """Where and how a run is tuned.

    Attributes:
        spec: hyperparameters.
        trainer: makes the Lightning trainer (devices and strategy are its configuration).
        loggers: Lightning loggers, besides `metrics.jsonl`.
        folder: of the run.
        seed: of order and dropout.
    """

    spec: TuningSpec
    trainer: Callable[..., L.Trainer]
    loggers: list[Any]
    folder: RunFolder
    seed: int


def tune(model: Any, dataset: InstructionDataset, run: TuningRun) -> None:
    """Tune a `VisionLanguageModel` in place, from the last checkpoint of the run's folder if there is one."""
    spec, folder = run.spec, run.folder
    for part, state, size in model.policy.report(model):
        log.info("%-16s %-8s %12d parameters", part, state, size)
    module = InstructionTuning(model, spec.optimizer, spec.groups, spec.schedule, run.seed, spec.loss_multiplier)
    data = InstructionData(
        dataset,
        spec.batch_size,
        run.seed,
        model.tokenizer.pad_token_id,
        spec.workers,
        samples=spec.samples_per_epoch,
        resampled=spec.resampled,
    )
    trainer = run.trainer(
        max_epochs=spec.epochs,
        max_steps=spec.max_steps,
        accumulate_grad_batches=spec.accumulation,
        gradient_clip_val=spec.gradient_clip,
        precision=spec.precision,
        callbacks=[StepMetrics(folder.metrics), Checkpoint(folder.checkpoint, spec.save_every), Progress()],
        logger=run.loggers or False,
        default_root_dir=str(folder.path),
    )
    if spec.global_batch is not None:
        check_global_batch(spec.global_batch, spec.batch_size, spec.accumulation, trainer.world_size)
    start = folder.checkpoint if folder.checkpoint.exists() else None
    if start is not None:
        log.info("going on from %s", start)
        module.check_names(torch.load(start, map_location="cpu", mmap=True, weights_only=False)["state_dict"])
    with deferred():
        trainer.fit(module, data, ckpt_path=None if start is None else str(start), weights_only=False)


def restore(model: Any, checkpoint: Path) -> None:
    """Put the trained parameters of a checkpoint into a model.

    Raises:
        InputError: if they are not exactly the parameters that the model's policy trains.
    """
    module = InstructionTuning(model, lambda groups: None, lambda model: [], lambda **sizes: lambda step: 1.0, 0)  # type: ignore[arg-type, return-value]
    stored = torch.load(checkpoint, map_location="cpu", weights_only=False)
    module.check_names(stored["state_dict"])
    module.load_state_dict(stored["state_dict"], strict=False)
