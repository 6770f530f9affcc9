"""The registry of quality indicators: what each is called, where the paper prints it, and which way is better.

Importing it imports no model code: `vlit.analysis` reads names from here without torch.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Indicator:
    """A quality indicator (paper section 4.1, Table 4).

    Attributes:
        key: its one name in configuration, files, tables and code.
        label: its meaning in words.
        symbol: its column head in the paper's Table 4; empty for what the paper does not have.
        row: its row name in the paper's Table 15, used to read and print that table only.
        higher_is_better: its direction.
        in_table_15: whether the paper's Table 15 has it.
        is_count: whether it is a whole number (a count is exact as printed; other numbers are known to half a unit in
            their last place).
        stand_in_for: the key of the paper's indicator it replaces where that can't be had, or None.
    """

    key: str
    label: str
    symbol: str = ""
    row: str = ""
    higher_is_better: bool = True
    in_table_15: bool = False
    is_count: bool = False
    stand_in_for: str | None = None


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
