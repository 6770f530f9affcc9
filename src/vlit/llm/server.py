"""Generation by any server that speaks OpenAI's chat completions (the paper: GPT-3.5, section 4.2.2)."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from vlit.common.errors import InputError
from vlit.llm.cache import ReplyCache
from vlit.llm.request import Asked, Budget, Pacer, Price, Reply, chat_body, completion

if TYPE_CHECKING:
    from openai import AsyncOpenAI

log = logging.getLogger(__name__)
CHARACTERS_A_TOKEN = 3  # a low guess, so that limits are kept rather than passed
HOPELESS = {401: "the key is refused", 403: "access is refused", 404: "there is no such model or address"}


class _TransientError(Exception):
    """The request may succeed if it is sent again, after so many seconds if the server says so."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


class _RefusedError(Exception):
    """The server refuses this request, and will do so again."""


@dataclass(frozen=True)
class ServerGenerator:
    """Sends requests to a server, many at a time.

    Attributes:
        model: its name at the server.
        temperature: 0.8 in the paper.
        n: candidates a request; 5 in the paper.
        max_tokens: of a candidate.
        price: of the model.
        base_url: of the server; None is OpenAI's.
        key_variable: environment variable that holds the key. The key is read when it is used and kept nowhere.
        concurrency: requests under way at the same time.
        timeout: seconds a request may take.
        attempts: how often a request is sent before it has failed for good.
        backoff: seconds before the second attempt, doubled for each further one up to `longest_wait`.
        longest_wait: seconds between two attempts at most.
        requests_per_minute: rate limit; None is none.
        tokens_per_minute: rate limit, prompt and completion together; None is none.
        budget: dollars at which the job stops, those of earlier runs included; None is none.
        give_up_after: so many failures with no success in between mean that the server is down.
    """

    model: str
    temperature: float
    n: int
    max_tokens: int
    price: Price = field(default_factory=Price)
    base_url: str | None = None
    key_variable: str = "OPENAI_API_KEY"
    concurrency: int = 16
    timeout: float = 120.0
    attempts: int = 6
    backoff: float = 1.0
    longest_wait: float = 60.0
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    budget: float | None = None
    give_up_after: int = 30

    def body(self, request: Asked) -> dict[str, Any]:
        """The body that is sent."""
        return chat_body(request, self.model, self.temperature, self.n, self.max_tokens)

    def answer(self, requests: Mapping[str, Asked], cache: ReplyCache) -> None:
        """Ask for what the cache lacks; started again, goes on where it stopped.

        Raises:
            InputError: if there is no key, the server refuses it or is down, or the budget is used up.
        """
        missing = {key: request for key, request in requests.items() if key not in cache}
        if not missing:
            return
        key = os.environ.get(self.key_variable)
        if not key:
            raise InputError(f"no key in the environment: export {self.key_variable}=... (any word for a local server)")
        held = (cache.get(each) for each in requests if each not in missing)
        spent = sum(self.price.of(reply.prompt_tokens, reply.completion_tokens) for reply in held if reply)
        budget = Budget(self.price, self.budget, spent)
        asyncio.run(_Job(self, key, missing, cache, budget).run())
        unasked = sum(each not in cache for each in missing)
        if unasked:
            raise InputError(
                f"the budget of ${self.budget} is used up (${budget.spent:.4f} spent), {unasked} of {len(requests)} "
                "requests are left: raise the budget to go on from here, or lower images="
            )


