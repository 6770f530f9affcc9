"""Batches for the trainer: of similar length, in an order that depends on nothing but its arguments, and resumable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import lightning as L
import numpy as np
from torch.utils.data import DataLoader, Sampler

from vlit.common.errors import InputError
from vlit.data.dataset import Batch, InstructionDataset, Item, collate

WINDOW = 50  # global batches in a window; samples are sorted by length within one random window


def epoch_batches(
    lengths: Sequence[int],
    *,
    batch_size: int,
    world_size: int,
    seed: int,
    epoch: int,
    samples: int | None = None,
    resampled: bool = False,
) -> list[list[int]]:
    """Return the global batches of one epoch, each of `batch_size * world_size` indices into `lengths`.

    Every index occurs once, unless `samples` or `resampled` changes that. The last batch formed may be smaller; one
    with fewer samples than ranks joins another, so that all ranks take the same number of steps.

    Args:
        lengths: tokens of each sample.
        batch_size: samples per batch and rank.
        world_size: number of ranks.
        seed: random seed of the order.
        epoch: number of the epoch; each has an order of its own.
        samples: samples per epoch, open_flamingo's `train_num_samples`; None takes all of them.
        resampled: draw with replacement, open_flamingo's `dataset_resampled` (which draws whole files of samples):
            some samples occur twice in an epoch, some not at all.

    Raises:
        InputError: if there are fewer samples than ranks, or `samples` exceeds their number without `resampled`.
    """
    size = batch_size * world_size
    count = len(lengths) if samples is None else samples
    if not resampled and count > len(lengths):
        raise InputError(
            f"tuning.samples_per_epoch={count} of {len(lengths)} samples: set tuning.resampled=true to draw some twice"
        )
    if not lengths or count < world_size:
        raise InputError(f"{count} samples are too few for {world_size} ranks of batch size {batch_size}")
    rng = np.random.default_rng([seed, epoch])
    if resampled:
        order = rng.integers(len(lengths), size=count).tolist()
    else:
        order = rng.permutation(len(lengths))[:count].tolist()
    batches = []
    for start in range(0, len(order), size * WINDOW):
        window = sorted(order[start : start + size * WINDOW], key=lambda index: -lengths[index])
        batches += [window[at : at + size] for at in range(0, len(window), size)]
    if len(batches[-1]) < world_size:
        remainder = batches.pop()
        batches[-1] = batches[-1] + remainder
    return [batches[number] for number in rng.permutation(len(batches))]


class LengthGroupedSampler(Sampler[list[int]]):
    """One rank's part of the global batches, as the `batch_sampler` of a loader.

    Args:
        lengths: tokens of each sample.
        batch_size: samples per batch and rank.
        seed: random seed of the order.
        rank: number of this process, below `world_size`.
        world_size: number of processes; in each step they take disjoint parts of one global batch.
        samples: samples per epoch, as in `epoch_batches`.
        resampled: whether to draw with replacement, as in `epoch_batches`.

    Raises:
        InputError: if the batch size is below 1 or the rank is not below the world size.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        batch_size: int,
        seed: int,
        *,
        rank: int = 0,
        world_size: int = 1,
        samples: int | None = None,
        resampled: bool = False,
    ) -> None:
        if batch_size < 1 or not 0 <= rank < world_size:
            raise InputError(f"batch_size={batch_size}, rank={rank}, world_size={world_size} do not fit together")
        self.lengths = list(lengths)
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.samples = samples
        self.resampled = resampled
        self.sampler = self  # Lightning calls `set_epoch` on the `sampler` of a batch sampler, not on the batch sampler
        self.epoch = 0
        self.skip = 0

    def set_epoch(self, epoch: int) -> None:
        """Start an epoch at its first batch; the current epoch keeps the batch it was resumed at."""
        if epoch != self.epoch:
            self.resume(epoch, 0)

    def resume(self, epoch: int, batch: int) -> None:
        """Start an epoch at its batch number `batch`, counted from 0."""
        self.epoch = epoch
        self.skip = batch

    def __len__(self) -> int:
        """Return the number of batches left in this epoch."""
        return max(0, len(self._batches()) - self.skip)

    def __iter__(self) -> Iterator[list[int]]:
        for batch in self._batches()[self.skip :]:
            yield batch[self.rank :: self.world_size]

    def _batches(self) -> list[list[int]]:
        return epoch_batches(
            self.lengths,
            batch_size=self.batch_size,
            world_size=self.world_size,
            seed=self.seed,
            epoch=self.epoch,
            samples=self.samples,
            resampled=self.resampled,
        )


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
