"""Any server that speaks OpenAI's chat completions (construction in the paper: GPT-3.5, section 4.2.2)."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import Random
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from vlit.common.errors import InputError
from vlit.llm.cache import ReplyCache
from vlit.llm.request import ChatRequest, Pacer, Price, Reply, SpendingLimit, chat_body, completion, most_tokens
from vlit.llm.secrets import Scrubber

if TYPE_CHECKING:
    from openai import AsyncOpenAI

log = logging.getLogger(__name__)
FATAL = {401: "the key is refused", 403: "access is refused", 404: "there is no such model or address"}
NOT_CONNECTED = ("ConnectError", "ConnectTimeout")  # of httpx: no connection was made at all


class _TransientError(Exception):
    """The request may succeed if it is sent again, after so many seconds if the server says so."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


class _UnreachableError(_TransientError):
    """There was no server to send the request to."""


class _RefusedError(Exception):
    """The server refuses this request, and will do so again."""


@dataclass(frozen=True)
class ServerModel:
    """A model behind a server, which is sent many requests at a time.

    Attributes:
        model: name of the model at the server.
        price: price of its tokens.
        base_url: address of the server, with `/v1`; None is OpenAI's.
        key_variable: environment variable with the key, which is read when it is used and kept nowhere; None: no key.
        concurrency: requests under way at the same time.
        timeout: seconds a request may take.
        attempts: how often a request is sent before it has failed for good.
        backoff: seconds before the second attempt, doubled for each further one up to `longest_wait`.
        longest_wait: seconds between two attempts at most.
        requests_per_minute: rate limit; None is none.
        tokens_per_minute: rate limit, prompt and completion together; None is none.
        budget: dollars at which the job stops, those of earlier runs included; None is none.
        give_up_after: failures with no success in between that mean that the server is down.
    """

    model: str
    price: Price = field(default_factory=Price)
    base_url: str | None = None
    key_variable: str | None = "OPENAI_API_KEY"
    concurrency: int = 16
    timeout: float = 120.0
    attempts: int = 6
    backoff: float = 1.0
    longest_wait: float = 60.0
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    budget: float | None = None
    give_up_after: int = 30

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model

    @property
    def address(self) -> str:
        """The server as messages name it."""
        return self.base_url or "OpenAI"

    def body(self, request: ChatRequest) -> dict[str, Any]:
        """Return what a reply depends on: the body that is sent and, of another server than OpenAI's, its address.

        Two servers may have different models under one name, and batch files are OpenAI's.
        """
        body = chat_body(request, self.model)
        return body if self.base_url is None else {**body, "server": self.base_url.rstrip("/")}

    def answer(self, requests: Mapping[str, ChatRequest], cache: ReplyCache) -> None:
        """Send the requests that the cache has no reply to; a run after an interrupted one sends the rest.

        Raises:
            InputError: if there is no key, the server refuses it or is down, or the budget is used up.
        """
        missing = {key: request for key, request in requests.items() if key not in cache}
        if not missing:
            return
        secret = (os.environ.get(self.key_variable) or "").strip() if self.key_variable else "none"
        if not secret:
            raise InputError(f"no key in the environment: export {self.key_variable}=... (any word for a local server)")
        if not (secret.isascii() and secret.isprintable()):
            raise InputError(
                f"{self.key_variable} is no key: it has characters that no header may have; export it again"
            )
        known = (cache.get(each) for each in requests if each not in missing)
        spent = sum(self.price.of(reply.prompt_tokens, reply.completion_tokens) for reply in known if reply)
        money = SpendingLimit(self.price, self.budget, spent)
        job = _Job(self, secret, missing, cache, money)
        asyncio.run(job.run())
        if job.unreached:
            raise InputError(
                f"no server at {self.address} ({job.unreached} of {len(requests)} requests could not connect): start "
                "it, then run the same command to continue; what was answered is kept"
            )
        unsent = sum(each not in cache for each in missing)
        if unsent:
            raise InputError(
                f"the budget of ${self.budget} is used up (${money.spent:.4f} spent), {unsent} of {len(requests)} "
                "requests are left: raise the budget to continue from here, or ask about fewer samples"
            )


