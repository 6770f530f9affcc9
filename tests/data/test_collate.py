"""Padding, labels and images of a batch."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from vlit.data.dataset import Item, collate
from vlit.data.encode import IGNORED

ROWS = st.lists(st.lists(st.integers(1, 50), min_size=1, max_size=12), min_size=1, max_size=5)


def item(number, ids, images=0):
    pixels = torch.full((images, 3, 4, 4), float(number)) if images else None
    return Item(f"s/{number}", ids, [IGNORED, *ids[1:]], pixels)


@given(rows=ROWS, side=st.sampled_from(["left", "right"]))
def test_padding_is_masked_and_never_learned(rows, side):
    batch = collate([item(number, ids) for number, ids in enumerate(rows)], pad_id=7, side=side)
    padding = batch.attention_mask == 0
    assert (batch.labels[padding] == IGNORED).all()
    assert (batch.input_ids[padding] == 7).all()
    assert batch.attention_mask.sum(1).tolist() == [len(ids) for ids in rows]
    for row, ids in enumerate(rows):
        assert batch.input_ids[row][~padding[row]].tolist() == ids
        assert batch.labels[row][~padding[row]].tolist() == [IGNORED, *ids[1:]]


def test_sides():
    items = [item(0, [1, 2, 3]), item(1, [4])]
    assert collate(items, 0, "right").input_ids.tolist() == [[1, 2, 3], [4, 0, 0]]
    assert collate(items, 0, "left").input_ids.tolist() == [[1, 2, 3], [0, 0, 4]]


def test_images_stay_in_order_with_their_counts():
    batch = collate([item(0, [1], images=2), item(1, [2]), item(2, [3], images=1)], pad_id=0)
    assert batch.image_counts.tolist() == [2, 0, 1]
    assert batch.pixel_values[:, 0, 0, 0].tolist() == [0.0, 0.0, 2.0]
    assert batch.sample_ids == ["s/0", "s/1", "s/2"]


def test_batch_without_images_and_moving():
    batch = collate([item(0, [1, 2])], pad_id=0).to("meta")
    assert batch.pixel_values.shape[0] == 0
    assert batch.labels.device.type == "meta"
    assert batch.sample_ids == ["s/0"]
