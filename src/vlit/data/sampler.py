"""Batches of similar length in an order that depends on nothing but its arguments, so that a run can be resumed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

from vlit.common.errors import InputError

WINDOW = 50  # batches; samples are sorted by length within a random window of so many


def epoch_batches(
    lengths: Sequence[int],
    *,
    batch_size: int,
    world_size: int,
    seed: int,
    epoch: int,
    drop_last: bool = False,
    samples: int | None = None,
    resampled: bool = False,
) -> list[list[int]]:
    """Order one epoch: a list of global batches, each of `batch_size * world_size` indices into `lengths`.

    Every index occurs once, unless `samples` or `resampled` says otherwise. The last batch formed may be smaller
    (`drop_last` leaves it out); one too small to give every rank a sample joins another, so that all ranks take equally
    many steps.

    Args:
        lengths: tokens of each sample.
        batch_size: samples a batch and rank.
        world_size: number of ranks.
        seed: of the order.
        epoch: its number; each has another order.
        drop_last: leave out the last, smaller batch.
        samples: an epoch has so many, open_flamingo's `train_num_samples`; None takes all there are.
        resampled: draw each sample from all of them again, open_flamingo's `dataset_resampled` (which draws whole
            files of samples): some occur twice in an epoch, some not at all.

    Raises:
        InputError: if there are fewer samples than ranks, `drop_last` leaves none, or `samples` are more than there are
            without `resampled`.
    """
    size = batch_size * world_size
    count = len(lengths) if samples is None else samples
    if not resampled and count > len(lengths):
        raise InputError(
            f"tuning.samples_per_epoch={count} of {len(lengths)} samples: set tuning.resampled=true to draw some twice"
        )
    if not lengths or count < (size if drop_last else world_size):
        raise InputError(f"{count} samples are too few for {world_size} ranks of batch size {batch_size}")
    chance = np.random.default_rng([seed, epoch])
    if resampled:
        order = chance.integers(len(lengths), size=count).tolist()
    else:
        order = chance.permutation(len(lengths))[:count].tolist()
    batches = []
    for start in range(0, len(order), size * WINDOW):
        window = sorted(order[start : start + size * WINDOW], key=lambda index: -lengths[index])
        batches += [window[at : at + size] for at in range(0, len(window), size)]
    if drop_last and len(batches[-1]) < size:
        batches.pop()
    elif len(batches[-1]) < world_size:
        remainder = batches.pop()
        batches[-1] = batches[-1] + remainder
    return [batches[number] for number in chance.permutation(len(batches))]


class LengthGroupedSampler(Sampler[list[int]]):
    """One rank's batches, as a loader's `batch_sampler`.

    Args:
        lengths: tokens of each sample.
        batch_size: samples a batch and rank.
        seed: of the order.
        rank: of this process, below `world_size`.
        world_size: number of processes; each step, they take disjoint parts of one global batch.
        drop_last: leave out the last, smaller batch.
        samples: of an epoch, as in `epoch_batches`.
        resampled: as in `epoch_batches`.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        batch_size: int,
        seed: int,
        *,
        rank: int = 0,
        world_size: int = 1,
        drop_last: bool = False,
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
        self.drop_last = drop_last
        self.samples = samples
        self.resampled = resampled
        self.sampler = self  # of a batch sampler, Lightning tells the epoch to its `sampler` only
        self.epoch = 0
        self.skip = 0

    def set_epoch(self, epoch: int) -> None:
        """Go to an epoch, from its first batch. Naming the current epoch changes nothing, so it keeps a `resume`."""
        if epoch != self.epoch:
            self.resume(epoch, 0)

    def resume(self, epoch: int, batch: int) -> None:
        """Go to an epoch, from its batch number `batch` on."""
        self.epoch = epoch
        self.skip = batch

    def __len__(self) -> int:
        """Batches still to come in this epoch."""
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
            drop_last=self.drop_last,
            samples=self.samples,
            resampled=self.resampled,
        )
