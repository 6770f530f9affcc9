"""Progress of long work: a bar in a terminal, elsewhere a line every half minute with rate and time left."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Collection, Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

log = logging.getLogger(__name__)
Item = TypeVar("Item")
EVERY = 30.0  # seconds between two lines


def progress(items: Iterable[Item], what: str, unit: str, total: int | None = None) -> Iterator[Item]:
    """Yield the items while showing how far the work on them is; work of less than half a minute leaves no line.

    Args:
        items: what is worked on.
        what: the work, as in "encoding".
        unit: an item in words, as in "sample".
        total: number of items, where they don't know it themselves.
    """
    total = len(items) if total is None and isinstance(items, Collection) else total
    if sys.stderr.isatty():
        yield from tqdm(items, desc=what, unit=unit, total=total, leave=False)
        return
    start = last = time.monotonic()
    for done, item in enumerate(items):
        yield item
        now = time.monotonic()
        if now - last >= EVERY:
            last = now
            log.info("%s", line(what, unit, done + 1, total, now - start))


def line(what: str, unit: str, done: int, total: int | None, seconds: float) -> str:
    """Return "encoding: 50,000 of 158,000 samples (32%), 900 a second, 2 min left"."""
    rate = done / seconds
    if not total:
        return f"{what}: {done:,} {unit}s, {rate:,.0f} a second"
    left = (total - done) / rate
    time_left = f"{left / 60:.0f} min" if left >= 60 else f"{left:.0f} s"
    return f"{what}: {done:,} of {total:,} {unit}s ({done / total:.0%}), {rate:,.0f} a second, {time_left} left"
