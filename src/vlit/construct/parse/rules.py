"""Checks what the system prompt asks of a conversation (paper section A.2.2)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from vlit.construct.parse.reply import Turn

PLACEHOLDERS = {"question?", "question", "answer.", "answer", "...", "…"}


@dataclass(frozen=True)
class Rules:
    """What a conversation must keep to.

    Attributes:
        forbidden: phrases, in lower case, that betray the text the model was given instead of an image.
        region_words: one of these words, or the name of the marked object, must occur in a region conversation.
        near_duplicate: overlap of two conversations about one image from which the later one is dropped.
    """

    forbidden: Sequence[str]
    region_words: Sequence[str]
    near_duplicate: float

    def broken(self, turns: Sequence[Turn], least: int, region_name: str | None) -> str | None:
        """The first rule a conversation breaks, as a reason for its rejection; None if it keeps to all.

        Args:
            turns: the conversation. That it starts with the user is seen to by the parser.
            least: fewest turns.
            region_name: what the marked object is called, for a region conversation.
        """
        if any({turn.user.lower(), turn.ai.lower()} & PLACEHOLDERS for turn in turns):
            return "repeats the format instead of filling it"
        said = " ".join(f"{turn.user} {turn.ai}" for turn in turns).lower()
        betrayed = next((phrase for phrase in self.forbidden if _occurs(phrase, said)), None)
        if betrayed is not None:
            return f"speaks of {betrayed!r}"
        if len(turns) < least:
            return f"fewer than {least} turns"
        if region_name is not None and not any(_occurs(word, said) for word in (*self.region_words, region_name)):
            return "does not name the region"
        return None


def _occurs(phrase: str, text: str) -> bool:
    return re.search(rf"\b{re.escape(phrase.lower())}\b", text) is not None
