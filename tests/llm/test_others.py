"""The generators that need no server: batch files, a local model, and the world's annotations."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.llm.conftest import contents, request_spec, server_job
from vlit.common.errors import InputError
from vlit.common.files import read_json, read_jsonl
from vlit.construct.pipeline import Job, construct
from vlit.construct.prompts import Request, make_requests
from vlit.construct.sources.read import SOURCES, read_annotations
from vlit.data.formats.coco_arc import read_coco_arc
from vlit.data.rejects import Rejects
from vlit.llm.batch import BatchGenerator
from vlit.llm.cache import ReplyCache
from vlit.llm.local import LocalGenerator
from vlit.llm.request import Generator, Price, key_of
from vlit.llm.server import ServerGenerator
from vlit.mini.datasets.generator import OfflineGenerator

ALL = ("global", "negative", "region", "multi_turn", "external_knowledge")


def job(world: Path, folder: Path, generator: Generator, *variants: str) -> Job:
    made = server_job(world / "coco", folder, generator, *variants)  # type: ignore[arg-type]
    return replace(made, sources=SOURCES, rules=replace(made.rules, near_duplicate=0.99))


def answer(request: dict[str, object], text: str) -> str:
    choices = [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]
    body = {"choices": choices, "usage": {"prompt_tokens": 10, "completion_tokens": 20}}
    result = {
        "id": "b",
        "custom_id": request["custom_id"],
        "response": {"status_code": 200, "body": body},
        "error": None,
    }
    return json.dumps(result) + "\n"


def test_batch_files_are_written_then_their_results_read(world: Path, tmp_path: Path) -> None:
    batch = BatchGenerator("m", 0.8, 5, 100, tmp_path / "batch", Price(1.0, 1.0), most_requests=3)
    with pytest.raises(InputError, match=r"4 requests written to 2 files .* upload them"):
        construct(job(world, tmp_path, batch, "global"))
    files = sorted((tmp_path / "batch").glob("requests-*.jsonl"))
    lines = [line for path in files for line in read_jsonl(path)]
    assert [len(read_jsonl(path)) for path in files] == [3, 1]
    assert all(set(line) == {"custom_id", "method", "url", "body"} for line in lines)
    assert all(line["method"] == "POST" and line["url"] == "/v1/chat/completions" for line in lines)
    assert all(line["body"]["n"] == 5 and line["body"]["temperature"] == 0.8 for line in lines)

    results = tmp_path / "batch/results"
    results.mkdir()
    text = '{"User": "What is it?", "AI": "A scene."}'
    failed = json.dumps({"custom_id": lines[2]["custom_id"], "response": None, "error": {"code": "batch_expired"}})
    (results / "one.jsonl").write_text(answer(lines[0], text) + answer(lines[1], text) + failed + "\n")
    with pytest.raises(InputError, match="2 requests written to 1 files"):
        construct(job(world, tmp_path, batch, "global"))
    (results / "two.jsonl").write_text(answer(lines[2], text) + answer(lines[3], "") + answer({"custom_id": "x"}, text))
    output = construct(job(world, tmp_path, batch, "global"))
    manifest = read_json(output / "manifest.json")
    assert manifest["images"] == {"read": 4, "accepted": 3, "rejected": 1}
    assert manifest["cost_usd"] == pytest.approx(4 * 30 / 1e6)
    assert not list((tmp_path / "batch").glob("requests-*.jsonl")), "nothing is left to upload"


def test_a_batch_and_a_server_share_the_cache(world: Path) -> None:
    (request, *_) = make_requests(read_annotations(world / "coco"), request_spec("global"))
    batch, server = BatchGenerator("m", 0.8, 5, 100, "batch"), ServerGenerator("m", 0.8, 5, 100)
    assert key_of(batch.body(request)) == key_of(server.body(request))
    assert key_of(batch.body(request)) != key_of(replace(batch, temperature=0.7).body(request))


def test_a_broken_result_file_is_named(world: Path, tmp_path: Path) -> None:
    (tmp_path / "batch/results").mkdir(parents=True)
    (tmp_path / "batch/results/one.jsonl").write_text(
        '{"custom_id": "a", "response": {"status_code": 200, "body": {}}}\n'
    )
    with pytest.raises(InputError, match=r"one\.jsonl:1 is no line"):
        construct(job(world, tmp_path, BatchGenerator("m", 0.8, 5, 100, tmp_path / "batch"), "global"))


@pytest.fixture
def model(cache: Path, tmp_path: Path) -> Path:
    """A tiny language model with random weights and the mini tokenizer."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(cache / "weights/tokenizer")
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=4096, **sizes)
    LlamaForCausalLM(config).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_a_local_model_writes_candidates(world: Path, tmp_path: Path, model: Path) -> None:
    local = LocalGenerator(model, 0.8, 3, 12, seed=0)
    requests = make_requests(read_annotations(world / "coco"), request_spec("global"))[:2]
    keyed: dict[str, Request] = {key_of(local.body(request)): request for request in requests}
    with ReplyCache(tmp_path / "one.sqlite") as cache:
        local.answer(keyed, cache)
        replies = [cache.get(key) for key in keyed]
    assert all(reply and reply.error is None and len(reply.texts) == len(reply.finish) == 3 for reply in replies)
    assert all(reply and len(set(reply.texts)) > 1 and reply.prompt_tokens > 100 for reply in replies)
    last = list(keyed)[-1]
    with ReplyCache(tmp_path / "two.sqlite") as cache:
        LocalGenerator(model, 0.8, 3, 12, seed=0).answer({last: keyed[last]}, cache)
        assert cache.get(last) == replies[-1], "candidates don't depend on other requests"
        with pytest.raises(InputError, match="no model in"):
            LocalGenerator(tmp_path / "absent", 0.8, 3, 12, seed=0).answer(keyed, cache)


