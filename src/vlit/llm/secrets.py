"""Take a key out of what a server sends back: whole, in part, or in another spelling."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus

SHORTEST = 8  # characters of a key that are taken for it; a shorter key is a word for a local server
MARK = "[key]"


@dataclass(frozen=True)
class Scrubber:
    """Replaces every stretch of a text that is at least `SHORTEST` characters of a secret.

    Attributes:
        secret: the key. It is found as it is, URL-encoded, and in base64, as a whole or in part.
    """

    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        raw = self.secret.encode("utf-8", "surrogatepass")
        # In base64 what a key looks like depends on where among three bytes it begins.
        spelt = [
            base64.b64encode(b"\0" * shift + raw).decode()[(4, 8, 8)[shift] if shift else 0 :] for shift in range(3)
        ]
        spellings = (
            {self.secret, quote(raw, safe=""), quote_plus(raw), quote(raw), *spelt} if self._is_secret else set()
        )
        parts = {text[at : at + SHORTEST] for text in spellings for at in range(len(text) - SHORTEST + 1)}
        object.__setattr__(self, "_parts", frozenset(part.lower() for part in parts))

    @property
    def _is_secret(self) -> bool:
        return len(self.secret) >= SHORTEST

    def __call__(self, text: str) -> str:
        """Return the text with `MARK` in place of the secret."""
        parts: frozenset[str] = getattr(self, "_parts")  # noqa: B009 - set in a frozen object
        lowered = text.lower()
        if not parts or len(lowered) != len(text):  # a character whose lower case is two: compare as it is
            lowered = text
        kept, end, at = [], 0, 0
        while at <= len(text) - SHORTEST:
            if lowered[at : at + SHORTEST] not in parts:
                at += 1
                continue
            kept += [text[end:at], MARK]
            while at <= len(text) - SHORTEST and lowered[at : at + SHORTEST] in parts:
                at += 1
            end = at = at + SHORTEST - 1
        return "".join([*kept, text[end:]])
