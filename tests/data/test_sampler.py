"""Length-grouped batches: every sample once, equal steps on all ranks, the same order after a resume."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlit.common.errors import InputError
from vlit.tuning.data import LengthGroupedSampler, epoch_batches

LENGTHS = st.lists(st.integers(1, 99), min_size=4, max_size=300)
SIZES = st.integers(1, 5)
RANKS = st.integers(1, 4)


def ranks(lengths, batch_size, world_size, **options):
    return [
        LengthGroupedSampler(lengths, batch_size, seed=3, rank=rank, world_size=world_size, **options)
        for rank in range(world_size)
    ]


@given(lengths=LENGTHS, batch_size=SIZES, world_size=RANKS)
def test_no_sample_lost_or_twice_and_equal_steps(lengths, batch_size, world_size):
    parts = [list(sampler) for sampler in ranks(lengths, batch_size, world_size)]
    drawn = [index for part in parts for batch in part for index in batch]
    assert sorted(drawn) == list(range(len(lengths)))
    assert len({len(part) for part in parts}) == 1
    assert all(1 <= len(batch) <= batch_size + (world_size > 1) for part in parts for batch in part)


@given(lengths=LENGTHS, batch_size=SIZES, world_size=RANKS, epoch=st.integers(0, 5), data=st.data())
def test_resuming_continues_the_same_order(lengths, batch_size, world_size, epoch, data):
    whole, resumed = ranks(lengths, batch_size, world_size)[-1], ranks(lengths, batch_size, world_size)[-1]
    whole.set_epoch(epoch)
    batches = list(whole)
    done = data.draw(st.integers(0, len(batches)))
    resumed.resume(epoch, done)
    resumed.set_epoch(epoch)  # as the trainer does at the start of the epoch it resumes in
    assert len(resumed) == len(batches) - done
    assert list(resumed) == batches[done:]
    resumed.set_epoch(epoch + 1)
    whole.set_epoch(epoch + 1)
    assert list(resumed) == list(whole)


def test_order_depends_on_seed_and_epoch():
    def order(seed, epoch):
        return epoch_batches([5] * 64, batch_size=4, world_size=1, seed=seed, epoch=epoch)

    assert order(0, 0) == order(0, 0)
    assert len({str(order(seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4


def test_batches_contain_similar_lengths():
    lengths = [(number * 37) % 400 for number in range(400)]
    batches = epoch_batches(lengths, batch_size=8, world_size=1, seed=0, epoch=0)
    spread = [max(lengths[at] for at in batch) - min(lengths[at] for at in batch) for batch in batches]
    assert max(spread) < 20  # unsorted batches of 8 spread over about 300


def test_long_batches_do_not_all_come_first():
    lengths = list(range(400))
    firsts = [lengths[batch[0]] for batch in epoch_batches(lengths, batch_size=8, world_size=1, seed=0, epoch=0)]
    assert firsts != sorted(firsts, reverse=True)


@pytest.mark.parametrize("options", [{"rank": 2, "world_size": 2}, {"batch_size": 0}])
def test_impossible_settings(options):
    with pytest.raises(InputError, match="do not fit"):
        LengthGroupedSampler([1, 2, 3], options.pop("batch_size", 1), seed=0, **options)


def test_fewer_samples_than_ranks():
    with pytest.raises(InputError, match="too few"):
        list(LengthGroupedSampler([1], 1, seed=0, rank=0, world_size=2))


@given(lengths=LENGTHS, batch_size=SIZES, world_size=RANKS, samples=st.integers(4, 500))
def test_resampled_epochs_have_the_configured_number_of_samples(lengths, batch_size, world_size, samples):
    parts = [list(one) for one in ranks(lengths, batch_size, world_size, samples=samples, resampled=True)]
    drawn = [index for part in parts for batch in part for index in batch]
    assert len(drawn) == samples and set(drawn) <= set(range(len(lengths)))
    assert len({len(part) for part in parts}) == 1


def test_resampling_draws_every_sample_alike():
    batches = epoch_batches([5] * 10, batch_size=4, world_size=1, seed=0, epoch=0, samples=20_000, resampled=True)
    counts = [sum(batch.count(index) for batch in batches) for index in range(10)]
    assert all(abs(count - 2000) < 5 * 2000**0.5 for count in counts)  # five standard deviations


def test_an_epoch_may_be_a_part_of_the_data():
    batches = epoch_batches([5] * 10, batch_size=4, world_size=1, seed=0, epoch=0, samples=7)
    drawn = [index for batch in batches for index in batch]
    assert len(set(drawn)) == len(drawn) == 7
    with pytest.raises(InputError, match="samples_per_epoch=11 of 10"):
        epoch_batches([5] * 10, batch_size=4, world_size=1, seed=0, epoch=0, samples=11)
