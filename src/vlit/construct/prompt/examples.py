"""Hand-written examples that a request shows the model in advance (paper section A.2.2)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from vlit.errors import InputError


@dataclass(frozen=True)
class Example:
    """A description, and a conversation as it should be: pairs of question and answer.

    `file` says which file's variants it shows the way of (global, negative or region).
    """

    file: str
    description: str
    conversation: Sequence[Sequence[str]]

    def __post_init__(self) -> None:
        if not self.conversation or any(len(turn) != 2 for turn in self.conversation):
            raise InputError(f"in-context example {self.description[:40]!r}...: each turn is [question, answer]")

    @property
    def reply(self) -> str:
        """The conversation in the format the prompt asks for."""
        return in_format(self.conversation)


def in_format(conversation: Sequence[Sequence[str]]) -> str:
    """Write pairs of question and answer as `{"User": "...", "AI": "...", "User": ...}`, the keys repeated."""

    def quoted(text: str) -> str:
        return json.dumps(text, ensure_ascii=False)

    turns = (f'"User": {quoted(question)}, "AI": {quoted(answer)}' for question, answer in conversation)
    return "{" + ", ".join(turns) + "}"