@dataclass
class _Job:
    """One run: workers that take requests from a common list.

    Attributes:
        failures: replies with an error since the last success, which are not in the cache yet.
        failed_in_a_row: number of requests that failed since the last success.
        unreached: requests that no attempt found a server for; they are never put into the cache.
        retries: requests sent again.
    """

    model: ServerModel
    secret: str
    missing: Mapping[str, ChatRequest]
    cache: ReplyCache
    money: SpendingLimit
    failures: dict[str, Reply] = field(default_factory=dict)
    failed_in_a_row: int = 0
    unreached: int = 0
    retries: int = 0

    def __post_init__(self) -> None:
        self.scrub = Scrubber(self.secret)  # should a server repeat the key
        self.requests = Pacer(self.model.requests_per_minute)
        self.tokens = Pacer(self.model.tokens_per_minute)

    async def run(self) -> None:
        from openai import AsyncOpenAI, DefaultAioHttpClient  # a second to import: only where a request is sent

        client = AsyncOpenAI(
            api_key=self.secret,
            base_url=self.model.base_url,
            timeout=self.model.timeout,
            max_retries=0,
            http_client=DefaultAioHttpClient(),  # by aiohttp: little more than half the time a request of the default
        )
        with tqdm(total=len(self.missing), desc=self.model.name, unit="request", disable=None) as progress:
            waiting = iter(self.missing.items())
            async with client:
                workers = [
                    asyncio.create_task(self._work(client, waiting, progress)) for _ in range(self.model.concurrency)
                ]
                try:
                    await asyncio.gather(*workers)
                finally:
                    for worker in workers:
                        worker.cancel()
                    await asyncio.gather(*workers, return_exceptions=True)
        self._store_failures()
        log.info("%d requests sent again; $%.4f spent on this job", self.retries, self.money.spent)

    async def _work(self, client: AsyncOpenAI, waiting: Iterator[tuple[str, ChatRequest]], progress: tqdm) -> None:
        for key, request in waiting:
            prompt, written = most_tokens(request)
            most = self.money.price.of(prompt, written)
            if not self.money.reserve(most):
                return
            try:
                reply = await self._reply(client, chat_body(request, self.model.model), Random(key), prompt + written)
            except _UnreachableError as failure:
                reply = Reply(error=str(failure))
                self.unreached += 1
            else:
                self._store(key, reply)
            self.money.settle(most, reply)
            self._check_failures(reply)
            progress.update()
            progress.set_postfix_str(f"${self.money.spent:.3f}", refresh=False)

    def _store(self, key: str, reply: Reply) -> None:
        """Put a reply into the cache; a failure only once a request has succeeded after it, or at the end.

        Where no request succeeds any more, the server is to blame and not the requests.
        """
        if reply.error is None:
            self.cache.put(key, reply)
            self._store_failures()
        else:
            self.failures[key] = reply

    def _store_failures(self) -> None:
        for key, failure in self.failures.items():
            self.cache.put(key, failure)
        self.failures.clear()

    def _check_failures(self, reply: Reply) -> None:
        self.failed_in_a_row = 0 if reply.error is None else self.failed_in_a_row + 1
        if self.failed_in_a_row >= self.model.give_up_after:
            raise InputError(
                f"the last {self.failed_in_a_row} requests have failed ({reply.error}): check the server at "
                f"{self.model.address}, then run the same command to continue"
            )

    async def _reply(self, client: AsyncOpenAI, body: dict[str, Any], rng: Random, tokens: int) -> Reply:
        """Send a request until it is answered, refused, or has failed too often.

        A server that gives fewer choices than were asked for is asked for the rest.

        Raises:
            _UnreachableError: if the last attempt found no server.
        """
        wanted = int(body["n"])
        received: list[Reply] = []
        for attempt in range(1, self.model.attempts + 1):
            await self.requests.take()
            await self.tokens.take(tokens)
            try:
                received.append(await self._send(client, {**body, "n": wanted - _texts(received)}))
                if _texts(received) >= wanted:
                    return _joined(received, wanted)
                raise _TransientError(f"{_texts(received)} of {wanted} choices")
            except _RefusedError as refused:
                return Reply(error=str(refused))
            except _TransientError as failure:
                if attempt == self.model.attempts:
                    if received:
                        return _joined(received, wanted)  # fewer than asked for, as the manifest of the job shows
                    if isinstance(failure, _UnreachableError):
                        raise
                    return Reply(error=f"{failure} (attempt {attempt})")
                self.retries += 1
                wait = self.model.backoff * 2 ** (attempt - 1) * rng.uniform(0.5, 1.5)
                await asyncio.sleep(min(self.model.longest_wait, max(wait, failure.after or 0.0)))
        raise AssertionError("attempts is at least 1")

    async def _send(self, client: AsyncOpenAI, body: dict[str, Any]) -> Reply:
        import openai

        try:
            # Not `chat.completions.create`, whose checking of a long list of messages takes more time than the rest.
            # The client's own time-out starts again with every byte.
            sent = client.post("/chat/completions", cast_to=str, body=body)
            content = await asyncio.wait_for(sent, self.model.timeout)
        except TimeoutError:
            raise _TransientError("timed out") from None
        except openai.APIConnectionError as error:  # a time-out is one of them, and so is a refused connection
            if type(error.__cause__).__name__ in NOT_CONNECTED:
                raise _UnreachableError("no connection") from None
            timed_out = isinstance(error, openai.APITimeoutError)
            raise _TransientError("timed out" if timed_out else "connection failed") from None
        except openai.APIStatusError as error:
            raise self._status_error(error) from None
        try:
            reply = completion(json.loads(content))
        except json.JSONDecodeError:
            raise _TransientError("the answer is no chat completion") from None
        except ValueError as error:
            why = self.scrub(str(error))
            raise _TransientError(why if why.startswith("no chat") else f"an error with status 200: {why}") from None
        texts = [self.scrub(text) for text in reply.texts]
        if not any(text.strip() for text in texts):
            raise _TransientError("empty reply")
        return replace(reply, texts=texts, finish=[self.scrub(text) for text in reply.finish])

    def _status_error(self, error: Any) -> Exception:
        status = int(error.status_code)
        if status in FATAL:
            return InputError(
                f"the server at {self.model.address} answers {status}, {FATAL[status]}: check its address, the model "
                f"{self.model.model} and the key in {self.model.key_variable}"
            )
        if status == 429 and error.code == "insufficient_quota":
            return InputError("the server answers 429, the account's quota is used up: run the same command later")
        if status in (408, 409, 429) or status >= 500:
            return _TransientError(f"status {status}", _seconds(error.response.headers.get("retry-after")))
        return _RefusedError(f"status {status}: {self.scrub(str(error.message))[:200]}")


def _seconds(header: str | None) -> float | None:
    """Return the seconds that `Retry-After` asks for, which may also be a date."""
    if not header:
        return None
    with suppress(ValueError):
        return max(0.0, float(header))
    with suppress(ValueError, TypeError):
        return max(0.0, (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds())
    return None


def _texts(received: list[Reply]) -> int:
    return sum(len(reply.texts) for reply in received)


def _joined(received: list[Reply], wanted: int) -> Reply:
    """Return several answers to one request as one; more choices than wanted are left out."""
    return Reply(
        [text for reply in received for text in reply.texts][:wanted],
        [text for reply in received for text in reply.finish][:wanted],
        sum(reply.prompt_tokens for reply in received),
        sum(reply.completion_tokens for reply in received),
    )
