"""Loss and log-likelihood scores against sums computed one token at a time."""

from __future__ import annotations

import math

import pytest
import torch
from PIL import Image
from torchvision.transforms.functional import InterpolationMode, center_crop, normalize, resize, to_tensor

from vlit.data.encode import IGNORED
from vlit.models import forward
from vlit.models.forward import CLIP_MEAN, CLIP_STD, CropTransform, sequence_log_probabilities, token_loss


def by_hand(logits: torch.Tensor, labels: torch.Tensor) -> list[list[float]]:
    rows = []
    for row_logits, row_labels in zip(logits.tolist(), labels.tolist(), strict=True):
        row = []
        for place in range(1, len(row_labels)):
            if row_labels[place] != IGNORED:
                before = row_logits[place - 1]
                row.append(before[row_labels[place]] - math.log(sum(math.exp(value) for value in before)))
        rows.append(row)
    return rows


@pytest.fixture
def example() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(3)
    labels = torch.tensor([[IGNORED, 4, 1, IGNORED, 2], [IGNORED, IGNORED, IGNORED, 0, IGNORED]])
    return torch.randn(2, 5, 6), labels


def test_the_loss_is_the_summed_negative_log_likelihood_of_supervised_tokens(example) -> None:
    logits, labels = example
    loss = token_loss(logits, labels)
    assert int(loss.tokens) == 4
    assert float(loss.total) == pytest.approx(-sum(map(sum, by_hand(logits, labels))), abs=1e-5)


def test_sum_and_mean_come_from_the_same_tokens(example) -> None:
    logits, labels = example
    sums, means = sequence_log_probabilities(logits, labels)
    rows = by_hand(logits, labels)
    assert sums.tolist() == pytest.approx([sum(row) for row in rows], abs=1e-5)
    assert means.tolist() == pytest.approx([sum(row) / len(row) for row in rows], abs=1e-5)


def test_a_label_on_the_first_token_does_not_count_since_nothing_predicts_it(example) -> None:
    logits, labels = example
    first = labels.clone()
    first[:, 0] = 3
    assert token_loss(logits, first).total == token_loss(logits, labels).total


def test_a_sample_without_a_supervised_token_is_an_error(example) -> None:
    logits, labels = example
    labels[1] = IGNORED
    with pytest.raises(ValueError, match=r"rows \[1\]"):
        token_loss(logits, labels)


@pytest.mark.parametrize("size", [(1, 5000), (5000, 1), (7, 200)])
def test_a_thin_picture_is_cropped_before_it_is_resized(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    largest = []
    resize = forward.resize

    def counted(image: Image.Image, target: object, **options: object) -> Image.Image:
        found = resize(image, target, **options)
        largest.append(found.width * found.height)
        return found

    monkeypatch.setattr(forward, "resize", counted)
    assert CropTransform(336)(Image.new("RGB", size, (200, 10, 10))).shape == (3, 336, 336)
    assert max(largest) <= 5 * 336 * 336


def test_the_ends_that_are_cut_off_change_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    pixels = (torch.rand(8, 400, 3, generator=generator) * 255).byte().numpy()
    thin = Image.fromarray(pixels)
    whole = center_crop(resize(thin, 64, interpolation=InterpolationMode.BICUBIC), [64, 64])
    expected = normalize(to_tensor(whole), CLIP_MEAN, CLIP_STD)
    torch.testing.assert_close(CropTransform(64)(thin), expected, atol=0.05, rtol=0)
