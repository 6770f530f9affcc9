"""The rules of the filter, and what each of them rejects of a dataset whose samples have values.

Pure functions of values by sample id: nothing here reads a file. Every rejected sample has one reason, the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
from scipy.stats import rankdata


class Rejection(TypedDict, total=False):
    """A sample that is not kept: its id, the reason, and the value and threshold where there is one."""

    sample_id: str
    reason: str
    value: float
    threshold: float


@dataclass(frozen=True)
class SampleValues:
    """The statistic of an indicator over a dataset; larger values are better.

    Attributes:
        key: of the indicator.
        values: by sample id.
        faults: why a sample has none, by its id.
    """

    key: str
    values: Mapping[str, float]
    faults: Mapping[str, str]


def without_value(column: SampleValues) -> list[Rejection]:
    """Reject the samples that a statistic has no value for."""
    return [{"sample_id": name, "reason": f"no {column.key}: {fault}"} for name, fault in column.faults.items()]


def below(column: SampleValues, least: float) -> list[Rejection]:
    """Reject the samples whose value is below `least`."""
    return [_below(name, column.key, value, least) for name, value in column.values.items() if value < least]


def worst(columns: Sequence[SampleValues], keep: float) -> list[Rejection]:
    """Reject all but the share `keep` of the samples that have every value: those of the least mean rank, ties by id.

    One statistic ranks by its values; of several, each value becomes its rank among the samples (from 0 to 1, ties in
    the middle), so that none outweighs another by its scale.
    """
    ids = sorted(set.intersection(*(set(column.values) for column in columns)))
    if not ids:
        return []
    values = [np.array([column.values[name] for name in ids]) for column in columns]
    if len(values) > 1:
        values = [rankdata(some) / len(ids) for some in values]
    combined = dict(zip(ids, np.mean(values, axis=0).tolist(), strict=True))
    ranked = sorted(ids, key=lambda name: (combined[name], name), reverse=True)
    number = max(1, round(keep * len(ranked)))
    threshold = combined[ranked[number - 1]]
    key = " and ".join(column.key for column in columns)
    return [_below(name, key, combined[name], threshold) for name in ranked[number:]]


def first_reasons(rejections: Iterable[Rejection]) -> list[Rejection]:
    """Keep the first rejection of each sample."""
    found: dict[str, Rejection] = {}
    for rejection in rejections:
        found.setdefault(rejection["sample_id"], rejection)
    return list(found.values())


def _below(sample_id: str, key: str, value: float, threshold: float) -> Rejection:
    return {"sample_id": sample_id, "reason": f"{key} below the threshold", "value": value, "threshold": threshold}


def overrides(rules: Mapping[str, Any], base: Mapping[str, Any]) -> list[str]:
    """Return the overrides of a command that turn the filter `base` into `rules`, as `quality.keep=0.5`.

    Both are flat: name below `quality.` -> value, None for what is off.
    """
    names = [name for name in dict.fromkeys([*rules, *base]) if rules.get(name) != base.get(name)]
    if rules.get("balanced") is None:
        names = [name for name in names if name != "seed"]  # it has no part in such rules
    return [f"quality.{name}={_written(rules.get(name))}" for name in names]


def _written(value: Any) -> str:
    if value is None:
        return "null"
    return f"[{','.join(map(str, value))}]" if isinstance(value, list) else str(value)
