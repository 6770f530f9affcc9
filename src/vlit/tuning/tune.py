"""One tuning run: hyperparameters, the Lightning trainer that applies them, and resuming from the last checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L

from vlit.common.errors import InputError
from vlit.common.resolvers import check_global_batch
from vlit.data.dataset import InstructionDataset
from vlit.models.family import VisionLanguageModel
from vlit.models.loading import read_checkpoint
from vlit.runs import attempt
from vlit.runs.folder import RunFolder
from vlit.tuning.callbacks import Checkpoint, Progress, StepMetrics, before_last
from vlit.tuning.data import InstructionData
from vlit.tuning.module import PREFIX, GroupMaker, InstructionTuning, OptimizerMaker, ScheduleMaker, check_trained

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TuningSpec:
    """Hyperparameters of tuning (Tables 6-8 at paper scale).

    Attributes:
        epochs: passes over the data.
        max_steps: optimiser steps after which a run stops, -1 for no limit.
        batch_size: samples per batch and process.
        accumulation: batches per optimiser step and process.
        max_length: largest number of tokens of a sample, images included.
        workers: loader processes.
        precision: Lightning's name of the precision (`32-true`, `16-mixed`, `bf16-mixed`).
        gradient_clip: largest norm of the gradient, None for no clipping.
        save_every: optimiser steps between two checkpoints.
        optimizer: makes the optimiser of parameter groups.
        groups: makes the parameter groups of the model.
        schedule: makes the learning-rate schedule of the optimiser.
        global_batch: samples per optimiser step over all processes, which the other settings must make; None accepts
            whatever they make.
        samples_per_epoch: open_flamingo's `train_num_samples`; None takes the whole dataset.
        resampled: whether to draw samples with replacement, open_flamingo's `dataset_resampled`.
        loss_multiplier: open_flamingo's factor of the loss whose gradient is taken; the logged loss is without it.
            Adam does not depend on the scale of a gradient, clipping does.

    Raises:
        InputError: if a number is below the least that makes sense.
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
    optimizer: OptimizerMaker
    groups: GroupMaker
    schedule: ScheduleMaker
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
        if self.max_steps == 0:
            raise InputError(
                "tuning.max_steps=0: it is -1 (no limit) or at least 1; data=none scores the untuned model"
            )
        if self.loss_multiplier <= 0:
            raise InputError(f"tuning.loss_multiplier={self.loss_multiplier}: it is above 0")


@dataclass(frozen=True)
class TuningRun:
    """A tuning run without its model and data.

    Attributes:
        spec: hyperparameters.
        trainer: makes the Lightning trainer, with devices and strategy of the configuration.
        loggers: Lightning loggers next to `metrics.jsonl`.
        folder: folder of the run.
        seed: random seed of order and dropout.
    """

    spec: TuningSpec
    trainer: Callable[..., L.Trainer]
    loggers: list[Any]
    folder: RunFolder
    seed: int


def tune(model: VisionLanguageModel, dataset: InstructionDataset, run: TuningRun) -> None:
    """Tune a model in place, from the last checkpoint of the run's folder if there is one.

    Args:
        model: model before tuning.
        dataset: encoded samples.
        run: hyperparameters, trainer and folder.

    Raises:
        InputError: if the global batch is not the configured one, the checkpoint is another model's, or the loss is not
            finite.
    """
    spec, folder = run.spec, run.folder
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
    start = _resumed_from(folder.checkpoint, model)
    sizes = [(part, size) for part, state, size in model.policy.report(model) if state == "trained"]
    log.info(
        "tuning %s parameters (%s) on %d samples%s",
        f"{sum(size for _, size in sizes):,}",
        ", ".join(part for part, _ in sizes),
        len(dataset),
        "" if start is None else f", resumed from {start}",
    )
    with attempt.deferred():
        trainer.fit(module, data, ckpt_path=None if start is None else str(start), weights_only=True)


def _resumed_from(last: Path, model: VisionLanguageModel) -> Path | None:
    """Return the last checkpoint that is whole, or None where there is none at all.

    Raises:
        InputError: if there are some and none is whole, or it is another model's.
    """
    faults = []
    for path in (last, before_last(last)):
        if not path.exists():
            continue
        try:
            found = read_checkpoint(path, mmap=True)
        except InputError as error:
            log.warning("%s", error)
            faults.append(error)
            continue
        check_trained(model, found)
        return path
    if faults:
        raise InputError(f"{faults[0]}; with force=true the run starts again from the beginning")
    return None


def load_trained(model: VisionLanguageModel, checkpoint: Path) -> None:
    """Load the trained parameters of a run's checkpoint into a model.

    Args:
        model: model before tuning.
        checkpoint: file that `tune` wrote.

    Raises:
        InputError: if they are not exactly the parameters that the model's policy trains.
    """
    stored = read_checkpoint(checkpoint)
    check_trained(model, stored)
    model.load_state_dict({name.removeprefix(PREFIX): tensor for name, tensor in stored.items()}, strict=False)
