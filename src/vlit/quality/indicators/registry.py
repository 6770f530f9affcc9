"""The registry of quality indicators: what each is called, what it needs, and how it is computed.

Importing it imports no model code: `vlit.analysis` reads names from here without torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import pyarrow as pa

from vlit.common.errors import InputError
from vlit.data.sample import Sample
from vlit.quality.instruments import Instruments
from vlit.quality.statistics import Measure


@dataclass(frozen=True)
class Value:
    """An indicator of a dataset.

    Attributes:
        number: the value.
        details: what `quality.json` keeps of how it came about, by name.
    """

    number: float
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Indicator:
    """A quality indicator (paper section 4.1, Table 4).

    Attributes:
        key: its one name in configuration, files, tables and code.
        label: its meaning in words.
        value: value of a dataset, from the rows of its statistic that have no fault (at least one), the samples drawn
            and the instruments.
        statistic: makes the per-sample statistic; None if the indicator reads that of another (`reads`).
        reads: key of the indicator whose statistic it is computed from; its own by default.
        needs: instruments of the statistic, by attribute of `Instruments`. A statistic that needs nothing but
            `features` is measured by `curate.py` too, any other is read from what `assess.py` has stored.
        distribution: column of the statistic whose histogram the report shows, or None.
        ranks_by: column of the statistic by which the filter may rank samples (larger is better), or None.
        by_response: column of the statistic with a value for each response (larger is better), or None: by it the
            filter may judge single turns.
        symbol: its column head in the paper's Table 4; empty for what the paper does not have.
        row: its row name in the paper's Table 15, used to read and print that table only.
        higher_is_better: its direction.
        in_table_15: whether the paper's Table 15 has it.
        is_count: whether it is a whole number (a count is exact as printed; other numbers are known to half a unit in
            their last place).
        stand_in_for: key of the paper's indicator it replaces where that can't be had, or None. A stand-in without a
            value is left out of `quality.json`; any other indicator without one is empty there, with the reason.
        variant_of: key of the paper's indicator of the same principle, which it measures in another way, or None.
    """

    key: str
    label: str
    value: Callable[[pa.Table, Sequence[Sample], Instruments], Value]
    statistic: Callable[[Instruments], Measure] | None = None
    reads: str = ""
    needs: tuple[str, ...] = ()
    distribution: str | None = None
    ranks_by: str | None = None
    by_response: str | None = None
    symbol: str = ""
    row: str = ""
    higher_is_better: bool = True
    in_table_15: bool = False
    is_count: bool = False
    stand_in_for: str | None = None
    variant_of: str | None = None

    @property
    def source(self) -> str:
        """Key of the indicator whose statistic this one is computed from."""
        return self.reads or self.key


def mean_of(column: str, scale: float = 1) -> Callable[[pa.Table, Sequence[Sample], Instruments], Value]:
    """Return the value function of an indicator that is `scale` times the mean of a column."""

    def mean(table: pa.Table, samples: Sequence[Sample], instruments: Instruments) -> Value:
        return Value(scale * math.fsum(table[column].to_pylist()) / len(table))

    return mean


BY_KEY: dict[str, Indicator] = {}  # all registered indicators, in the order of the report


def register(indicator: Indicator) -> Indicator:
    """Add an indicator to the registry and return it.

    Raises:
        ValueError: if its key is taken.
    """
    if indicator.key in BY_KEY:
        raise ValueError(f"indicator {indicator.key!r} is registered already: choose another key")
    BY_KEY[indicator.key] = indicator
    return indicator


def register_from(modules: Iterable[str]) -> None:
    """Import modules that register further indicators (`indicators=` of the configuration).

    Raises:
        InputError: if there is no such module.
    """
    for name in modules:
        try:
            import_module(name)
        except ModuleNotFoundError as error:
            raise InputError(
                f"indicators: {error}: name modules that register indicators, as vlit.mini.steps"
            ) from None
