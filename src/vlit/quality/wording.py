"""The wording of texts: the questions of an instruction, and the form that a text has.

The *form* of a text is what is left of it without its content words: "what _ is the _". Wording makes it, and the
things that the text is about do not.
"""

from __future__ import annotations

import re
from functools import cache

_PARTS = re.compile(r"[^?]+\?+[\"'”’)]*|[^?]+$")
_WORDS = re.compile(r"[^\W_]+(?:['’][^\W_]+)?|[?]")
_NUMBERS = frozenset("one two three four five six seven eight nine ten eleven twelve fifteen twenty".split())  # noqa: SIM905


def questions(instruction: str) -> list[str]:
    """Cut an instruction into its questions, each with the sentences before it; one without a question is one part."""
    parts = [part.strip() for part in _PARTS.findall(instruction)]
    asked = [part for part in parts if part.endswith(("?", '?"', "?'", "?)"))]
    return asked or [instruction.strip()]


def form(text: str) -> str:
    """Return a text without its content words: "what _ is the _?" of "What color is the cup?"."""
    kept: list[str] = []
    for word in _WORDS.findall(text.lower()):
        function = word == "?" or (word in _function_words() and word not in _NUMBERS)
        if function or kept[-1:] != ["_"]:
            kept.append(word if function else "_")
    return " ".join(kept)


@cache
def _function_words() -> frozenset[str]:
    from spacy.lang.en.stop_words import STOP_WORDS  # slow to import

    return frozenset(STOP_WORDS)
