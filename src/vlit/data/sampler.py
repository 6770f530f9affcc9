"""Batches of similar length in an order that depends on nothing but its arguments, so that a run can be resumed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

from vlit.errors import InputError

WINDOW = 50  # batches; samples are sorted by length within a random window of so many


def epoch_batches(
    lengths: Sequence[int], *, batch_size: int, world_size: int, seed: int, epoch: int, drop_last: bool = False
) -> list[list[int]]:
    """Order one epoch: a list of global batches, each of `batch_size * world_size` indices into `lengths`.

    Every index occurs once. The last batch formed may be smaller (`drop_last` leaves it out); one too small to give
    every rank a sample joins another, so that all ranks take equally many steps.

    Raises:
        InputError: if there are fewer samples than ranks, or `drop_last` leaves none.
    """
    size = batch_size * world_size
    if len(lengths) < (size if drop_last else world_size):
        raise InputError(f"{len(lengths)} samples are too few for {world_size} ranks of batch size {batch_size}")
    chance = np.random.default_rng([seed, epoch])
    order = chance.permutation(len(lengths)).tolist()
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
    ) -> None:
        if batch_size < 1 or not 0 <= rank < world_size:
            raise InputError(f"batch_size={batch_size}, rank={rank}, world_size={world_size} do not fit together")
        self.lengths = list(lengths)
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.drop_last = drop_last
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
        )
