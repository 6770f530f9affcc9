"""Encoded samples: images and labels stay together, what cannot be tuned on is set aside with its reason."""

from functools import partial

import pytest
import torch
from torch.utils.data import DataLoader

from vlit.common.errors import InputError
from vlit.data.dataset import InstructionDataset, collate
from vlit.data.encode import IGNORED, Encoder
from vlit.data.images import FileImage
from vlit.data.sample import Rejects, Sample, Turn
from vlit.data.templates import BLIP2
from vlit.tuning.data import LengthGroupedSampler


def to_pixels(image):
    return torch.tensor(image.getpixel((0, 0)), dtype=torch.float)[:, None, None].expand(3, 2, 2)


def build(samples, tokenizer, max_length=500):
    rejects = Rejects()
    encoder = Encoder(tokenizer, tokenizer.convert_tokens_to_ids("<image>"), 2, max_length, add_bos=True)
    return InstructionDataset(samples, BLIP2, encoder, to_pixels, rejects), rejects


@pytest.fixture
def samples(tmp_path, write_image):
    images = [FileImage(write_image(tmp_path / f"{shade}.png", (shade, 0, 0))) for shade in range(7)]
    return [
        Sample(f"s/{number}", (image,), (Turn("What? " * (number + 1), f"Shade {number}.", images=1),))
        for number, image in enumerate(images)
    ] + [Sample("s/7", (), (Turn("Hi", "Hello."),))]


def test_loader_gives_every_sample_with_its_own_image_and_labels(samples, byte_level):
    dataset, rejects = build(samples, byte_level)
    assert not rejects.rows
    loader = DataLoader(
        dataset,
        batch_sampler=LengthGroupedSampler(dataset.lengths, 3, seed=0),
        collate_fn=partial(collate, pad_id=byte_level.pad_token_id),
        num_workers=2,
    )
    seen = {}
    for batch in loader:
        pixels = iter(batch.pixel_values)
        for row, sample_id in enumerate(batch.sample_ids):
            shade = int(next(pixels)[0, 0, 0]) if batch.image_counts[row] else None
            labels = batch.labels[row]
            seen[sample_id] = (shade, byte_level.decode(labels[labels != IGNORED]))
    assert seen == {f"s/{number}": (number, f" Shade {number}.\n") for number in range(7)} | {
        "s/7": (None, " Hello.\n")
    }


def test_lengths_are_those_of_the_items(samples, byte_level):
    dataset, _ = build(samples, byte_level)
    assert dataset.lengths == [len(item.input_ids) for item in dataset]


def test_cut_samples_are_counted_and_hopeless_ones_set_aside(samples, byte_level):
    long = Sample("s/8", (), (Turn("Q", "A " * 300),))
    hopeless = Sample("s/9", (), (Turn("Q " * 300, "A"),))
    dataset, rejects = build([*samples, long, hopeless], byte_level, max_length=150)
    assert dataset.truncated == 1
    assert [sample.id for sample in dataset.samples][-1] == "s/8"
    assert dataset.lengths[-1] == 150
    assert [(row.sample_id, row.reason) for row in rejects.rows if not row.sample_kept] == [
        ("s/9", "no supervised token")
    ]
    assert [(row.sample_id, row.reason) for row in rejects.rows if row.sample_kept] == [
        ("s/8", "cut to max_length=150")
    ]


def test_control_token_of_this_tokenizer_is_set_aside(samples, byte_level):
    forged = Sample("s/8", (), (Turn("Q</s>", "A"),))
    dataset, rejects = build([*samples, forged], byte_level)
    assert len(dataset) == len(samples)
    assert rejects.counts() == {"unusable text": 1}


def test_only_hopeless_samples_is_an_error(byte_level):
    with pytest.raises(InputError, match="none of 1 samples"):
        build([Sample("s/0", (), (Turn("Q " * 300, "A"),))], byte_level, max_length=20)


def test_image_that_vanished_names_the_sample(samples, byte_level):
    dataset, _ = build(samples, byte_level)
    samples[2].images[0].path.unlink()
    with pytest.raises(InputError, match=r"sample s/2: .*2\.png"):
        dataset[2]
