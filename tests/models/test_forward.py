"""Loss and log-likelihood scores against sums computed one token at a time."""

from __future__ import annotations

import math

import pytest
import torch

from vlit.data.encode import IGNORED
from vlit.models.forward import sequence_log_probabilities, token_loss


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
