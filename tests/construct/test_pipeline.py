"""Construction from annotations to a dataset, with a server that fails and a process that is killed."""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.construct.conftest import annotated_images, construction, contents
from tests.llm.chat_server import KINDS
from tests.llm.conftest import KEY, RunningServer, server_model
from vlit.common.errors import InputError
from vlit.common.files import read_json, read_jsonl
from vlit.construct.pipeline import construct
from vlit.data.formats.coco_arc import read_coco_arc
from vlit.data.sample import Rejects
from vlit.llm.batch import BatchModel
from vlit.llm.request import Price

Start = Callable[[float, float], RunningServer]
pytestmark = pytest.mark.usefixtures("key")


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
    job = construction(coco, tmp_path, server_model(server.url, concurrency=64, give_up_after=50), "global")
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
from tests.construct.conftest import construction
from tests.llm.conftest import server_model
from vlit.construct.pipeline import construct
folder = Path(sys.argv[1])
model = server_model(sys.argv[2], concurrency=8, give_up_after=50)
construct(construction(Path(sys.argv[3]), folder, model, "global", "region"))
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


def test_nothing_is_written_until_all_is_answered(chat_server: Start, tmp_path: Path) -> None:
    server = chat_server(0.0, 0.0)
    coco = annotated_images(tmp_path / "coco", 40)
    each = Price(1.0, 2.0).of(100, 250)
    job = construction(coco, tmp_path, server_model(server.url, budget=20 * each), "global")
    with pytest.raises(InputError, match="budget"):
        construct(job)
    assert 0 < len(server.counts()["asked"]) <= 20 and not job.output.exists()
    construct(replace(job, llm=server_model(server.url, budget=100 * each)))
    assert read_json(job.output / "manifest.json")["cost_usd"] == pytest.approx(40 * each)
    assert set(server.counts()["asked"].values()) == {1}


def test_a_server_that_is_down_is_no_fault_of_the_images(tmp_path: Path, chat_server: Start) -> None:
    coco = annotated_images(tmp_path / "coco", 20)
    down = server_model("http://127.0.0.1:9/v1", give_up_after=10)
    with pytest.raises(InputError, match="last 10 requests have failed"):
        construct(construction(coco, tmp_path, down, "global"))
    up = construction(coco, tmp_path, server_model(chat_server(0.0, 0.0).url), "global")
    construct(up)
    assert read_json(up.output / "manifest.json")["requests"]["failed"] == 0


def test_what_failed_is_requested_again_on_demand(chat_server: Start, tmp_path: Path) -> None:
    coco = annotated_images(tmp_path / "coco", 60)
    job = construction(coco, tmp_path, server_model(chat_server(0.5, 0.0).url, give_up_after=50), "global")
    failed = read_json(construct(job) / "manifest.json")["requests"]["failed"]
    assert failed > 0
    mended = replace(job, llm=server_model(chat_server(0.0, 0.0).url), retry_failed=True)
    assert read_json(construct(mended) / "manifest.json")["requests"]["failed"] == 0


def test_a_batch_counts_its_cost_and_an_empty_reply_rejects_its_image(world: Path, tmp_path: Path) -> None:
    batch = BatchModel("m", tmp_path / "batch", Price(1.0, 1.0))
    job = construction(world / "coco", tmp_path, batch, "global")
    with pytest.raises(InputError, match="4 requests written"):
        construct(job)
    (tmp_path / "batch/results").mkdir()
    with (tmp_path / "batch/results/one.jsonl").open("w") as file:
        for number, line in enumerate(read_jsonl(tmp_path / "batch/requests-000.jsonl")):
            text = '{"User": "What is it?", "AI": "A scene."}' if number else ""
            body = {
                "choices": [{"message": {"content": text}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 10, "completion_tokens": 20},
            }
            row = {"custom_id": line["custom_id"], "response": {"status_code": 200, "body": body}, "error": None}
            file.write(json.dumps(row) + "\n")
    manifest = read_json(construct(job) / "manifest.json")
    assert manifest["images"] == {"read": 4, "accepted": 3, "rejected": 1}
    assert manifest["reasons"] == {"empty reply": 1}
    assert manifest["cost_usd"] == pytest.approx(4 * 30 / 1e6)
    assert (manifest["generator"], manifest["model"]) == ("BatchModel", "m")


def test_an_image_without_a_file_is_rejected_with_the_reason(chat_server: Start, world: Path, tmp_path: Path) -> None:
    (world / "coco/train2014/COCO_train2014_000000000002.jpg").unlink()
    output = construct(construction(world / "coco", tmp_path, server_model(chat_server(0.0, 0.0).url), "global"))
    lines = {line["image_id"]: line for line in read_jsonl(output / "images.jsonl")}
    assert lines[2]["status"] == "rejected" and "no image file" in str(lines[2]["rejected"])
    assert {lines[image]["status"] for image in (1, 3, 4)} == {"accepted"}


def test_a_folder_with_something_else_in_it_is_not_touched(chat_server: Start, world: Path, tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours/notes.txt").write_text("keep")
    with pytest.raises(InputError, match="no earlier output"):
        construct(construction(world / "coco", tmp_path, server_model(chat_server(0.0, 0.0).url), "global"))
    assert (tmp_path / "ours/notes.txt").read_text() == "keep"


class Broken(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        self.send_error(500)


def test_a_server_that_answers_nothing_never_empties_a_dataset(chat_server: Start, tmp_path: Path) -> None:
    coco = annotated_images(tmp_path / "coco", 10)
    good = construction(coco, tmp_path, server_model(chat_server(0.0, 0.0).url), "global")
    construct(good)
    before = contents(good.output)
    web = ThreadingHTTPServer(("127.0.0.1", 0), Broken)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    dead = server_model(f"http://127.0.0.1:{web.server_port}/v1", give_up_after=10_000, attempts=1)
    for _ in range(2):  # the second time nothing is taken from the first
        with pytest.raises(InputError, match=r"not one of 10 requests was answered \(status 500"):
            construct(replace(good, llm=dead))
        assert contents(good.output) == before
    web.shutdown()
