"""The quality indicators, one file each (paper section 4.1), and their registry.

`INDICATORS` are the paper's eight, in the order of Table 4; `STAND_INS` replace those that can't be had, `VARIANTS`
measure the same principle in another way. `BY_KEY` has them all, and what users register. To add one: write a file
here with an `Indicator` and list it below.
"""

from vlit.quality.indicators.balance import BALANCE
from vlit.quality.indicators.correctness import C_CONTRAST, C
from vlit.quality.indicators.forms import I_FORMS, R_FORMS
from vlit.quality.indicators.granularity import OG
from vlit.quality.indicators.instruction_complexity import I_CX, I_CX_RULE
from vlit.quality.indicators.instruction_diversity import I_DIV
from vlit.quality.indicators.matching_degree import MD
from vlit.quality.indicators.registry import BY_KEY, Indicator, Value, register
from vlit.quality.indicators.response_diversity import R
from vlit.quality.indicators.task_diversity import T

__all__ = ["BY_KEY", "INDICATORS", "STAND_INS", "VARIANTS", "Indicator", "Value", "register"]

INDICATORS = tuple(map(register, (MD, C, T, I_DIV, R, OG, I_CX, BALANCE)))
STAND_INS = tuple(map(register, (C_CONTRAST, I_CX_RULE)))
VARIANTS = tuple(map(register, (I_FORMS, R_FORMS)))
