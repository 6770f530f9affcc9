"""What a generator answers, and what all generators have in common."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from vlit.construct.prompt import Request

if TYPE_CHECKING:
    from vlit.construct.generate.cache import ReplyCache


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
