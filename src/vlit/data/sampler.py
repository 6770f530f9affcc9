"""Length-grouped batches in an order that is a pure function of its arguments, so that a run can be resumed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

from vlit.common.errors import InputError

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
