"""A dataset with every kind of fault, assessed whole, in shards and after a kill: faults counted, nothing lost."""

from __future__ import annotations

import base64
import io
import os
import signal
import subprocess
import sys
import time
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image

from tests.quality.conftest import LoadedClip
from vlit.common.errors import InputError
from vlit.common.files import read_json, read_jsonl
from vlit.data.images import Base64Image, FileImage
from vlit.data.sample import Sample, Turn
from vlit.llm.cache import CachedModel
from vlit.llm.request import Sampling
from vlit.llm.server import ServerModel
from vlit.quality.assess import Assessment
from vlit.quality.focus import FocusLabeller
from vlit.quality.indicators import INDICATORS, STAND_INS, VARIANTS
from vlit.quality.indicators.correctness import Correctness
from vlit.quality.indicators.instruction_complexity import RuleComplexity
from vlit.quality.instruments import Encode, Instruments
from vlit.quality.judges import ServerJudge
from vlit.quality.parsers import SpacyParser
from vlit.quality.report import write_report
from vlit.quality.statistics import Shard, StatisticsStore

ROOT = Path(__file__).resolve().parents[2]


def picture(seed: int) -> Base64Image:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (255 - seed, 10 * seed, 0)).save(buffer, "PNG")
    return Base64Image(base64.b64encode(buffer.getvalue()).decode())


def samples(folder: Path) -> list[Sample]:
    (folder / "cut.jpg").write_bytes(b"\xff\xd8 no image")
    good = [
        Sample(f"good{n}", (picture(n),), (Turn(f"What color is cup number {n}?", f"It is red, cup {n}."),))
        for n in range(8)
    ]
    question = "What color is the cup?"
    return [
        *good[:3],
        Sample("unreadable", (FileImage(folder / "cut.jpg"),), (Turn(question, "It is red."),)),
        Sample("empty", (picture(1),), (Turn(question, ""),)),
        *good[3:5],
        Sample("bytes", (picture(1),), (Turn(question, "It is \udcff red."),)),
        Sample("long", (picture(1),), (Turn(question, "It is a red cup. " * 2942),)),
        Sample("refused", (picture(1),), (Turn("Is it broken?", "It is broken."),)),
        *good[5:],
    ]


def assessment(clip: LoadedClip, server: ThreadingHTTPServer, folder: Path, encode: Encode) -> Assessment:
    url = f"http://127.0.0.1:{server.server_port}/v1"
    model = ServerModel("m", base_url=url, attempts=1)
    seer = ServerModel("seer", base_url=url, attempts=1)
    instruments = Instruments(
        features=lambda: clip.features(folder / "features.sqlite", 8),
        encoder=lambda: encode,
        parser=SpacyParser,
        labeller=FocusLabeller,
        judge=lambda: ServerJudge(seer, folder / "judge.sqlite"),
        llm=CachedModel(model, folder / "replies.sqlite", Sampling(0.0, 1, 64)),
        settings={"judge": {"times": 3}, "tags": {"redundancy": 1.1}, "response_diversity": {"min_samples": 2}},
    )
    return Assessment(instruments, BUILT_IN)


