"""What a generator answers, and what all generators have in common."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from vlit.construct.prompts import Request

if TYPE_CHECKING:
    from vlit.llm.cache import ReplyCache


class Asked(Protocol):
    """What is sent to a chat model: a request of construction, or a question of quality control."""

    @property
    def messages(self) -> Sequence[Mapping[str, str]]:
        """Role and content of each message."""


CUT_OFF = "length"  # the finish reason of a text that met the token limit


@dataclass(frozen=True)
class Reply:
    """The answer to a request: the candidates' texts, or why there are none for good.

    Attributes:
        texts: one for each candidate.
        finish: why each ended ("stop", "length" ...).
        prompt_tokens: as the server counts them.
        completion_tokens: of all candidates together.
        error: why the request failed for good; None if it was answered.
    """

    texts: Sequence[str] = ()
    finish: Sequence[str] = ()
    prompt_tokens: int = 0
    completion_tokens: int = 0
    error: str | None = None


@dataclass(frozen=True)
class Price:
    """In dollars per million tokens."""

    input: float = 0.0
    output: float = 0.0

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Cost in dollars."""
        return (prompt_tokens * self.input + completion_tokens * self.output) / 1e6


class Generator(Protocol):
    """Turns requests into replies."""

    @property
    def price(self) -> Price:
        """What tokens cost."""

    def body(self, request: Request) -> dict[str, Any]:
        """Everything the reply depends on, as JSON values: its hash is the reply's key in the cache."""

    def answer(self, requests: Mapping[str, Request], cache: ReplyCache) -> None:
        """Put a reply into the cache for every request, by key, that has none there yet.

        Raises:
            InputError: if that is not possible now; whatever was answered stays in the cache.
        """


def key_of(body: Mapping[str, Any]) -> str:
    """Content key of a request."""
    canonical = json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def chat_body(request: Asked, model: str, temperature: float, n: int, max_tokens: int) -> dict[str, Any]:
    """The body of a chat completion, as servers and batch files take it."""
    return {
        "model": model,
        "messages": list(request.messages),
        "temperature": temperature,
        "n": n,
        "max_tokens": max_tokens,
    }


def completion(body: Any) -> Reply:
    """Read the answer to `chat_body`.

    Raises:
        ValueError: if it is no chat completion.
    """
    try:
        texts = [choice["message"].get("content") or "" for choice in body["choices"]]
        finish = [str(choice.get("finish_reason")) for choice in body["choices"]]
        usage = body.get("usage") or {}
        return Reply(texts, finish, int(usage.get("prompt_tokens", 0)), int(usage.get("completion_tokens", 0)))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no chat completion ({type(error).__name__}: {error})") from None


class Pacer:
    """Lets no more than `per_minute` units through in a minute, evenly spread; None is no limit."""

    def __init__(self, per_minute: float | None) -> None:
        self.seconds_each = 60 / per_minute if per_minute else 0.0
        self._free_at = 0.0

    async def take(self, units: float = 1.0) -> None:
        """Wait until these units may pass."""
        if self.seconds_each:
            now = time.monotonic()
            start = max(now, self._free_at)
            self._free_at = start + units * self.seconds_each
            await asyncio.sleep(start - now)


class Budget:
    """Dollars spent on replies and set aside for those under way.

    What a request may cost at most is set aside before it is sent, so that the limit is never passed.
    """

    def __init__(self, price: Price, limit: float | None, spent: float = 0.0) -> None:
        self.price = price
        self.limit = limit
        self.spent = spent
        self.aside = 0.0

    def admits(self, most: float) -> bool:
        """Set the most a request may cost aside; False if the limit doesn't allow it."""
        if self.limit is not None and self.spent + self.aside + most > self.limit:
            return False
        self.aside += most
        return True

    def settle(self, most: float, reply: Reply) -> None:
        """Replace what was set aside for a request by what it cost."""
        self.aside -= most
        self.spent += self.price.of(reply.prompt_tokens, reply.completion_tokens)
