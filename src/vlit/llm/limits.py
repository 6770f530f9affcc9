"""Limits on requests to a paid server: a rate, and an amount of money that is never exceeded."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass

from vlit.llm.request import ChatRequest, Reply

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
