"""`I_cx_rule`: the offline stand-in for instruction complexity, a count of surface signs.

It is no language model's score and is always reported under its own name, never as `I_cx`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from vlit.data.sample import Sample, Turn
from vlit.quality.indicators.registry import Indicator, mean_of
from vlit.quality.statistics import MeasureFault

_REASONS = re.compile(
    r"\b(why|how come|reason|explain|infer|conclude|compare|differ\w*|would|could|might|if|because)\b"
)
_OPEN = re.compile(r"\b(describe|detail|write|story|plan|suggest|discuss|analy[sz]e)\b")
_LINKS = re.compile(r"\b(and|or|but|while|which|that|when|between|relative|considering|based on)\b|[,;]")


class RuleComplexity:
    """The statistic of `I_cx_rule`: words of reasoning, open requests, connectives and length, from 1 to 10."""

    name = "I_cx_rule"
    schema = pa.schema([("complexity", pa.float32())])
    key = "rule|1"

    def rows(self, samples: Sequence[Sample]) -> list[dict[str, Any] | MeasureFault]:
        """Return the mean score of each sample's turns."""
        turns = [[rule_score(turn) for turn in sample.turns if turn.supervised] for sample in samples]
        return [{"complexity": sum(scores) / len(scores)} for scores in turns]


def rule_score(turn: Turn) -> float:
    """Score a turn from 1 to 10.

    The sum of 1, 3 for a word of reasoning, 2 for an open request, half a point for each connective (at most 2), and
    the lengths of instruction and response (at most 1 each, at 40 and 100 words).
    """
    instruction = turn.instruction.lower()
    score = 1.0 + 3.0 * bool(_REASONS.search(instruction)) + 2.0 * bool(_OPEN.search(instruction))
    score += min(2.0, 0.5 * len(_LINKS.findall(instruction)))
    return score + min(1.0, len(instruction.split()) / 40) + min(1.0, len(turn.response.split()) / 100)


I_CX_RULE = Indicator(
    key="I_cx_rule",
    label="Instruction complexity by rules",
    value=mean_of("complexity"),
    statistic=lambda instruments: RuleComplexity(),
    distribution="complexity",
    stand_in_for="I_cx",
)
