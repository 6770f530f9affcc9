"""What holds requests back: rate limits and the budget."""

from __future__ import annotations

import asyncio
import time

from vlit.construct.generate.reply import Price, Reply


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
