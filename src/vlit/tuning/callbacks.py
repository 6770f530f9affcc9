"""Callbacks of a tuning run: a line of metrics per step, checkpoints written whole, and a progress bar."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import TQDMProgressBar
from lightning.pytorch.plugins.io import TorchCheckpointIO

from vlit.common.files import write_jsonl
from vlit.data.dataset import Batch
from vlit.runs import attempt, owner


class StepMetrics(L.Callback):
    """Appends step, loss, learning rate and tokens per second to a JSON-lines file, one line per optimiser step.

    The loss is the mean over the supervised tokens of all batches of the step.

    Args:
        path: file of the lines. A resumed run first writes those up to its checkpoint, which has them too, so that
            nothing is lost where the file is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._began = 0.0
        self._batches: list[tuple[float, float, float]] = []  # of the step so far: loss, supervised tokens, all tokens
        self._rows: list[dict[str, Any]] = []

    def state_dict(self) -> dict[str, Any]:
        """Return the rows so far."""
        return {"rows": self._rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the rows of a checkpoint."""
        self._rows = state_dict["rows"]

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the lines up to the step at which training starts."""
        if trainer.is_global_zero:
            write_jsonl(self.path, self._rows)

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write all lines once more: a run that only had to be scored may have found its file damaged."""
        if trainer.is_global_zero:
            write_jsonl(self.path, self._rows)

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        """Start the clock of a step."""
        if not self._batches:
            self._began = time.perf_counter()

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: dict[str, torch.Tensor],
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Write the line once the step is whole, also to the configured loggers."""
        self._batches.append((float(outputs["mean"]), float(outputs["supervised"]), float(outputs["tokens"])))
        if not ((batch_idx + 1) % trainer.accumulate_grad_batches == 0 or trainer.is_last_batch):
            return
        losses, supervised, tokens = zip(*self._batches, strict=True)
        self._batches = []
        weighted = sum(loss * number for loss, number in zip(losses, supervised, strict=True)) / sum(supervised)
        row = {
            "step": trainer.global_step,
            "loss": losses[0] if len(losses) == 1 else weighted,
            "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
            "tokens_per_second": round(sum(tokens) / (time.perf_counter() - self._began), 1),
        }
        for logger in trainer.loggers:
            logger.log_metrics({key: value for key, value in row.items() if key != "step"}, step=row["step"])
        if trainer.is_global_zero:
            self._rows.append(row)
            with self.path.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(row) + "\n")


def before_last(checkpoint: Path) -> Path:
    """Return where the checkpoint before the last one is."""
    return checkpoint.with_name(f"before_{checkpoint.name}")


class Checkpoint(L.Callback):
    """Writes the last checkpoint every so many optimiser steps and at the end, whole or not at all.

    While a run trains, the one before it is kept as well: a disk may damage a file that was written whole.

    When SLURM warns of a preemption, it is written at the next step, and the run ends (`Preempted`).

    Args:
        path: checkpoint file.
        every: optimiser steps between two checkpoints.
    """

    def __init__(self, path: Path, every: int) -> None:
        self.path = path
        self.every = every
        self._written = -1

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: dict[str, torch.Tensor],
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Write when due, but only after an optimiser step, since a checkpoint has no accumulated gradients."""
        due = trainer.global_step % self.every == 0 or trainer.fit_loop.epoch_loop.batch_progress.is_last_batch
        stepped = (batch_idx + 1) % trainer.accumulate_grad_batches == 0 or trainer.is_last_batch
        preempted = stepped and _any_process_preempted(trainer)
        if stepped and (due or preempted) and trainer.global_step != self._written:
            self._write(trainer)
        if preempted:
            raise attempt.Preempted

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the last step's checkpoint where `max_steps` ended the run."""
        if trainer.global_step != self._written:
            self._write(trainer)
        if trainer.is_global_zero:
            before_last(self.path).unlink(missing_ok=True)

    def _write(self, trainer: L.Trainer) -> None:
        temporary = self.path.with_name(self.path.name + ".part")
        try:
            trainer.save_checkpoint(temporary)  # every process takes part
            if trainer.is_global_zero:
                if self.path.exists():
                    self.path.replace(before_last(self.path))
                temporary.replace(self.path)
        finally:
            if trainer.is_global_zero:
                temporary.unlink(missing_ok=True)
        self._written = trainer.global_step


class CheckpointFile(TorchCheckpointIO):
    """Reads checkpoints as Lightning does and writes them directly: `Checkpoint` makes the file whole or not at all."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write a checkpoint file.

        Raises:
            OSError: if the disk is full, for instance; torch reports that as a `RuntimeError` without the cause.
        """
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        try:
            with Path(path).open("wb") as file:
                torch.save(checkpoint, file)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):
                raise OSError(error.__context__.errno, error.__context__.strerror, str(path)) from None
            raise


class Progress(TQDMProgressBar):
    """Lightning's bar (steps per second, time left) with the loss in it.

    It is off where `TQDM_DISABLE` is set, as in the runs of a sweep, which has a bar of its own.
    """

    def __init__(self) -> None:
        super().__init__(refresh_rate=0 if os.environ.get("TQDM_DISABLE") else 1)

    def get_metrics(self, trainer: L.Trainer, pl_module: L.LightningModule) -> dict[str, Any]:
        """Return Lightning's metrics without the version number that it invents for a run."""
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: dict[str, torch.Tensor],
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Show the loss."""
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        self.train_progress_bar.set_postfix(loss=f"{float(outputs['mean']):.3f}")


def _any_process_preempted(trainer: L.Trainer) -> bool:
    """Decide with all processes: they have to stop at one step, but the signal reaches them at different ones."""
    if trainer.world_size > 1 and owner.slurm_job():
        return trainer.strategy.reduce_boolean_decision(attempt.preemption_requested(), all=False)
    return attempt.preemption_requested()
