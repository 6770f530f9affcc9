"""Tuning batches for the trainer: length-grouped, and the same in a resumed run as in an uninterrupted one."""

from __future__ import annotations

from collections.abc import Iterator

import lightning as L
from torch.utils.data import DataLoader

from vlit.data.collate import Batch, Item, collate
from vlit.data.dataset import InstructionDataset
from vlit.data.sampler import LengthGroupedSampler


class ResumableLoader(DataLoader[Item]):
    """A loader whose sampler can start within an epoch; its state methods are what Lightning recognises that by."""

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        """Yield batches; worker processes start at the first one, not earlier, so that `resume` precedes them."""
        yield from super().__iter__()

    def state_dict(self) -> dict[str, int]:
        """Return nothing: the trainer's own count of batches is the state."""
        return {}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Do nothing, as there is no state."""


class InstructionData(L.LightningDataModule):
    """Tuning batches of a dataset.

    Args:
        dataset: encoded samples.
        batch_size: samples per batch and process.
        seed: random seed of the order.
        pad_id: id of the padding token.
        workers: loader processes.
        samples: samples per epoch, as in `epoch_batches`.
        resampled: whether to draw with replacement, as in `epoch_batches`.
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
        """Return the loader of this process's batches."""
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

    def resume(self) -> None:
        """Start with the batch after the last that was trained on.

        Called when training starts, as Lightning asks for the loader before it restores its counts.
        """
        assert self.trainer is not None
        done = self.trainer.fit_loop.epoch_loop.batch_progress.current.ready
        if done >= self.trainer.num_training_batches:
            done = 0  # the checkpoint was written after the last batch of an epoch; this is the next epoch already
        self.sampler.resume(self.trainer.current_epoch, done)

    def _collate(self, items: list[Item]) -> Batch:
        return collate(items, self.pad_id)
