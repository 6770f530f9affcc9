"""Instruction complexity (I): a score from 1 to 10 by a language model that saw scored examples (4.2.3, Table 4).

The paper fixes LLaMA-2, instruction and reply as input, manually scored examples, 1 to 10, and the mean. The
examples are ours. A sample's score is the mean over its turns. LLaMA-2 or any other model runs through transformers,
behind an OpenAI-compatible server, or by batch files (`vlit.llm`).

Offline there is a stand-in, `RuleComplexity`, a count of surface signs. It is no language model's score and is always
reported under its own name, `I_cx_rule`, never as `I_cx`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from vlit.data.sample import Sample, Turn
from vlit.llm.cache import CachedModel
from vlit.llm.request import Prompt, RequestFailed
from vlit.quality.statistics import MeasureFault, request_fault

SYSTEM = (
    "You rate how complex an instruction about an image is, from 1 (one glance answers it) to 10 (several facts of "
    "the image and outside knowledge must be combined in steps). Use the reply to see what was asked "
    "for. Give the number only."
)
EXAMPLES = (
    ("Is there a dog?", "Yes.", 1),
    ("What color is the bus?", "The bus is red.", 2),
    ("How many people wear a hat?", "Three of the five people wear a hat.", 4),
    ("Describe the image in detail.", "A busy street market with stalls of fruit ...", 5),
    ("Why might the man carry an umbrella?", "The street is wet and the sky is dark, so he expects more rain.", 7),
    ("Plan a day in this town from what the sign and the map show.", "Start at the museum, which ...", 9),
)
_NUMBER = re.compile(r"\b(10|[1-9])(?:\.0)?\b")
_REASONS = re.compile(
    r"\b(why|how come|reason|explain|infer|conclude|compare|differ\w*|would|could|might|if|because)\b"
)
_OPEN = re.compile(r"\b(describe|detail|write|story|plan|suggest|discuss|analy[sz]e)\b")
_LINKS = re.compile(r"\b(and|or|but|while|which|that|when|between|relative|considering|based on)\b|[,;]")


class AskedComplexity:
    """The language model's score."""

    name = "instruction_complexity"
    indicator = "I_cx"
    schema = pa.schema([("complexity", pa.float32())])

    def __init__(self, llm: CachedModel) -> None:
        self.llm, self.key = llm, f"llm|{llm.key}"

    def prompts(self, sample: Sample) -> list[Prompt]:
        """Make a prompt for each turn."""
        shown = "\n\n".join(_case(Turn(text, reply)) + f" {score}" for text, reply, score in EXAMPLES)
        return [self.llm.prompt(SYSTEM, f"{shown}\n\n{_case(turn)}") for turn in sample.turns if turn.supervised]

    def rows(self, samples: Sequence[Sample]) -> list[dict[str, Any] | MeasureFault]:
        """The mean of the scores of a sample's turns."""
        return [_mean(replies) for replies in self.llm.by_group([self.prompts(sample) for sample in samples])]


class RuleComplexity:
    """The offline stand-in: words of reasoning, open requests, connectives and length, on a scale from 1 to 10."""

    name = "rule_complexity"
    indicator = "I_cx_rule"
    schema = AskedComplexity.schema
    key = "rule|1"

    def rows(self, samples: Sequence[Sample]) -> list[dict[str, Any] | MeasureFault]:
        """Score each sample."""
        turns = [[rule_score(turn) for turn in sample.turns if turn.supervised] for sample in samples]
        return [{"complexity": sum(scores) / len(scores)} for scores in turns]


def read_score(reply: str) -> int:
    """The first whole number from 1 to 10 in a reply.

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


def rule_score(turn: Turn) -> float:
    """1, 3 for reasoning, 2 for an open request, links (at most 2), length of instruction and response (at most 2)."""
    asked = turn.instruction.lower()
    score = 1.0 + 3.0 * bool(_REASONS.search(asked)) + 2.0 * bool(_OPEN.search(asked))
    score += min(2.0, 0.5 * len(_LINKS.findall(asked)))
    return score + min(1.0, len(asked.split()) / 40) + min(1.0, len(turn.response.split()) / 100)


def _case(turn: Turn) -> str:
    return f"Instruction: {turn.instruction}\nReply: {turn.response[:2000]}\nScore:"
