from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.llm.chat_server import KINDS
from tests.llm.conftest import ROOT, annotated_images, contents, request_spec, server_job
from vlit.common.errors import InputError
from vlit.common.files import read_json, read_jsonl
from vlit.construct.pipeline import construct
from vlit.construct.prompts import Request, make_requests
from vlit.construct.sources.read import read_annotations
from vlit.data.formats.coco_arc import read_coco_arc
from vlit.data.rejects import Rejects
from vlit.llm.cache import ReplyCache
from vlit.llm.request import Pacer, Price, key_of
from vlit.llm.server import ServerGenerator

KEY = "sk-this-key-must-never-be-written"
Start = Callable[[float, float], Any]


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAT_KEY", KEY)


def generator(url: str, **changes: Any) -> ServerGenerator:
    spec = ServerGenerator(
        "m", 0.8, 5, 100, Price(1.0, 2.0), url, "CHAT_KEY", concurrency=16, timeout=1.5, attempts=4, backoff=0.01
    )
    return replace(spec, **changes)


def requests_about(coco: Path, spec: ServerGenerator) -> dict[str, Request]:
    made = make_requests(read_annotations(coco, ["caption", "object"]), request_spec("global"))
    return {key_of(spec.body(request)): request for request in made}


def ends(output: Path) -> tuple[set[int], dict[int, int]]:
    """Images in the data, and images in `images.jsonl` with their conversations."""
    arc = [entry for name in ("global", "negative") for entry in read_json(output / f"{name}.json")["annotations"]]
    accepted = [entry["img_ids"][0] for entry in arc]
    accepted += [int(entry["img_ids"][0].split("_")[2]) for entry in read_json(output / "region.json")["annotations"]]
    lines = read_jsonl(output / "images.jsonl")
    assert len({line["image_id"] for line in lines}) == len(lines), "none twice"
    counted = {line["image_id"]: line["conversations"] for line in lines}
    assert Counter(accepted) == Counter({image: count for image, count in counted.items() if count})
    return set(accepted), counted


