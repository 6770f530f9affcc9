"""Servers answer in ways of their own: each has an outcome, and none is a traceback."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from vlit.common.errors import InputError
from vlit.llm.cache import CachedModel, ReplyCache
from vlit.llm.request import Prompt, RequestFailed, Sampling, completion, key_of
from vlit.llm.server import ServerModel, _seconds

Answer = Callable[[dict, int], tuple[int, bytes]]


def choices(*contents: object, **more: object) -> bytes:
    listed = [{"message": {"role": "assistant", "content": one}, "finish_reason": "stop"} for one in contents]
    return json.dumps({"choices": listed, **more}).encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append(body)  # type: ignore[attr-defined]
        status, content = self.server.answer(body, len(self.server.bodies))  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.server.drip:  # type: ignore[attr-defined]
            for byte in content:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                time.sleep(0.1)
        else:
            self.wfile.write(content)


@pytest.fixture
def web() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.bodies, server.drip, server.daemon_threads = [], False, True  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


def model(web: ThreadingHTTPServer, **more: object) -> ServerModel:
    settings = {"key_variable": None, "attempts": 3, "backoff": 0.01, "concurrency": 2, **more}
    return ServerModel("m", base_url=f"http://127.0.0.1:{web.server_port}/v1", **settings)  # type: ignore[arg-type]


def replies(web: ThreadingHTTPServer, folder: Path, answer: Answer, n: int = 1, **more: object):
    web.answer = answer  # type: ignore[attr-defined]
    prompt, server = Prompt("s", "t", Sampling(0.5, n, 10)), model(web, **more)
    with ReplyCache(folder / "replies.sqlite") as cache:
        server.answer({"k": prompt}, cache)
        return cache.get("k")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([{"type": "text", "text": "a "}, {"type": "text", "text": "cat"}], "a cat"),
        ("<think>It is a dog.\nNo.</think>\n\na cat", "a cat"),
        ("<thinking>hm</thinking>a cat", "a cat"),
        ("half \ud83d a pair", "half \ufffd a pair"),
        ("1 < 2 <think> later", "1 < 2 <think> later"),
    ],
)
def test_texts_come_in_many_shapes(web: ThreadingHTTPServer, tmp_path: Path, content: object, text: str) -> None:
    found = replies(web, tmp_path, lambda body, time: (200, choices(content, usage={"prompt_tokens": None})))
    assert (found.error, list(found.texts), found.prompt_tokens) == (None, [text], 0)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b'{"error": {"message": "overloaded"}}', "an error with status 200: overloaded"),
        (b"<html>login</html>", "no chat completion"),
        (b"null", "no chat completion"), (b"", "no chat completion"), (b'{"choices": null}', "no chat completion"),
        (choices(None), "empty reply"), (choices(3), "no chat completion"), (choices(), "empty reply"),
        (choices("<think>and so on"), "empty reply"), (b'{"choices": [{"message": null}]}', "no chat completion"),
        (b'data: {"choices": []}\n\ndata: [DONE]\n', "no chat completion"),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_a_failed_request_with_its_reason(
    web: ThreadingHTTPServer, tmp_path: Path, content: bytes, fault: str
) -> None:
    found = replies(web, tmp_path, lambda body, time: (200, content))
    assert fault in found.error and len(web.bodies) == 3  # type: ignore[attr-defined]


def test_fewer_choices_than_asked_for_are_asked_for_until_there_are_all(
    web: ThreadingHTTPServer, tmp_path: Path
) -> None:
    found = replies(web, tmp_path, lambda body, time: (200, choices(f"text {time}")), n=3)
    assert list(found.texts) == ["text 1", "text 2", "text 3"]
    assert [body["n"] for body in web.bodies] == [3, 2, 1]  # type: ignore[attr-defined]
    more = replies(web, tmp_path / "more", lambda body, time: (200, choices(*"abcdef")), n=2)
    assert list(more.texts) == ["a", "b"]


def test_a_byte_now_and_then_is_a_time_out(web: ThreadingHTTPServer, tmp_path: Path) -> None:
    web.drip = True  # type: ignore[attr-defined]
    started = time.monotonic()
    found = replies(web, tmp_path, lambda body, time: (200, choices("a" * 200)), timeout=0.5, attempts=2)
    assert found.error == "timed out (attempt 2)" and time.monotonic() - started < 10


def test_retry_after_is_seconds_or_a_date() -> None:
    later = datetime.now(UTC) + timedelta(seconds=30)
    assert _seconds("2.5") == 2.5 and _seconds(None) is None and _seconds("soon") is None and _seconds("-3") == 0
    assert 25 < (_seconds(format_datetime(later, usegmt=True)) or 0) <= 30
    assert _seconds(format_datetime(later - timedelta(hours=1), usegmt=True)) == 0


@pytest.mark.parametrize("key", ["a key\nwith a line", "schlüssel", "\x07bell"])
def test_a_key_that_no_header_may_have_is_one_line_without_the_key(
    web: ThreadingHTTPServer, tmp_path: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_KEY", key)
    with pytest.raises(InputError, match="THE_KEY is no key") as refused:
        replies(web, tmp_path, lambda body, time: (200, choices("a")), key_variable="THE_KEY")
    assert key not in str(refused.value) and not web.bodies  # type: ignore[attr-defined]


def test_the_key_is_in_no_reply_whatever_the_server_repeats(
    web: ThreadingHTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_KEY", "sk-0123456789abcdef\n")
    echoed = lambda body, time: (200, choices("you sent sk-0123456789abcdef and sk-0123456789"))  # noqa: E731
    found = replies(web, tmp_path, echoed, key_variable="THE_KEY")
    assert "0123456789" not in str(found)


def test_a_fault_of_the_server_is_not_kept_for_good(web: ThreadingHTTPServer, tmp_path: Path) -> None:
    asked = [Prompt("s", "t", Sampling(0.5, 1, 10))]
    web.answer = lambda body, time: (400, b'{"error": {"message": "no such thing"}}')  # type: ignore[attr-defined]
    first = CachedModel(model(web), tmp_path / "r.sqlite", Sampling(0.5, 1, 10))
    assert isinstance(first(asked)[0], RequestFailed)
    assert isinstance(first(asked)[0], RequestFailed) and len(web.bodies) == 1  # type: ignore[attr-defined]
    web.answer = lambda body, time: (200, choices("a cat"))  # type: ignore[attr-defined]
    assert CachedModel(model(web), tmp_path / "r.sqlite", Sampling(0.5, 1, 10))(asked) == ["a cat"]


def test_servers_of_other_addresses_have_other_keys_and_openai_the_former_ones() -> None:
    prompt = Prompt("s", "t", Sampling(0.5, 1, 10))
    one, other, openai = (ServerModel("m", base_url=url) for url in ("http://a/v1", "http://b/v1", None))
    assert len({key_of(each.body(prompt)) for each in (one, other, openai)}) == 3
    assert "server" not in openai.body(prompt)
    assert one.body(prompt) == ServerModel("m", base_url="http://a/v1/").body(prompt)


def test_completion_names_what_it_lacks() -> None:
    with pytest.raises(ValueError, match="no chat completion"):
        completion({"choices": [{}]})
