"""Instruction complexity (I_cx): a score from 1 to 10 by a language model that saw scored examples (4.2.3, Table 4).

The paper fixes LLaMA-2, instruction and reply as input, manually scored examples, 1 to 10, and the mean. The examples
are ours. A sample's score is the mean over its turns. LLaMA-2 or any other model runs through transformers, behind an
OpenAI-compatible server, or by batch files (`vlit.llm`). Offline there is a stand-in, `I_cx_rule`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from vlit.data.sample import Sample, Turn
from vlit.llm.cache import CachedModel
from vlit.llm.request import Prompt, RequestFailed
from vlit.quality.indicators.registry import Indicator, mean_of
from vlit.quality.instruments import Instruments, NotConfiguredError
from vlit.quality.statistics import MeasureFault, request_fault

COMPLEXITY_PROMPT = (
    "You rate how complex an instruction about an image is, from 1 (one glance answers it) to 10 (several facts of "
    "the image and outside knowledge must be combined in steps). Use the reply to see what was asked "
    "for. Give the number only."
)
SCORED_EXAMPLES = (
    ("Is there a dog?", "Yes.", 1),
    ("What color is the bus?", "The bus is red.", 2),
    ("How many people wear a hat?", "Three of the five people wear a hat.", 4),
    ("Describe the image in detail.", "A busy street market with stalls of fruit ...", 5),
    ("Why might the man carry an umbrella?", "The street is wet and the sky is dark, so he expects more rain.", 7),
    ("Plan a day in this town from what the sign and the map show.", "Start at the museum, which ...", 9),
)
_NUMBER = re.compile(r"\b(10|[1-9])(?:\.0)?\b")


class PromptedComplexity:
    """The statistic of I_cx: the language model's score."""

    name = "I_cx"
    schema = pa.schema([("complexity", pa.float32())])

    def __init__(self, llm: CachedModel) -> None:
        self.llm, self.key = llm, f"llm|{llm.key}"

    def prompts(self, sample: Sample) -> list[Prompt]:
        """Return one prompt for each turn."""
        examples = [_case(Turn(instruction, reply)) + f" {score}" for instruction, reply, score in SCORED_EXAMPLES]
        shown = "\n\n".join(examples)
        turns = [turn for turn in sample.turns if turn.supervised]
        return [self.llm.prompt(COMPLEXITY_PROMPT, f"{shown}\n\n{_case(turn)}") for turn in turns]

    def rows(self, samples: Sequence[Sample]) -> list[dict[str, Any] | MeasureFault]:
        """Return the mean of the scores of each sample's turns."""
        return [_mean(replies) for replies in self.llm.by_group([self.prompts(sample) for sample in samples])]


def read_score(reply: str) -> int:
    """Return the first whole number from 1 to 10 in a reply.

    Raises:
        MeasureFault: if there is none.
    """
    found = _NUMBER.search(reply)
    if found is None:
        raise MeasureFault("no score in the reply")
    return int(found.group(1))


def _mean(replies: list[str] | RequestFailed) -> dict[str, Any] | MeasureFault:
    if isinstance(replies, RequestFailed):
        return request_fault("language model", replies)
    try:
        scores = [read_score(reply) for reply in replies]
    except MeasureFault as fault:
        return fault
    return {"complexity": sum(scores) / len(scores)}


def _case(turn: Turn) -> str:
    return f"Instruction: {turn.instruction}\nReply: {turn.response[:2000]}\nScore:"


def _statistic(instruments: Instruments) -> PromptedComplexity:
    if instruments.llm is None:
        raise NotConfiguredError(
            "no language model: assess.py llm=server, llm=batch or llm=local (I_cx_rule is the offline stand-in)"
        )
    return PromptedComplexity(instruments.llm)


I_CX = Indicator(
    key="I_cx",
    label="Instruction complexity",
    value=mean_of("complexity"),
    statistic=_statistic,
    needs=("llm",),
    distribution="complexity",
    symbol="I",
    row="IC",
    in_table_15=True,
)


_REASONS = re.compile(
    r"\b(why|how come|reason|explain|infer|conclude|compare|differ\w*|would|could|might|if|because)\b"
)
_OPEN = re.compile(r"\b(describe|detail|write|story|plan|suggest|discuss|analy[sz]e)\b")
_LINKS = re.compile(r"\b(and|or|but|while|which|that|when|between|relative|considering|based on)\b|[,;]")


class RuleComplexity:
    """The statistic of `I_cx_rule`: words of reasoning, open requests, connectives and length, from 1 to 10."""

    name = "I_cx_rule"
    schema = pa.schema([("complexity", pa.float32()), ("responses", pa.list_(pa.float32()))])
    key = "rule|2"

    def rows(self, samples: Sequence[Sample]) -> list[dict[str, Any] | MeasureFault]:
        """Return the score of each of a sample's turns, and their mean."""
        turns = [[rule_score(turn) for turn in sample.turns if turn.supervised] for sample in samples]
        return [{"complexity": sum(scores) / len(scores), "responses": scores} for scores in turns]


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
    ranks_by="complexity",
    by_response="responses",
    stand_in_for="I_cx",
)
