"""What a run tells while it trains: `metrics.jsonl`, one line a step, and a bar with rate and time left."""

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

from vlit.common.files import read_jsonl, write_jsonl
from vlit.runs import owner
from vlit.runs.attempt import Preempted, preemption_requested


class StepMetrics(L.Callback):
    """Append step, loss, learning rate and token rate to a JSONL file; a resumed run cuts what it will write again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._began = 0.0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Keep the lines before the step at which training starts."""
        if not trainer.is_global_zero:
            return
        kept = [row for row in _whole_lines(self.path) if row["step"] <= trainer.global_step]
        write_jsonl(self.path, kept)

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Start the clock."""
        self._began = time.perf_counter()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write the line."""
        row = {
            "step": trainer.global_step,
            "loss": float(outputs["mean"]),
            "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
            "tokens_per_second": round(float(outputs["tokens"]) / (time.perf_counter() - self._began), 1),
        }
        for logger in trainer.loggers:
            logger.log_metrics({key: value for key, value in row.items() if key != "step"}, step=row["step"])
        if trainer.is_global_zero:
            with self.path.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(row) + "\n")


class Checkpoint(L.Callback):
    """Write the last checkpoint every so many optimiser steps and at the end, whole or not at all.

    When SLURM asks a run to stop it is written at the next step, and the run ends (`Preempted`).
    """

    def __init__(self, path: Path, every: int) -> None:
        self.path = path
        self.every = every
        self._written = -1

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write when due: only after an optimiser step, since gradients in the making are not kept."""
        due = trainer.global_step % self.every == 0 or trainer.fit_loop.epoch_loop.batch_progress.is_last_batch
        stepped = (batch_idx + 1) % trainer.accumulate_grad_batches == 0 or trainer.is_last_batch
        preempted = stepped and _any_process_asked(trainer)
        if stepped and (due or preempted) and trainer.global_step != self._written:
            self._write(trainer)
        if preempted:
            raise Preempted

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write what `max_steps` cut short."""
        if trainer.global_step != self._written:
            self._write(trainer)

    def _write(self, trainer: L.Trainer) -> None:
        temporary = self.path.with_name(self.path.name + ".part")
        try:
            trainer.save_checkpoint(temporary)  # every process takes part
            if trainer.is_global_zero:
                temporary.replace(self.path)
        finally:
            if trainer.is_global_zero:
                temporary.unlink(missing_ok=True)
        self._written = trainer.global_step


class Progress(TQDMProgressBar):
    """Lightning's bar (steps a second, time left) with the loss in it, and no validation bars.

    Like every bar of tqdm's it is off where `TQDM_DISABLE` is set: in the runs of a sweep that has a bar of its own.
    """

    def __init__(self) -> None:
        super().__init__(refresh_rate=0 if os.environ.get("TQDM_DISABLE") else 1)

    def get_metrics(self, trainer: L.Trainer, pl_module: L.LightningModule) -> dict[str, Any]:
        """Only what we log ourselves."""
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Show the loss."""
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        self.train_progress_bar.set_postfix(loss=f"{float(outputs['mean']):.3f}")


def _any_process_asked(trainer: L.Trainer) -> bool:
    """All processes have to stop at one step, but the signal finds them at different ones."""
    if trainer.world_size > 1 and owner.slurm_job():
        return trainer.strategy.reduce_boolean_decision(preemption_requested(), all=False)
    return preemption_requested()


def _whole_lines(path: Path) -> list[Any]:
    """The lines of a file whose last one may have been cut off by a kill."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    if not text.endswith("\n"):
        write_jsonl(path, [json.loads(line) for line in text.splitlines()[:-1]])
    return read_jsonl(path)


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
