"""The quality indicators of Tables 4 and 15 (stands in for `vlit.quality.indicators`)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Indicator:
    """A quality indicator: its key in `quality.json`, its row in Table 15, its meaning, and which way is better."""

    key: str
    row: str
    label: str
    higher_is_better: bool = True
    in_table_15: bool = True
    is_count: bool = False  # a count is exact as printed; anything else is known to half a unit in its last place


INDICATORS = (
    Indicator("MD", "MD", "Matching degree"),
    Indicator("C", "C", "Correctness", in_table_15=False),
    Indicator("T", "TD", "Task diversity", is_count=True),
    Indicator("I_div", "ID", "Instruction diversity"),
    Indicator("R", "RD", "Response diversity"),
    Indicator("OG", "OC", "Object/granularity complexity"),
    Indicator("I_cx", "IC", "Instruction complexity"),
    Indicator("Balance", "Bal", "Balance", higher_is_better=False),
)
BY_KEY = {indicator.key: indicator for indicator in INDICATORS}
