"""A server that is slow, fails, refuses or is not there: what is answered is kept, and what went wrong is one line."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from tests.llm.conftest import FIVE, RunningServer, prompts, server_model
from vlit.common.errors import InputError
from vlit.llm.cache import CachedModel, ReplyCache
from vlit.llm.request import (
    TOKENS_PER_IMAGE,
    Pacer,
    Price,
    Prompt,
    Reply,
    RequestFailed,
    Sampling,
    data_url,
    key_of,
    most_tokens,
)
from vlit.llm.server import ServerModel

Start = Callable[[float, float], RunningServer]
pytestmark = pytest.mark.usefixtures("key")
ONE = Sampling(0.0, 1, 50)


def waited() -> float:
    """Return the seconds this process has been ready to run and had no processor, so far."""
    return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9


@pytest.mark.parametrize("concurrency", [8, pytest.param(16, marks=pytest.mark.slow)])
def test_throughput_is_that_of_the_server(chat_server: Start, tmp_path: Path, concurrency: int) -> None:
    model = server_model(chat_server(0.0, 0.2).url, concurrency=concurrency)
    requests = {key_of(model.body(prompt)): prompt for prompt in prompts(concurrency * 25)}
    with ReplyCache(tmp_path / "warm.sqlite") as cache:
        model.answer(dict(list(requests.items())[:1]), cache)  # imports take a second that is not the requests'
    rates, denied = [], []
    for number in range(3):  # the best of three: the machine may be busy with something else
        with ReplyCache(tmp_path / f"replies{number}.sqlite") as cache:
            begun, before = time.monotonic(), waited()
            model.answer(requests, cache)
            took = time.monotonic() - begun
        rates.append(len(requests) / took / (concurrency / 0.2))
        denied.append((waited() - before) / took)
        if rates[-1] >= 0.9:
            return
    if min(denied) > 0.02:
        pytest.skip(f"other programs had the processors ({min(denied):.0%} of the time): {max(rates):.2f}")
    raise AssertionError(f"{max(rates):.2f} of {concurrency / 0.2:.0f} requests a second")


def test_the_budget_is_never_exceeded_and_earlier_runs_count(chat_server: Start, tmp_path: Path) -> None:
    server = chat_server(0.0, 0.0)
    each = Price(1.0, 2.0).of(100, 250)
    model = CachedModel(server_model(server.url, budget=20 * each), tmp_path / "replies.sqlite", FIVE)
    for _ in range(2):
        with pytest.raises(InputError, match=r"the budget of .* is used up"):
            model(prompts(40))
        assert 0 < len(server.counts()["asked"]) <= 20
    richer = CachedModel(server_model(server.url, budget=100 * each), tmp_path / "replies.sqlite", FIVE)
    assert all(isinstance(text, str) for text in richer(prompts(40)))
    assert set(server.counts()["asked"].values()) == {1}


def test_a_wrong_key_is_one_line_without_the_key(
    chat_server: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = CachedModel(server_model(chat_server(0.0, 0.0).url), tmp_path / "replies.sqlite", FIVE)
    monkeypatch.setenv("CHAT_KEY", "wrong-key-123")
    with pytest.raises(InputError, match="401") as caught:
        model(prompts(3))
    assert "wrong-key-123" not in str(caught.value) and "\n" not in str(caught.value)
    monkeypatch.delenv("CHAT_KEY")
    with pytest.raises(InputError, match="export CHAT_KEY"):
        model(prompts(3))


def test_a_server_without_a_key_needs_none(chat_server: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHAT_KEY")
    open_to_all = server_model(chat_server(0.0, 0.0).url, key_variable=None)
    assert all(
        isinstance(text, str) for text in CachedModel(open_to_all, tmp_path / "replies.sqlite", FIVE)(prompts(3))
    )


@pytest.mark.parametrize(
    ("count", "message"), [(20, "the last 10 requests have failed"), (3, r"no server at http.*3 of 3 requests")]
)
def test_a_server_that_is_not_there_stops_the_run_and_is_no_fault_of_the_requests(
    chat_server: Start, tmp_path: Path, count: int, message: str
) -> None:
    replies = tmp_path / "replies.sqlite"
    down = server_model("http://127.0.0.1:9/v1", give_up_after=10)
    with pytest.raises(InputError, match=message):
        CachedModel(down, replies, FIVE)(prompts(count))
    with ReplyCache(replies) as cache:
        assert len(cache) == 0
    answered = CachedModel(server_model(chat_server(0.0, 0.0).url), replies, FIVE)(prompts(count))
    assert all(isinstance(text, str) for text in answered)


def test_a_request_that_fails_for_good_is_stored_and_is_the_fault_of_its_group(
    chat_server: Start, tmp_path: Path
) -> None:
    server = chat_server(0.5, 0.0)
    model = CachedModel(server_model(server.url, give_up_after=100), tmp_path / "replies.sqlite", FIVE)
    answers = model(prompts(60))
    failed = [isinstance(answer, RequestFailed) for answer in answers]
    assert 0 < sum(failed) < 30
    asked = server.counts()["asked"]
    groups = model.by_group([prompts(60)[start : start + 2] for start in range(0, 60, 2)])
    assert server.counts()["asked"] == asked, "no request is sent twice"
    assert [isinstance(group, RequestFailed) for group in groups] == [
        one or other for one, other in zip(failed[::2], failed[1::2], strict=True)
    ]
    assert all(isinstance(group, RequestFailed) or len(group) == 2 for group in groups)


def test_an_image_and_a_seed_are_sent_with_the_prompt_and_belong_to_the_key(chat_server: Start, tmp_path: Path) -> None:
    server = chat_server(0.0, 0.0)
    model = CachedModel(server_model(server.url), tmp_path / "replies.sqlite", ONE)
    red, blue = (data_url(Image.new("RGB", (300, 300), color)) for color in ("red", "blue"))
    asked = [model.prompt("Look.", "What is it?", image, seed) for image in (red, blue, None) for seed in (0, 1, None)]
    assert len(set(model(asked))) == 9, "the server answers by content"
    body = model.model.body(asked[0])
    image, text = body["messages"][1]["content"]
    assert image["image_url"]["url"] == red and text == {"type": "text", "text": "What is it?"} and body["seed"] == 0
    assert "seed" not in model.model.body(asked[-1])


def test_an_image_counts_as_tokens_and_not_as_its_characters() -> None:
    noise = Image.effect_noise((200, 200), 100).convert("RGB")
    prompt, written = most_tokens(Prompt("Look.", "What is it?", ONE, data_url(noise)))
    bare, _ = most_tokens(Prompt("Look.", "What is it?", ONE))
    assert TOKENS_PER_IMAGE < prompt < bare + TOKENS_PER_IMAGE + 20 and written == 50


def test_the_pacer_keeps_the_rate() -> None:
    async def passed() -> float:
        pacer = Pacer(per_minute=6000)  # one in 10 ms
        begun = time.monotonic()
        await asyncio.gather(*(pacer.take() for _ in range(21)))
        return time.monotonic() - begun

    assert 0.2 <= asyncio.run(passed()) < 0.4


def test_another_process_at_the_same_cache_is_one_line(tmp_path: Path) -> None:
    with ReplyCache(tmp_path / "replies.sqlite"), pytest.raises(InputError, match="another process"):
        ReplyCache(tmp_path / "replies.sqlite")


def test_a_file_that_is_no_cache_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "replies.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(InputError, match="is no reply cache"):
        ReplyCache(tmp_path / "replies.sqlite")


def test_a_damaged_reply_counts_as_absent_and_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "replies.sqlite"
    with ReplyCache(file) as cache:
        for number in range(200):
            cache.put(f"key {number}", Reply(["a text of some length"], ["stop"], 1, 2))
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE replies SET reply = replace(reply, 'some', 'same') WHERE key = 'key 7'")
    with ReplyCache(file) as cache:
        assert "key 7" not in cache and cache.get("key 7") is None
        assert "key 8" in cache and cache.get("key 8") == Reply(["a text of some length"], ["stop"], 1, 2)
    content = bytearray(file.read_bytes())
    content[4096:8192] = bytes(4096)
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"replies\.sqlite is damaged .*\.recover"):
        ReplyCache(file)


def test_what_is_forgotten_is_no_longer_in_the_cache(tmp_path: Path) -> None:
    with ReplyCache(tmp_path / "replies.sqlite") as cache:
        cache.put("one", Reply(["text"], ["stop"], 1, 2))
        cache.put("two", Reply(error="failed"))
        assert len(cache) == 2 and cache.get("one") == Reply(["text"], ["stop"], 1, 2)
        cache.forget(["two"])
        assert "one" in cache and "two" not in cache and cache.get("two") is None


@pytest.mark.parametrize("wrong", [(-0.1, 1, 8), (0.0, 0, 8), (0.0, 1, 0)])
def test_sampling_out_of_range_is_one_line(wrong: tuple[float, int, int]) -> None:
    with pytest.raises(InputError, match="temperature must be at least 0"):
        Sampling(*wrong)


def test_the_key_of_a_request_without_a_seed_is_that_of_earlier_versions() -> None:
    """Replies that were paid for are found again."""
    body = ServerModel("gpt-3.5-turbo").body(Prompt("System.", "Text.", Sampling(0.8, 5, 1024)))
    assert key_of(body) == "c63d60999cc06893a428736ee9bb44bee810bc0eb97992202bc3021aa36a2aaa"