def test_a_prompt_too_long_for_the_model_is_a_reason(world: Path, tmp_path: Path, model: Path) -> None:
    (request, *_) = make_requests(read_annotations(world / "coco"), request_spec("global"))
    local = LocalGenerator(model, 0.8, 1, 4090, seed=0)
    with ReplyCache(tmp_path / "one.sqlite") as cache:
        local.answer({"key": request}, cache)
        reply = cache.get("key")
    assert reply is not None and reply.error is not None and "4096 positions" in reply.error


def test_the_offline_generator_fills_all_three_files(world: Path, tmp_path: Path) -> None:
    offline = OfflineGenerator(5, 0.0, 0.3, 0, tmp_path / "side")
    output = construct(job(world, tmp_path, offline, *ALL))
    samples = read_coco_arc(output, world / "coco/train2014", rejects := Rejects())
    assert {sample.task for sample in samples} == {"global", "negative", "region"} and not rejects.rows
    manifest = read_json(output / "manifest.json")
    candidates = manifest["candidates"]
    assert candidates["written"] == candidates["accepted"] + candidates["rejected"] and candidates["repaired"] > 0
    assert sum(manifest["conversations"].values()) == len(samples)
    assert "<img" in (output / "samples.html").read_text() and "http" not in (output / "samples.html").read_text()
    assert read_jsonl(tmp_path / "side/planted_errors.jsonl") == []


def test_planted_errors_are_recorded_and_are_what_the_data_say(world: Path, tmp_path: Path) -> None:
    offline = OfflineGenerator(5, 0.5, 0.0, 0, tmp_path / "side")
    output = construct(job(world, tmp_path, offline, "global"))
    said = {turn["AI"] for entry in read_json(output / "global.json")["annotations"] for turn in entry["conversations"]}
    planted = read_jsonl(tmp_path / "side/planted_errors.jsonl")
    assert planted and all(error["wrong"] in said for error in planted)
    first = contents(output)
    assert contents(construct(job(world, tmp_path, offline, "global"))) == first
    assert read_jsonl(tmp_path / "side/planted_errors.jsonl") == planted


def test_an_image_without_a_file_is_rejected_with_the_reason(world: Path, tmp_path: Path) -> None:
    (world / "coco/train2014/COCO_train2014_000000000002.jpg").unlink()
    output = construct(job(world, tmp_path, OfflineGenerator(1, 0.0, 0.0, 0, tmp_path / "side"), "global"))
    ends = {line["image_id"]: line for line in read_jsonl(output / "images.jsonl")}
    assert ends[2]["status"] == "rejected" and "no image file" in str(ends[2]["rejected"])
    assert {ends[image]["status"] for image in (1, 3, 4)} == {"accepted"}


def test_a_folder_that_holds_something_else_is_not_touched(world: Path, tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours/notes.txt").write_text("keep")
    with pytest.raises(InputError, match="no earlier output"):
        construct(job(world, tmp_path, OfflineGenerator(1, 0.0, 0.0, 0, tmp_path / "side"), "global"))
    assert (tmp_path / "ours/notes.txt").read_text() == "keep"