def test_every_fault_is_counted_and_shards_end_as_one_pass(
    clip: LoadedClip, server: ThreadingHTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encode: Encode
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    data = samples(tmp_path)
    one, many = StatisticsStore(tmp_path / "one", 4), StatisticsStore(tmp_path / "many", 4)
    whole = assessment(clip, server, tmp_path, encode)
    tables = whole.statistics(one, data, Shard())
    found = whole.values(tables, data)
    text = {"empty text": 1, "text is not valid Unicode": 1}
    refused = {**text, "language model: status 500 (attempt 1)": 1}
    assert found["details"]["faults"] == {
        "MD": {**text, "unreadable image": 1},
        "C": {**text, "unreadable image": 1, "judge: status 500 (attempt 1)": 1},
        "OG": text, "R": refused, "I_cx_rule": text, "I_cx": refused, "tags": refused, "T": refused, "I_forms": refused,
    }  # fmt: skip
    assert not found["reasons"] and all(value is not None for value in found["indicators"].values())
    assert list(found["indicators"]) == [
        "MD",
        "C",
        "T",
        "I_div",
        "R",
        "OG",
        "I_cx",
        "Balance",
        "I_cx_rule",
        "I_forms",
        "R_forms",
    ]
    for table in tables.values():
        assert table["sample_id"].to_pylist() == [sample.id for sample in data]
    row = {row["sample_id"]: row for row in tables["MD"].to_pylist()}["long"]
    assert row["fault"] is None and 0 < row["mean"] <= 100

    requests = len(server.requests)  # type: ignore[attr-defined]
    parted = assessment(clip, server, tmp_path, encode)
    for number in (3, 1, 2):
        assert parted.statistics(many, data, Shard(number, 3)) == {}
    again = parted.statistics(many, data, Shard())
    assert {key: table.equals(tables[key]) for key, table in again.items()} == dict.fromkeys(tables, True)
    assert parted.values(again, data) == found
    failed = list(server.requests[requests:])  # type: ignore[attr-defined]
    assert all("broken" in str(request["messages"][-1]["content"]) for request in failed), "nothing is asked twice"

    write_report(tmp_path / "report.html", "ours", found, tables, data)
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "1 unreadable image" in page and "judge: status 500 (attempt 1)" in page


def test_what_is_not_configured_stays_empty_with_its_reason(encode: Encode, tmp_path: Path) -> None:
    made = Assessment(Instruments(), BUILT_IN)
    data = [Sample("a", (), (Turn("Why is it red?", "Because."),))]
    found = made.values(made.statistics(StatisticsStore(tmp_path), data, Shard()), data)
    assert {key for key, value in found["indicators"].items() if value is not None} == {"I_cx_rule"}
    assert found["reasons"]["C"] == "no judge that is asked: assess.py judge=server or judge=llava"
    assert "llm=server" in found["reasons"]["I_cx"]
    assert found["reasons"]["T"] == found["reasons"]["Balance"] == found["reasons"]["R"]
    assert "C_contrast" not in found["indicators"], "a stand-in without a value is left out"


def test_a_judge_that_is_down_stops_the_run_and_the_next_run_resumes_it(
    server: ThreadingHTTPServer, tmp_path: Path
) -> None:
    data = samples(tmp_path)[:3]
    store = StatisticsStore(tmp_path / "store", 1)

    def judge(port: int) -> Correctness:
        seer = ServerModel("seer", base_url=f"http://127.0.0.1:{port}/v1", key_variable=None, attempts=1)
        return Correctness(ServerJudge(seer, tmp_path / "judge.sqlite"), times=3)

    store.compute(judge(server.server_port), data[:1])
    with pytest.raises(InputError, match="no server at"):
        store.compute(judge(9), data)
    requests = len(server.requests)  # type: ignore[attr-defined]
    assert not store.compute(judge(server.server_port), data)
    assert len(server.requests) == requests + 3 * 2, "the first sample's part is there"  # type: ignore[attr-defined]


SCRIPT = """
import sys, time
from pathlib import Path
from tests.quality.test_faults import slow_samples, Slow
from vlit.quality.statistics import Shard, StatisticsStore
StatisticsStore(Path(sys.argv[1]), 2).compute(Slow(), slow_samples(), Shard.parse(sys.argv[2]))
"""

BUILT_IN = (*INDICATORS, *STAND_INS, *VARIANTS)  # other tests may have registered more


def slow_samples() -> list[Sample]:
    return [Sample(f"s{n}", (), (Turn(f"Why is thing {n} round?", "Because."),)) for n in range(24)]


class Slow(RuleComplexity):
    def rows(self, samples):
        time.sleep(0.05)
        return super().rows(samples)


def test_a_killed_shard_resumes_and_the_files_are_those_of_one_pass(tmp_path: Path) -> None:
    data, whole, parts = slow_samples(), StatisticsStore(tmp_path / "whole", 2), StatisticsStore(tmp_path / "parts", 2)
    whole.compute(RuleComplexity(), data)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    command = [sys.executable, "-c", SCRIPT, str(parts.folder), "1/2"]
    start = partial(subprocess.Popen, command, env=environment, cwd=ROOT, stderr=subprocess.DEVNULL)
    process = start()
    while not list(parts.folder.rglob("part-*.parquet")) and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it was still at work"
    done = {path: path.stat().st_mtime_ns for path in parts.folder.rglob("part-*.parquet")}
    assert 0 < len(done) < 6
    parts.compute(RuleComplexity(), data, Shard(2, 2))
    assert start().wait() == 0
    assert {path: path.stat().st_mtime_ns for path in done} == done, "what was there is not computed again"
    found = [[part.read_bytes() for part in sorted(one.folder.rglob("part-*"))] for one in (parts, whole)]
    assert len(found[0]) == 12 and found[0] == found[1]


@pytest.mark.parametrize("read", [read_json, read_jsonl])
def test_a_file_that_is_not_utf_8_is_one_clear_line(read, tmp_path: Path) -> None:
    (tmp_path / "latin.json").write_bytes('{"text": "caf\xe9"}'.encode("latin-1"))
    with pytest.raises(InputError, match="not valid JSON"):
        read(tmp_path / "latin.json")
