"""Questions to a language model for the indicators that need one, by the backends of construction.

A server, OpenAI's batch files or a causal LM of transformers: whatever `construct/generate` has, with its limits,
retries, budget and its cache of replies. All questions of a run are asked at once, so that a server is kept busy and a
batch is one batch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from vlit.data.sample import Sample
from vlit.llm.cache import ReplyCache
from vlit.llm.request import Asked, Reply, key_of
from vlit.quality.statistics import Measure, MeasureFault


@dataclass(frozen=True)
class Question:
    """A system prompt and a text."""

    system: str
    text: str

    @property
    def messages(self) -> tuple[dict[str, str], ...]:
        """As chat models take it."""
        return ({"role": "system", "content": self.system}, {"role": "user", "content": self.text})


class LanguageModel(Protocol):
    """A generator of `construct/generate`."""

    def body(self, request: Asked) -> dict[str, Any]:
        """Everything a reply depends on."""

    def answer(self, requests: Mapping[str, Asked], cache: ReplyCache) -> None:
        """Put the replies that are missing into the cache, or raise `InputError`."""


@runtime_checkable
class Asking(Measure, Protocol):
    """A measure that asks a language model."""

    answers: Answers

    def questions(self, sample: Sample) -> list[Question]:
        """What is asked about a sample."""


class Answers:
    """A language model and the file of its replies (one process at a time)."""

    def __init__(self, model: LanguageModel, replies: Path) -> None:
        self.model, self.replies = model, replies
        settings = {key: value for key, value in model.body(Question("", "")).items() if key != "messages"}
        self.key = json.dumps(settings, sort_keys=True)

    def __call__(self, questions: Sequence[Question]) -> list[str | MeasureFault]:
        """The reply to each question, or why there is none.

        Raises:
            InputError: if replies can't be had now: no server, no model, the budget is used up, a batch is to be sent.
                What was answered is kept.
        """
        keys = [key_of(self.model.body(question)) for question in questions]
        with ReplyCache(self.replies) as cache:
            self.model.answer(dict(zip(keys, questions, strict=True)), cache)
            return [_read(cache.get(key)) for key in keys]

    def by_sample(self, measure: Asking, samples: Sequence[Sample]) -> list[list[str] | MeasureFault]:
        """The replies to a measure's questions about each sample, or the first fault among them."""
        asked = [measure.questions(sample) for sample in samples]
        replies = iter(self([question for questions in asked for question in questions]))
        found = [[next(replies) for _ in questions] for questions in asked]
        return [_whole(some) for some in found]


def _read(reply: Reply | None) -> str | MeasureFault:
    if reply is None or reply.error is not None:
        return MeasureFault(f"language model: {reply.error if reply else 'no reply'}")
    text = reply.texts[0] if reply.texts else ""
    return text if text.strip() else MeasureFault("language model: empty reply")


def _whole(replies: list[str | MeasureFault]) -> list[str] | MeasureFault:
    fault = next((reply for reply in replies if isinstance(reply, MeasureFault)), None)
    return fault if fault is not None else [reply for reply in replies if isinstance(reply, str)]
