"""Generation without a language model: conversations out of the facts of mini-world images, with planted errors.

It stands behind the same interface as a server, and its replies go through the same parser and rules.
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
from vlit.llm.limits import Price
from vlit.llm.request import Reply
from vlit.mini.datasets.exchange import Conversation
from vlit.mini.datasets.facts import ImageFacts
from vlit.mini.datasets.ours import GlobalSpeaker, NegativeSpeaker, RegionSpeaker
from vlit.mini.datasets.planted import PLANTED, PlantedError, plant_errors


@dataclass(frozen=True)
class OfflineGenerator:
    """Writes candidates from annotations.

    Attributes:
        n: candidates a request.
        error_rate: share of the candidates with a wrong answer.
        malformed_rate: share of the candidates that miss the format.
        seed: of all draws; those of a request don't depend on the other requests.
        side_file: folder that receives the record of planted errors, for people; nothing reads it.
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
        """Nothing."""
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
        """Write all replies; those in the cache already come out the same again."""
        planted: list[PlantedError] = []
        for key, request in tqdm(requests.items(), desc="writing", leave=False, disable=None):
            texts, errors = self._written(request)
            planted += errors
            if key not in cache:
                reply = (
                    Reply(texts, ["stop"] * len(texts)) if texts else Reply(error="the annotations carry too little")
                )
                cache.put(key, reply)
        write_jsonl(Path(self.side_file) / PLANTED, (error.record() for error in planted))

    def _written(self, request: Request) -> tuple[list[str], list[PlantedError]]:
        rng = Random(f"offline/{self.seed}/{request.id}")
        facts = ImageFacts(request.image)
        held = [one for _ in range(self.n) if (one := _conversation(request, facts, rng))]
        ids = [f"{request.id}/{number}" for number in range(len(held))]
        spoilt, planted = plant_errors(held, ids, self.error_rate, rng)
        texts = [in_format([(each.instruction, each.response) for each in one.exchanges]) for one in spoilt]
        return [_damaged(text, rng) if rng.random() < self.malformed_rate else text for text in texts], planted


def _conversation(request: Request, facts: ImageFacts, rng: Random) -> Conversation | None:
    if request.region is not None:
        return RegionSpeaker().about(request.region, facts, rng)
    return NegativeSpeaker()(facts, rng) if request.variant.file == "negative" else GlobalSpeaker()(facts, rng)


def _damaged(text: str, rng: Random) -> str:
    """As models miss the format: quotes of the wrong kind, a fence, text around it, an end that is cut off."""
    damage = rng.randrange(5)
    if damage == 0:
        return text.replace('"', "'")
    if damage == 1:
        return f"```json\n{text}\n```"
    if damage == 2:
        return f"Sure! Here is the conversation:\n{text}\nI hope it is of use."
    return text[: rng.randrange(len(text))] if damage == 3 else ""
