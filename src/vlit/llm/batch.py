"""OpenAI's batch files: half the price, an answer within a day, no connection from this machine.

The first run writes the requests; once the result files are in the folder of results, the same command continues.
Format: one request per line, `{custom_id, method, url, body}`, and one result per line,
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
from vlit.llm.request import ChatRequest, Price, Reply, chat_body, completion

log = logging.getLogger(__name__)
URL = "/v1/chat/completions"


@dataclass(frozen=True)
class BatchModel:
    """A model that answers batch files of requests with files of results.

    Attributes:
        model: name of the model at the server.
        folder: folder of the requests, `requests-000.jsonl` ...; results are read from `folder/results/*.jsonl`.
        price: price of its tokens in batches.
        most_requests: requests per file; 50,000 at OpenAI.
        most_bytes: bytes per file; 200 MB at OpenAI.
    """

    model: str
    folder: str | Path
    price: Price = field(default_factory=Price)
    most_requests: int = 50_000
    most_bytes: int = 200_000_000

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model

    def body(self, request: ChatRequest) -> dict[str, Any]:
        """Return the body of a line: the same as a server is sent, so that both share the cache."""
        return chat_body(request, self.model)

    def answer(self, requests: Mapping[str, ChatRequest], cache: ReplyCache) -> None:
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

    def _write(self, requests: Mapping[str, ChatRequest]) -> list[Path]:
        paths: list[Path] = []
        lines: list[str] = []
        size = 0

        def finish() -> None:
            paths.append(Path(self.folder) / f"requests-{len(paths):03d}.jsonl")
            write_text(paths[-1], "".join(lines))

        for key, request in requests.items():
            line = {"custom_id": key, "method": "POST", "url": URL, "body": self.body(request)}
            text = json.dumps(line) + "\n"
            if lines and (len(lines) == self.most_requests or size + len(text) > self.most_bytes):
                finish()
                lines, size = [], 0
            lines.append(text)
            size += len(text)
        finish()
        return paths


def _results(path: Path) -> Iterator[tuple[str, Reply]]:
    """Yield key and reply of each line; a request that the server gave up is left for the next batch."""
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                result = json.loads(line)
                key, response = result["custom_id"], result.get("response")
                if result.get("error") or not response or response["status_code"] != 200:
                    log.warning("%s:%d has no answer: its request is written again", path, number)
                    continue
                reply = completion(response["body"])
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise InputError(
                    f"{path}:{number} is no line of a batch's results ({type(error).__name__}: {error}): download the "
                    "file again"
                ) from None
            yield key, reply
