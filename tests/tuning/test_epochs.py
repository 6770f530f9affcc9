"""The order of several epochs: another in each, and the same in a run that was stopped anywhere, also between two."""

from __future__ import annotations

import itertools
from contextlib import suppress
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch

from vlit.tuning.data import InstructionData

SAMPLES, BATCH, STEPS = 11, 4, 11  # 3 batches an epoch


class Numbers(torch.utils.data.Dataset):
    lengths = (1,) * SAMPLES

    def __getitem__(self, index: int) -> int:
        return index


class Data(InstructionData):
    def _collate(self, items: list[Any]) -> Any:
        return torch.tensor(items)


class Noting(L.LightningModule):
    """Notes its batches, and stops after a step as a killed run does: with a checkpoint of that step and no more."""

    def __init__(self, stop: int | None, checkpoint: Path) -> None:
        super().__init__()
        self.weight = torch.nn.Linear(1, 1)
        self.stop = stop
        self.checkpoint = checkpoint
        self.seen: list[list[int]] = []

    def on_train_start(self) -> None:
        self.trainer.datamodule.resume()

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        self.seen.append(batch.tolist())
        return self.weight(batch[:1, None].float()).sum()

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self.trainer.global_step == self.stop:
            self.trainer.save_checkpoint(self.checkpoint)
            raise InterruptedError

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 1e-9)


def seen(checkpoint: Path, workers: int, stop: int | None = None) -> list[list[int]]:
    trainer = L.Trainer(
        accelerator="cpu", devices=1, max_epochs=100, max_steps=STEPS, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, use_distributed_sampler=False,
    )  # fmt: skip
    module = Noting(stop, checkpoint)
    data = Data(Numbers(), BATCH, 0, 0, workers)  # type: ignore[arg-type]
    start = str(checkpoint) if checkpoint.exists() else None
    with suppress(InterruptedError):
        trainer.fit(module, data, ckpt_path=start, weights_only=False)
    return module.seen


def test_epochs_have_different_orders_of_all_samples(tmp_path: Path) -> None:
    batches = seen(tmp_path / "none", 0)
    epochs = [batches[start : start + 3] for start in (0, 3, 6)]
    assert all(sorted(itertools.chain(*epoch)) == list(range(SAMPLES)) for epoch in epochs)
    assert len({str(epoch) for epoch in epochs}) == 3


@pytest.mark.parametrize(("stop", "workers"), [(1, 0), (2, 0), (3, 0), (4, 0), (6, 0), (2, 1), (3, 1)])
def test_a_run_of_several_epochs_resumes_with_the_next_batch(stop: int, workers: int, tmp_path: Path) -> None:
    checkpoint = tmp_path / "last.ckpt"
    before = seen(checkpoint, workers, stop)
    assert before + seen(checkpoint, workers) == seen(tmp_path / "none", 0)
