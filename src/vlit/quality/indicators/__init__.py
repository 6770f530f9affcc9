"""The quality indicators, one file each (paper section 4.1), and their registry.

`INDICATORS` are the paper's eight, in the order of Table 4; `BY_KEY` has the stand-ins too.
"""

from vlit.quality.indicators.registry import BY_KEY, Indicator, register

__all__ = ["BY_KEY", "INDICATORS", "Indicator", "register"]

INDICATORS = tuple(
    register(indicator)
    for indicator in (
        Indicator("MD", "Matching degree", "MD", "MD", in_table_15=True),
        Indicator("C", "Correctness", "C", "C"),
        Indicator("T", "Task diversity", "T", "TD", in_table_15=True, is_count=True),
        Indicator("I_div", "Instruction diversity", "I", "ID", in_table_15=True),
        Indicator("R", "Response diversity", "R", "RD", in_table_15=True),
        Indicator("OG", "Object/granularity complexity", "O/G", "OC", in_table_15=True),
        Indicator("I_cx", "Instruction complexity", "I", "IC", in_table_15=True),
        Indicator("Balance", "Balance", "Balance", "Bal", higher_is_better=False, in_table_15=True),
    )
)
register(Indicator("C_contrast", "Correctness by contrast", stand_in_for="C"))
register(Indicator("I_cx_rule", "Instruction complexity by rules", stand_in_for="I_cx"))