@pytest.mark.parametrize("count", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_every_image_ends_once_whatever_the_server_does(
    chat_server: Start, tmp_path: Path, count: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server = chat_server(0.2 if count == 1000 else 0.5, 0.0)
    coco = annotated_images(tmp_path / "coco", count)
    job = server_job(coco, tmp_path, generator(server.url, concurrency=64, give_up_after=50), "global")
    output = construct(job)
    counts = server.counts()
    assert set(counts["seen"]) == set(KINDS), "every kind of fault has happened"
    accepted, counted = ends(output)
    assert set(counted) == set(range(1, count + 1))
    refused = {fault["image_id"] for fault in read_jsonl(output / "rejects.jsonl") if fault["reason"]}
    assert accepted | refused == set(counted)
    assert 0 < len(set(counted) - accepted) < count / 2
    assert max(counts["asked"].values()) == 4 and len(counts["asked"]) == count
    samples = read_coco_arc(output, coco / "train2014", rejects := Rejects())
    assert len(samples) == sum(counted.values()) and not rejects.rows

    first = contents(output)
    construct(job)
    assert server.counts()["asked"] == counts["asked"], "a second run makes no new request"
    assert contents(output) == first

    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert KEY.encode() not in written and KEY not in caplog.text


SCRIPT = """
import sys
from pathlib import Path
from tests.llm.conftest import server_job
from tests.llm.test_server import generator
from vlit.construct.pipeline import construct
folder = Path(sys.argv[1])
spec = generator(sys.argv[2], concurrency=8, give_up_after=50)
construct(server_job(Path(sys.argv[3]), folder, spec, "global", "region"))
"""


@pytest.mark.parametrize("times", [1, pytest.param(5, marks=pytest.mark.slow)])
def test_however_often_killed_the_output_is_the_same(chat_server: Start, tmp_path: Path, times: int) -> None:
    coco = annotated_images(tmp_path / "coco", 12 * times)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "CHAT_KEY": KEY}

    def start(folder: Path, url: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", SCRIPT, str(folder), url, str(coco)]
        return subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.DEVNULL)

    undisturbed = chat_server(0.2, 0.05)
    assert start(tmp_path / "whole", undisturbed.url).wait() == 0
    server = chat_server(0.2, 0.05)
    rng = random.Random(5)
    killed = 0
    before: set[str] = set()
    while killed < times:
        process = start(tmp_path / "killed", server.url)
        while process.poll() is None and set(server.counts()["asked"]) <= before:
            time.sleep(0.01)  # until it asks for something new
        time.sleep(rng.uniform(0.0, 0.15))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it was still at work"
        before = set(server.counts()["asked"])
        killed += 1
    assert start(tmp_path / "killed", server.url).wait() == 0
    assert contents(tmp_path / "killed/ours") == contents(tmp_path / "whole/ours")
    assert list((tmp_path / "killed").glob(".ours.*")) == []


def waited() -> float:
    """Seconds this process has been ready to run and had no processor, so far."""
    return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9


@pytest.mark.parametrize("concurrency", [8, pytest.param(16, marks=pytest.mark.slow)])
def test_throughput_is_that_of_the_server(chat_server: Start, tmp_path: Path, concurrency: int) -> None:
    server = chat_server(0.0, 0.2)
    spec = generator(server.url, concurrency=concurrency)
    requests = requests_about(annotated_images(tmp_path / "coco", concurrency * 25), spec)
    with ReplyCache(tmp_path / "warm.sqlite") as cache:
        spec.answer(dict(list(requests.items())[:1]), cache)  # imports take a second that is not the requests'
    rates, denied = [], []
    for number in range(3):  # the best of three: the machine may be busy with something else
        with ReplyCache(tmp_path / f"replies{number}.sqlite") as cache:
            begun, before = time.monotonic(), waited()
            spec.answer(requests, cache)
            took = time.monotonic() - begun
        rates.append(len(requests) / took / (concurrency / 0.2))
        denied.append((waited() - before) / took)
        if rates[-1] >= 0.9:
            return
    if min(denied) > 0.02:
        pytest.skip(f"other programs had the processors ({min(denied):.0%} of the time): {max(rates):.2f}")
    raise AssertionError(f"{max(rates):.2f} of {concurrency / 0.2:.0f} requests a second")


def test_the_budget_stops_the_job_before_it_is_passed(chat_server: Start, tmp_path: Path) -> None:
    server = chat_server(0.0, 0.0)
    coco = annotated_images(tmp_path / "coco", 40)
    each = Price(1.0, 2.0).of(100, 250)
    spec = generator(server.url, budget=20 * each)
    job = server_job(coco, tmp_path, spec, "global")
    with pytest.raises(InputError, match="budget"):
        construct(job)
    asked = len(server.counts()["asked"])
    assert 0 < asked <= 20 and not job.output.exists()
    with pytest.raises(InputError, match="budget"):
        construct(job)
    assert len(server.counts()["asked"]) <= 20, "what earlier runs cost counts"
    construct(replace(job, generator=generator(server.url, budget=100 * each)))
    assert read_json(job.output / "manifest.json")["cost_usd"] == pytest.approx(40 * each)
    assert set(server.counts()["asked"].values()) == {1}


def test_a_wrong_key_is_one_line_without_the_key(
    chat_server: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = chat_server(0.0, 0.0)
    job = server_job(annotated_images(tmp_path / "coco", 3), tmp_path, generator(server.url), "global")
    monkeypatch.setenv("CHAT_KEY", "wrong-key-123")
    with pytest.raises(InputError, match="401") as caught:
        construct(job)
    assert "wrong-key-123" not in str(caught.value)
    monkeypatch.delenv("CHAT_KEY")
    with pytest.raises(InputError, match="CHAT_KEY"):
        construct(job)


def test_a_server_that_is_down_is_not_held_against_the_images(tmp_path: Path, chat_server: Start) -> None:
    coco = annotated_images(tmp_path / "coco", 20)
    down = generator("http://127.0.0.1:9/v1", give_up_after=10)
    with pytest.raises(InputError, match="last 10 requests have failed"):
        construct(server_job(coco, tmp_path, down, "global"))
    up = server_job(coco, tmp_path, generator(chat_server(0.0, 0.0).url), "global")
    construct(up)
    assert read_json(up.output / "manifest.json")["requests"]["failed"] == 0


def test_what_failed_is_asked_again_on_request(chat_server: Start, tmp_path: Path) -> None:
    coco = annotated_images(tmp_path / "coco", 60)
    job = server_job(coco, tmp_path, generator(chat_server(0.5, 0.0).url, give_up_after=50), "global")
    failed = read_json(construct(job) / "manifest.json")["requests"]["failed"]
    assert failed > 0
    mended = replace(job, generator=generator(chat_server(0.0, 0.0).url), retry_failed=True)
    assert read_json(construct(mended) / "manifest.json")["requests"]["failed"] == 0


def test_another_process_at_the_same_cache_is_told(tmp_path: Path) -> None:
    with ReplyCache(tmp_path / "replies.sqlite"), pytest.raises(InputError, match=r"another construct\.py"):
        ReplyCache(tmp_path / "replies.sqlite")


def test_the_pacer_keeps_the_rate() -> None:
    async def passed() -> float:
        pacer = Pacer(per_minute=6000)  # one in 10 ms
        begun = time.monotonic()
        await asyncio.gather(*(pacer.take() for _ in range(21)))
        return time.monotonic() - begun

    assert 0.2 <= asyncio.run(passed()) < 0.4