class _Job:
    """One run: workers that take requests from a common list."""

    def __init__(
        self, spec: ServerGenerator, key: str, missing: Mapping[str, Asked], cache: ReplyCache, budget: Budget
    ) -> None:
        self.spec = spec
        self.key = key
        self.missing = missing
        self.cache = cache
        self.budget = budget
        self.requests = Pacer(spec.requests_per_minute)
        self.tokens = Pacer(spec.tokens_per_minute)
        self.failures: dict[str, Reply] = {}  # since the last success; not in the cache yet
        self.retries = 0

    async def run(self) -> None:
        from openai import AsyncOpenAI, DefaultAioHttpClient  # a second to import: only where a server is asked

        client = AsyncOpenAI(
            api_key=self.key,
            base_url=self.spec.base_url,
            timeout=self.spec.timeout,
            max_retries=0,
            http_client=DefaultAioHttpClient(),  # by aiohttp: little more than half the time a request of the default
        )
        with tqdm(total=len(self.missing), desc=f"asking {self.spec.model}", unit="request", disable=None) as progress:
            waiting = iter(self.missing.items())
            async with client:
                workers = [
                    asyncio.create_task(self._work(client, waiting, progress)) for _ in range(self.spec.concurrency)
                ]
                try:
                    await asyncio.gather(*workers)
                finally:
                    for worker in workers:
                        worker.cancel()
                    await asyncio.gather(*workers, return_exceptions=True)
        self._keep_failures()
        log.info("%d requests sent again; $%.4f spent on this job", self.retries, self.budget.spent)

    async def _work(self, client: AsyncOpenAI, waiting: Iterator[tuple[str, Asked]], progress: tqdm) -> None:
        for key, request in waiting:
            body = self.spec.body(request)
            prompt = len(json.dumps(body["messages"])) // CHARACTERS_A_TOKEN
            written = self.spec.n * self.spec.max_tokens
            most = self.budget.price.of(prompt, written)
            if not self.budget.admits(most):
                return
            reply = await self._ask(client, body, Random(key), prompt + written)
            self.budget.settle(most, reply)
            self._keep(key, reply)
            progress.update()
            progress.set_postfix_str(f"${self.budget.spent:.3f}", refresh=False)

    def _keep(self, key: str, reply: Reply) -> None:
        """Put a reply into the cache; a failure only once something has succeeded after it, or at the end.

        Where nothing succeeds any more the server is to blame, and its failures are not held against the requests.
        """
        if reply.error is None:
            self.cache.put(key, reply)
            self._keep_failures()
            return
        self.failures[key] = reply
        if len(self.failures) >= self.spec.give_up_after:
            raise InputError(
                f"the last {len(self.failures)} requests have failed ({reply.error}): see to the server at "
                f"{self.spec.base_url or 'OpenAI'}, then run the same command to go on"
            )

    def _keep_failures(self) -> None:
        for key, failure in self.failures.items():
            self.cache.put(key, failure)
        self.failures.clear()

    async def _ask(self, client: AsyncOpenAI, body: dict[str, Any], rng: Random, tokens: int) -> Reply:
        """Send a request until it is answered, refused, or has failed too often."""
        for attempt in range(1, self.spec.attempts + 1):
            await self.requests.take()
            await self.tokens.take(tokens)
            try:
                return await self._send(client, body)
            except _RefusedError as refused:
                return Reply(error=str(refused))
            except _TransientError as failure:
                if attempt == self.spec.attempts:
                    return Reply(error=f"{failure}, {attempt} times")
                self.retries += 1
                wait = self.spec.backoff * 2 ** (attempt - 1) * rng.uniform(0.5, 1.5)
                await asyncio.sleep(min(self.spec.longest_wait, max(wait, failure.after or 0.0)))
        raise AssertionError("attempts is at least 1")

    async def _send(self, client: AsyncOpenAI, body: dict[str, Any]) -> Reply:
        import openai

        try:
            # Not `chat.completions.create`, whose checking of a long list of messages takes more time than the rest.
            content = await client.post("/chat/completions", cast_to=str, body=body)
        except openai.APITimeoutError:
            raise _TransientError("timed out") from None
        except openai.APIConnectionError:
            raise _TransientError("connection failed") from None
        except openai.APIStatusError as error:
            raise self._judged(error) from None
        return self._reply(content)

    def _judged(self, error: Any) -> Exception:
        status = int(error.status_code)
        if status in HOPELESS:
            return InputError(
                f"the server answers {status}: {HOPELESS[status]}; check {self.spec.key_variable}, model and base_url"
            )
        if status == 429 and error.code == "insufficient_quota":
            return InputError(
                "the server answers 429: the account's quota is used up; nothing is lost, run again later"
            )
        if status in (408, 409, 429) or status >= 500:
            return _TransientError(f"status {status}", _seconds(error.response.headers.get("retry-after")))
        return _RefusedError(f"status {status}: {self._scrubbed(str(error.message))[:200]}")

    def _reply(self, content: str) -> Reply:
        try:
            reply = completion(json.loads(content))
        except ValueError:
            raise _TransientError("garbage in place of an answer") from None
        texts = [self._scrubbed(text) for text in reply.texts]
        if not any(text.strip() for text in texts):
            raise _TransientError("empty answer")
        return replace(reply, texts=texts)

    def _scrubbed(self, text: str) -> str:
        """Without the key, should a server repeat it."""
        return text.replace(self.key, "[key]") if len(self.key) > 7 else text


def _seconds(header: str | None) -> float | None:
    try:
        return float(header) if header else None
    except ValueError:
        return None  # a date: our own waiting time does as well
