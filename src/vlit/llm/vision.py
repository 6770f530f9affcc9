"""A language model behind an OpenAI-compatible server, with or without eyes: vLLM, Ollama, llama.cpp, OpenAI itself."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import openai
from PIL import Image

from vlit.common.errors import InputError
from vlit.quality.statistics import MeasureFault


class ChatServer:
    """Asks one question at a time and keeps the replies.

    Args:
        base_url: the server, with `/v1`.
        model: its name there.
        replies: file of the kept replies.
        temperature: above 0 where a question is asked several times.
        max_tokens: of a reply.
        timeout: seconds for one request.
        retries: of a request that fails for the moment (5xx, 429, timeouts).
        key_variable: the environment variable that holds the key; local servers need none.
    """

    def __init__(
        self, base_url: str, model: str, replies: str | Path, temperature: float = 0.7, max_tokens: int = 64,
        timeout: float = 120, retries: int = 3, key_variable: str = "OPENAI_API_KEY",
    ) -> None:  # fmt: skip
        self.key = f"{model}|{temperature}|{max_tokens}"
        self.model, self.temperature, self.max_tokens = model, temperature, max_tokens
        self.base_url, self.replies = base_url, ReplyCache(replies)
        self.client = openai.OpenAI(
            base_url=base_url, api_key=os.environ.get(key_variable) or "none", timeout=timeout, max_retries=retries
        )

    def __call__(self, system: str, text: str, image: Image.Image | None = None, seed: int = 0) -> str:
        """The reply to a question.

        Raises:
            MeasureFault: the server failed on this question, after retries, or replied nothing.
            InputError: nobody is there, or the server refuses all (wrong key, unknown model): the run stops, and what
                was asked so far is kept.
        """
        picture = _data_url(image) if image is not None else None
        asked = [self.key, system, text, picture, seed]
        return self.replies.get(asked, lambda: self._ask(system, text, picture, seed))

    def _ask(self, system: str, text: str, picture: str | None, seed: int) -> str:
        parts: list[dict[str, object]] = [{"type": "text", "text": text}]
        if picture is not None:
            parts.insert(0, {"type": "image_url", "image_url": {"url": picture}})
        content = parts if picture is not None else text
        try:
            answer = self.client.chat.completions.create(
                model=self.model,
                messages=[{"role": "system", "content": system}, {"role": "user", "content": content}],  # type: ignore
                temperature=self.temperature,
                max_tokens=self.max_tokens,
                seed=seed,
            )
        except (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError) as error:
            raise InputError(f"{self.base_url} refuses ({error.status_code}) model {self.model}: check both") from None
        except openai.APITimeoutError:
            raise MeasureFault("server timed out") from None
        except openai.APIConnectionError as error:
            raise InputError(f"no server at {self.base_url} ({error}): start it; the same command goes on") from None
        except openai.APIStatusError as error:
            raise MeasureFault(f"server failed ({error.status_code})") from None
        reply = answer.choices[0].message.content if answer.choices else None
        if not reply or not reply.strip():
            raise MeasureFault("empty reply")
        return reply


def _data_url(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


class ReplyCache:
    """An append-only file of replies; a last line cut off by a kill is left out and asked again."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._replies: dict[str, str] = {}
        if self.path.exists():
            content = self.path.read_bytes()
            for line in content.split(b"\n"):
                try:
                    row = json.loads(line)
                    self._replies[row["key"]] = row["reply"]
                except (ValueError, KeyError, TypeError):
                    continue
            if content and not content.endswith(b"\n"):  # or the next reply would be glued to the torn line
                with self.path.open("ab") as file:
                    file.write(b"\n")

    def get(self, asked: object, ask: Callable[[], str]) -> str:
        """The stored reply to `asked` (anything JSON can write), or `ask()`'s, which is then stored."""
        key = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
        if key not in self._replies:
            reply = ask()
            with self._lock:
                self._replies[key] = reply
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with self.path.open("ab") as file:
                    file.write((json.dumps({"key": key, "reply": reply}) + "\n").encode())
                    file.flush()
                    os.fsync(file.fileno())
        return self._replies[key]
