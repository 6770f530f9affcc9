"""Generation without a language model: conversations from the facts of mini-world images, with planted errors.

It has the interface of a language model's client, and its replies go through the same parser and rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from tqdm import tqdm

from vlit.common.errors import InputError
from vlit.common.files import write_jsonl
from vlit.construct.prompts import Request, in_format
from vlit.llm.cache import ReplyCache
from vlit.llm.request import Price, Reply
from vlit.mini.datasets.conversations import PLANTED, Conversation, PlantedError, plant_errors
from vlit.mini.datasets.image_facts import ImageFacts
from vlit.mini.datasets.ours import GlobalWriter, NegativeWriter, RegionWriter


@dataclass(frozen=True)
class OfflineGenerator:
    """Writes candidates from annotations.

    Attributes:
        n: number of candidates per request.
        error_rate: share of the candidates with a wrong answer.
        malformed_rate: share of the candidates that are not in the format.
        seed: seed of everything random; what is drawn for a request does not depend on the other requests.
        side_file: folder for the record of planted errors, for people; nothing reads it.
    """

    n: int
    error_rate: float
    malformed_rate: float
    seed: int
    side_file: str | Path

    def __post_init__(self) -> None:
        if self.n < 1 or not 0 <= self.error_rate <= 1 or not 0 <= self.malformed_rate <= 1:
            raise InputError(f"{self}: n must be at least 1, error_rate and malformed_rate between 0 and 1")

    @property
    def name(self) -> str:
        """Name in the place of a model's."""
        return "offline"

    @property
    def price(self) -> Price:
        """The price of a reply: none."""
        return Price()

    def body(self, request: Request) -> dict[str, Any]:
        """The request with everything a candidate is drawn by.

        Raises:
            InputError: if it is no request of construction: a question about data, say.
        """
        if not isinstance(request, Request):
            raise InputError("llm=offline writes conversations only: choose llm=server, batch, local or none")
        return {
            "model": self.name,
            "request": request.id,
            "messages": list(request.messages),
            "n": self.n,
            "error_rate": self.error_rate,
            "malformed_rate": self.malformed_rate,
            "seed": self.seed,
        }

    def answer(self, requests: Mapping[str, Request], cache: ReplyCache) -> None:
        """Write the replies that are not in the cache, and the record of planted errors in all of them."""
        planted: list[PlantedError] = []
        for key, request in tqdm(requests.items(), desc="writing", leave=False, disable=None):
            texts, errors = self._written(request)
            planted += errors
            if key not in cache:
                failed = Reply(error="the annotations are too few for a conversation")
                cache.put(key, Reply(texts, ["stop"] * len(texts)) if texts else failed)
        write_jsonl(Path(self.side_file) / PLANTED, (error.record() for error in planted))

    def _written(self, request: Request) -> tuple[list[str], list[PlantedError]]:
        rng = Random(f"offline/{self.seed}/{request.id}")
        facts = ImageFacts(request.image)
        right = [one for _ in range(self.n) if (one := _conversation(request, facts, rng))]
        ids = [f"{request.id}/{number}" for number in range(len(right))]
        spoiled, planted = plant_errors(right, ids, self.error_rate, rng)
        texts = [in_format([(each.instruction, each.response) for each in one.exchanges]) for one in spoiled]
        return [_damaged(text, rng) if rng.random() < self.malformed_rate else text for text in texts], planted


def _conversation(request: Request, facts: ImageFacts, rng: Random) -> Conversation | None:
    if request.region is not None:
        return RegionWriter().about(request.region, facts, rng)
    return NegativeWriter()(facts, rng) if request.variant.file == "negative" else GlobalWriter()(facts, rng)


def _damaged(text: str, rng: Random) -> str:
    """Return a text out of format as models write it: wrong quotes, a fence, text around it, an end that is cut off."""
    damage = rng.randrange(5)
    if damage == 0:
        return text.replace('"', "'")
    if damage == 1:
        return f"```json\n{text}\n```"
    if damage == 2:
        return f"Sure! Here is the conversation:\n{text}\nI hope it is of use."
    return text[: rng.randrange(len(text))] if damage == 3 else ""
