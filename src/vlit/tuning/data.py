"""Batches for the trainer: length-grouped, the same in a resumed run as in one that was never interrupted."""

from __future__ import annotations

from typing import Any

import lightning as L
from torch.utils.data import DataLoader

from vlit.data.collate import Batch, Item, collate
from vlit.data.dataset import InstructionDataset
from vlit.data.sampler import LengthGroupedSampler


class ResumableLoader(DataLoader[Item]):
    """A loader whose sampler knows where to go on; Lightning asks for the last two methods before it believes so."""

    def __iter__(self) -> Any:
        """Start when the first batch is asked for: worker processes would fetch ahead before `go_on` is called."""
        yield from super().__iter__()

    def state_dict(self) -> dict[str, int]:
        """Nothing: the place is the trainer's own count of batches."""
        return {}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Nothing to do."""


class InstructionData(L.LightningDataModule):
    """The tuning batches of a dataset.

    Args:
        dataset: encoded samples.
        batch_size: samples a batch and process.
        seed: of the order.
        pad_id: padding token.
        workers: loader processes.
        samples: of an epoch, as in `epoch_batches`.
        resampled: as in `epoch_batches`.
    """

    def __init__(
        self,
        dataset: InstructionDataset,
        batch_size: int,
        seed: int,
        pad_id: int,
        workers: int,
        samples: int | None = None,
        resampled: bool = False,
    ) -> None:
        super().__init__()
        self.dataset = dataset
        self.batch_size = batch_size
        self.seed = seed
        self.pad_id = pad_id
        self.workers = workers
        self.samples = samples
        self.resampled = resampled

    def train_dataloader(self) -> ResumableLoader:
        """The batches of an epoch."""
        assert self.trainer is not None
        self.sampler = LengthGroupedSampler(
            self.dataset.lengths,
            self.batch_size,
            self.seed,
            rank=self.trainer.global_rank,
            world_size=self.trainer.world_size,
            samples=self.samples,
            resampled=self.resampled,
        )
        return ResumableLoader(
            self.dataset, batch_sampler=self.sampler, collate_fn=self._collate, num_workers=self.workers
        )

    def go_on(self) -> None:
        """Start with the batch after the last that was trained on.

        To be called when training starts: Lightning asks for the loader before it restores its counts.
        """
        assert self.trainer is not None
        done = self.trainer.fit_loop.epoch_loop.batch_progress.current.ready
        if done >= self.trainer.num_training_batches:
            done = 0  # the checkpoint was written after the last batch of an epoch; this is the next epoch already
        self.sampler.resume(self.trainer.current_epoch, done)

    def _collate(self, items: list[Item]) -> Batch:
        return collate(items, self.pad_id)
