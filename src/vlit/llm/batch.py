"""Generation through OpenAI's Batch files: half the price, an answer within a day, no connection from here.

The first run writes what to ask; once the result files lie in the folder of results, the same command goes on.
Format: one request a line, `{custom_id, method, url, body}`, and one result a line,
`{custom_id, response: {status_code, body}, error}`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlit.common.errors import InputError
from vlit.common.files import write_text
from vlit.llm.cache import ReplyCache
from vlit.llm.request import Asked, Price, Reply, chat_body, completion

log = logging.getLogger(__name__)
URL = "/v1/chat/completions"


@dataclass(frozen=True)
class BatchGenerator:
    """Writes batch files of requests and reads those of results.

    Attributes:
        model: its name at the server.
        temperature: 0.8 in the paper.
        n: candidates a request; 5 in the paper.
        max_tokens: of a candidate.
        folder: receives `requests-000.jsonl` ...; results are read from `folder/results/*.jsonl`.
        price: of the model in batches.
        most_requests: in a file; 50,000 at OpenAI.
        most_bytes: of a file; 200 MB at OpenAI.
    """

    model: str
    temperature: float
    n: int
    max_tokens: int
    folder: str | Path
    price: Price = field(default_factory=Price)
    most_requests: int = 50_000
    most_bytes: int = 200_000_000

    def body(self, request: Asked) -> dict[str, Any]:
        """The body of a line: the same as a server is sent, so that both share the cache."""
        return chat_body(request, self.model, self.temperature, self.n, self.max_tokens)

    def answer(self, requests: Mapping[str, Asked], cache: ReplyCache) -> None:
        """Read results; if requests remain, write them to files and say so.

        Raises:
            InputError: if results are still to come, or a result file is in another format.
        """
        for path in sorted((Path(self.folder) / "results").glob("*.jsonl")):
            for key, reply in _results(path):
                if key in requests and key not in cache:
                    cache.put(key, reply)
        missing = [key for key in requests if key not in cache]
        for old in Path(self.folder).glob("requests-*.jsonl"):
            old.unlink()
        if missing:
            paths = self._write({key: requests[key] for key in missing})
            raise InputError(
                f"{len(missing)} requests written to {len(paths)} files ({paths[0]} ...): upload them as batches for "
                f"{URL}, put the result files into {Path(self.folder) / 'results'}, and run the same command again"
            )

    def _write(self, requests: Mapping[str, Asked]) -> list[Path]:
        parts: list[list[str]] = [[]]
        size = 0
        for key, request in requests.items():
            line = {"custom_id": key, "method": "POST", "url": URL, "body": self.body(request)}
            text = json.dumps(line) + "\n"
            if parts[-1] and (len(parts[-1]) == self.most_requests or size + len(text) > self.most_bytes):
                parts.append([])
                size = 0
            parts[-1].append(text)
            size += len(text)
        paths = [Path(self.folder) / f"requests-{number:03d}.jsonl" for number in range(len(parts))]
        for path, part in zip(paths, parts, strict=True):
            write_text(path, "".join(part))
        return paths


def _results(path: Path) -> Iterator[tuple[str, Reply]]:
    """Key and reply of each line; a request that the server gave up is left to be asked again."""
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                result = json.loads(line)
                key, response = result["custom_id"], result.get("response")
                if result.get("error") or not response or response["status_code"] != 200:
                    log.warning("%s:%d has no answer: it is asked again", path, number)
                    continue
                reply = completion(response["body"])
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise InputError(
                    f"{path}:{number} is no line of a batch's results ({type(error).__name__}: {error}): fetch it again"
                ) from None
            yield key, reply
