"""The filter over stored statistics: rules, and the reason why each sample that is not kept is not (paper 4.2.3).

The paper filters by quality and gives no thresholds. Here a statistic has a least value a sample must reach, and a
share of samples can be kept: those of the largest rank, averaged over the statistics that are to decide together. A
sample without a value of a statistic in use is not kept, as nothing is known of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata

Reject = dict[str, Any]  # sample_id, reason, and the value and threshold where there is one


@dataclass(frozen=True)
class Scores:
    """One statistic of a dataset: the value of each sample, or what went wrong; larger is better."""

    name: str
    values: dict[str, float]
    faults: dict[str, str]


def without_value(scores: Scores) -> list[Reject]:
    """The samples a statistic has no value for."""
    return [{"sample_id": name, "reason": f"no {scores.name}: {fault}"} for name, fault in scores.faults.items()]


def below(scores: Scores, least: float) -> list[Reject]:
    """The samples whose value is below `least`."""
    return [_below(sample_id, scores.name, value, least) for sample_id, value in scores.values.items() if value < least]


def worst(deciding: Sequence[Scores], keep: float) -> list[Reject]:
    """All but the share `keep` of the samples that have every value: those of the least mean rank, ties by id.

    One statistic ranks by its values; of several, each value becomes its rank among the samples (from 0 to 1, ties
    in the middle), so that none outweighs another by its scale.
    """
    ids = sorted(set.intersection(*(set(scores.values) for scores in deciding)))
    if not ids:
        return []
    columns = [np.array([scores.values[name] for name in ids]) for scores in deciding]
    if len(columns) > 1:
        columns = [rankdata(column) / len(ids) for column in columns]
    combined = dict(zip(ids, np.mean(columns, axis=0).tolist(), strict=True))
    ranked = sorted(ids, key=lambda name: (combined[name], name), reverse=True)
    number = max(1, round(keep * len(ranked)))
    threshold = combined[ranked[number - 1]]
    name = " and ".join(scores.name for scores in deciding)
    return [_below(sample_id, name, combined[sample_id], threshold) for sample_id in ranked[number:]]


def first_reasons(rejects: Iterable[Reject]) -> list[Reject]:
    """One reason a sample: the first."""
    found: dict[str, Reject] = {}
    for reject in rejects:
        found.setdefault(reject["sample_id"], reject)
    return list(found.values())


def _below(sample_id: str, name: str, value: float, threshold: float) -> Reject:
    return {"sample_id": sample_id, "reason": f"{name} below the threshold", "value": value, "threshold": threshold}
