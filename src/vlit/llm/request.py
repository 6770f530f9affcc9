"""Requests to a chat model and their replies, the same for a server, batch files and a local model."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from PIL import Image

from vlit.common.errors import InputError

CUT_OFF = "length"  # the finish reason of a text that reached the token limit

Message = Mapping[str, Any]  # "role", and "content": a text, or a list of parts (see `Prompt.messages`)


@dataclass(frozen=True)
class Sampling:
    """How the replies to a request are drawn.

    Attributes:
        temperature: 0 takes the likeliest token each time; 0.8 in construction (paper section 4.2.2).
        n: replies to a request, called candidates in construction; 5 there (section 4.2.2).
        max_tokens: longest reply, in tokens.
        seed: seed of the draws; None leaves it to the model.

    Raises:
        InputError: if a value is out of range.
    """

    temperature: float
    n: int
    max_tokens: int
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.temperature < 0 or self.n < 1 or self.max_tokens < 1:
            raise InputError(f"{self}: temperature must be at least 0, n and max_tokens at least 1")


class ChatRequest(Protocol):
    """A conversation that a chat model continues: a request of construction, or a question of quality control."""

    @property
    def messages(self) -> Sequence[Message]:
        """Role and content of each message."""

    @property
    def sampling(self) -> Sampling:
        """How the replies are drawn."""


@dataclass(frozen=True)
class Prompt:
    """A system prompt and a text of the user, with or without an image.

    Attributes:
        system: the system prompt.
        text: the user's text.
        sampling: how the replies are drawn.
        image: the image as a data URL (see `data_url`); it comes before the text.
    """

    system: str
    text: str
    sampling: Sampling
    image: str | None = None

    @property
    def messages(self) -> tuple[Message, ...]:
        """The two messages in the format of OpenAI's chat completions."""
        content: Any = self.text
        if self.image is not None:
            content = [{"type": "image_url", "image_url": {"url": self.image}}, {"type": "text", "text": self.text}]
        return ({"role": "system", "content": self.system}, {"role": "user", "content": content})


@dataclass(frozen=True)
class Reply:
    """The texts that a model answered to a request, or why it answered none.

    Attributes:
        texts: one for each of `Sampling.n`.
        finish: why each ended ("stop", "length" ...).
        prompt_tokens: tokens of the request, as the server counts them.
        completion_tokens: tokens of all texts together.
        error: why the request failed for good; None if it was answered.
    """

    texts: Sequence[str] = ()
    finish: Sequence[str] = ()
    prompt_tokens: int = 0
    completion_tokens: int = 0
    error: str | None = None


class RequestFailed(Exception):  # noqa: N818 - a result of the request, not of the run
    """A request that has no reply; the message is the reason, its details after a colon."""


def data_url(image: Image.Image) -> str:
    """Return an image as a data URL of its PNG, as chat completions accept it."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def key_of(body: Mapping[str, Any]) -> str:
    """Return the content key of a request: the SHA-256 of its body as canonical JSON."""
    canonical = json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def chat_body(request: ChatRequest, model: str) -> dict[str, Any]:
    """Return the body of a chat completion, as servers and batch files accept it."""
    sampling = request.sampling
    body = {
        "model": model,
        "messages": list(request.messages),
        "temperature": sampling.temperature,
        "n": sampling.n,
        "max_tokens": sampling.max_tokens,
    }
    return body if sampling.seed is None else {**body, "seed": sampling.seed}


def completion(body: Any) -> Reply:
    """Read the answer to `chat_body`, also where a server writes it in its own way.

    A text may come in parts, without usage, with halves of a surrogate pair, or behind the model's reasoning
    (`<think>`), which is left out; one that is all reasoning is empty.

    Raises:
        ValueError: if it is no chat completion, or an error with status 200.
    """
    try:
        if isinstance(body, Mapping) and body.get("error") and "choices" not in body:
            error = body["error"]
            raise ValueError(str(error.get("message", error) if isinstance(error, Mapping) else error)[:200])
        texts = [_text(choice["message"].get("content")) for choice in body["choices"]]
        finish = [str(choice.get("finish_reason")) for choice in body["choices"]]
        usage = body.get("usage") or {}
        return Reply(texts, finish, _tokens(usage.get("prompt_tokens")), _tokens(usage.get("completion_tokens")))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no chat completion ({type(error).__name__}: {error})") from None


_REASONING = re.compile(r"\s*<think(?:ing)?>.*?(?:</think(?:ing)?>\s*|\Z)", re.DOTALL)


def _text(content: Any) -> str:
    if isinstance(content, list):
        content = "".join(part.get("text") or "" for part in content if part.get("type") in ("text", "output_text"))
    if content is not None and not isinstance(content, str):
        raise TypeError(f"content is {type(content).__name__}")
    whole = (content or "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    thought = _REASONING.match(whole)
    return whole[thought.end() :] if thought else whole


def _tokens(count: Any) -> int:
    return int(count) if isinstance(count, int | float) else 0


CHARACTERS_PER_TOKEN = 3  # a low guess, so that limits are kept rather than exceeded
TOKENS_PER_IMAGE = 1000  # a high guess for the same reason: LLaVA 1.5 encodes an image as 576 tokens


@dataclass(frozen=True)
class Price:
    """Dollars per million tokens of requests (`input`) and of replies (`output`)."""

    input: float = 0.0
    output: float = 0.0

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Return the cost in dollars."""
        return (prompt_tokens * self.input + completion_tokens * self.output) / 1e6


def most_tokens(request: ChatRequest) -> tuple[int, int]:
    """Estimate from above the tokens of a request and of its replies."""
    messages = list(request.messages)
    images = 0
    for place, message in enumerate(messages):
        if not isinstance(message["content"], str):
            texts = [part for part in message["content"] if part["type"] != "image_url"]
            images += len(message["content"]) - len(texts)
            messages[place] = {**message, "content": texts}
    prompt = len(json.dumps(messages)) // CHARACTERS_PER_TOKEN + images * TOKENS_PER_IMAGE
    return prompt, request.sampling.n * request.sampling.max_tokens


class Pacer:
    """A rate limit of `per_minute` units, evenly spread over the minute; None is no limit."""

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


class SpendingLimit:
    """An amount of money that is never exceeded.

    What a request may cost at most is reserved before it is sent.

    Args:
        price: price of the model's tokens.
        limit: dollars; None is no limit.
        spent: dollars that earlier replies have cost.
    """

    def __init__(self, price: Price, limit: float | None, spent: float = 0.0) -> None:
        self.price = price
        self.limit = limit
        self.spent = spent
        self.reserved = 0.0

    def reserve(self, most: float) -> bool:
        """Reserve the most a request may cost, in dollars; False if the limit doesn't allow it."""
        if self.limit is not None and self.spent + self.reserved + most > self.limit:
            return False
        self.reserved += most
        return True

    def settle(self, most: float, reply: Reply) -> None:
        """Replace what was reserved for a request by what its reply cost."""
        self.reserved -= most
        self.spent += self.price.of(reply.prompt_tokens, reply.completion_tokens)
