"""From logits to numbers: the tuning loss (Eq. 1) and the scores of answer ranking. The same for all families."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

IGNORE = -100  # the label of a token that is read but not learned


@dataclass
class TokenLoss:
    """Summed negative log-likelihood of the supervised tokens, and their number; the mean is theirs to take."""

    total: torch.Tensor
    tokens: torch.Tensor


def unsupervised_prefix(labels: torch.Tensor) -> int:
    """How many positions of (batch, length) labels come before any whose next token is learned in some row."""
    learned = (labels != IGNORE).any(dim=0)
    return max(0, int(learned.int().argmax()) - 1)


def token_loss(logits: torch.Tensor, labels: torch.Tensor) -> TokenLoss:
    """Next-token loss on supervised tokens only (paper Eq. 1).

    Args:
        logits: (batch, length, vocabulary).
        labels: (batch, length), `IGNORE` where nothing is learned.

    Raises:
        ValueError: if a sample has no supervised token: it would be trained on silently as nothing.
    """
    shifted = labels[:, 1:]
    supervised = shifted != IGNORE
    if not bool(supervised.any(dim=1).all()):
        rows = (~supervised.any(dim=1)).nonzero().flatten().tolist()
        raise ValueError(f"rows {rows} of the batch have no supervised token")
    losses = functional.cross_entropy(logits[:, :-1][supervised].float(), shifted[supervised], reduction="sum")
    return TokenLoss(losses, supervised.sum())


def sequence_log_probabilities(logits: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Sum and mean log-probability of each row's supervised tokens, from one pass.

    SEED-Bench ranks choices by likelihood; upstream code differs in summing or averaging over tokens, so both are kept.

    Returns:
        (batch,) sums and (batch,) means, in float32.
    """
    shifted = labels[:, 1:]
    supervised = shifted != IGNORE
    rows, _ = supervised.nonzero(as_tuple=True)
    chosen = logits[:, :-1][supervised].float()
    log_probabilities = -functional.cross_entropy(chosen, shifted[supervised], reduction="none")
    sums = log_probabilities.new_zeros(len(labels)).index_add(0, rows, log_probabilities)
    return sums, sums / supervised.sum(dim=1)
