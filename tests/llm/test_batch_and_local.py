"""Models that need no server: batch files and a local folder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from tests.llm.conftest import FIVE, prompts
from vlit.common.errors import InputError
from vlit.common.files import read_jsonl
from vlit.llm.batch import BatchModel
from vlit.llm.cache import CachedModel, ReplyCache
from vlit.llm.local import LocalModel
from vlit.llm.request import Prompt, RequestFailed, Sampling, data_url, key_of
from vlit.llm.server import ServerModel

THREE = Sampling(0.8, 3, 12)


def result(request: dict[str, object], text: str) -> str:
    choices = [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]
    body = {"choices": choices, "usage": {"prompt_tokens": 10, "completion_tokens": 20}}
    response = {"status_code": 200, "body": body}
    return json.dumps({"id": "b", "custom_id": request["custom_id"], "response": response, "error": None}) + "\n"


def test_batch_files_are_written_then_their_results_read(tmp_path: Path) -> None:
    batch = CachedModel(BatchModel("m", tmp_path / "batch", most_requests=3), tmp_path / "replies.sqlite", FIVE)
    with pytest.raises(InputError, match=r"4 requests written to 2 files .* upload them"):
        batch(prompts(4))
    files = sorted((tmp_path / "batch").glob("requests-*.jsonl"))
    lines = [line for path in files for line in read_jsonl(path)]
    assert [len(read_jsonl(path)) for path in files] == [3, 1]
    assert all(set(line) == {"custom_id", "method", "url", "body"} for line in lines)
    assert all(line["method"] == "POST" and line["url"] == "/v1/chat/completions" for line in lines)
    assert all(line["body"]["n"] == 5 and line["body"]["temperature"] == 0.8 for line in lines)

    results = tmp_path / "batch/results"
    results.mkdir()
    failed = json.dumps({"custom_id": lines[2]["custom_id"], "response": None, "error": {"code": "batch_expired"}})
    (results / "one.jsonl").write_text(result(lines[0], "one") + result(lines[1], "two") + failed + "\n")
    with pytest.raises(InputError, match="2 requests written to 1 files"):
        batch(prompts(4))
    last = result(lines[2], "three") + result(lines[3], "") + result({"custom_id": "x"}, "unknown")
    (results / "two.jsonl").write_text(last)
    *texts, empty = batch(prompts(4))
    assert texts == ["one", "two", "three"] and isinstance(empty, RequestFailed) and str(empty) == "empty reply"
    assert not list((tmp_path / "batch").glob("requests-*.jsonl")), "nothing is left to upload"


def test_files_of_a_batch_are_no_larger_than_allowed(tmp_path: Path) -> None:
    batch = CachedModel(BatchModel("m", tmp_path / "batch", most_bytes=1000), tmp_path / "replies.sqlite", FIVE)
    with pytest.raises(InputError, match="10 requests written"):
        batch(prompts(10))
    files = list((tmp_path / "batch").glob("requests-*.jsonl"))
    assert len(files) > 2 and all(0 < path.stat().st_size <= 1000 for path in files)
    assert sum(len(read_jsonl(path)) for path in files) == 10


def test_a_batch_and_a_server_share_the_cache() -> None:
    (prompt,) = prompts(1)
    batch, server = BatchModel("m", "batch"), ServerModel("m")
    assert key_of(batch.body(prompt)) == key_of(server.body(prompt))
    warmer = replace(prompt, sampling=replace(FIVE, temperature=0.7))
    assert key_of(batch.body(prompt)) != key_of(batch.body(warmer))


def test_a_broken_result_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "batch/results").mkdir(parents=True)
    (tmp_path / "batch/results/one.jsonl").write_text(
        '{"custom_id": "a", "response": {"status_code": 200, "body": {}}}\n'
    )
    with pytest.raises(InputError, match=r"one\.jsonl:1 is no line"):
        CachedModel(BatchModel("m", tmp_path / "batch"), tmp_path / "replies.sqlite", FIVE)(prompts(1))


@pytest.fixture
def folder(cache: Path, tmp_path: Path) -> Path:
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


def test_a_local_model_samples_replies_that_depend_on_their_request_alone(tmp_path: Path, folder: Path) -> None:
    local = LocalModel(folder)
    keyed = {key_of(local.body(prompt)): prompt for prompt in prompts(2, THREE)}
    with ReplyCache(tmp_path / "one.sqlite") as cache:
        local.answer(keyed, cache)
        replies = [cache.get(key) for key in keyed]
    assert all(reply and reply.error is None and len(reply.texts) == len(reply.finish) == 3 for reply in replies)
    assert all(reply and len(set(reply.texts)) > 1 and reply.prompt_tokens > 10 for reply in replies)
    last = list(keyed)[-1]
    with ReplyCache(tmp_path / "two.sqlite") as cache:
        LocalModel(folder).answer({last: keyed[last]}, cache)
        assert cache.get(last) == replies[-1]
        with pytest.raises(InputError, match="no model in"):
            LocalModel(tmp_path / "absent").answer(keyed, cache)


def test_a_seed_changes_the_samples_of_a_local_model(tmp_path: Path, folder: Path) -> None:
    model = CachedModel(LocalModel(folder), tmp_path / "one.sqlite", Sampling(0.8, 1, 12))
    drawn = model([model.prompt("System.", "Text.", seed=seed) for seed in (0, 1, 2, 0)])
    assert len(set(drawn)) > 1 and drawn[0] == drawn[3]


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        (Prompt("System.", "Text.", Sampling(0.8, 1, 4090)), "4096 positions"),
        (Prompt("System.", "Text.", THREE, data_url(Image.new("RGB", (2, 2)))), "reads no images"),
    ],
)
def test_what_a_local_model_cannot_read_is_a_reason(tmp_path: Path, folder: Path, prompt: Prompt, reason: str) -> None:
    with ReplyCache(tmp_path / "one.sqlite") as cache:
        LocalModel(folder).answer({"0": prompt}, cache)
        reply = cache.get("0")
    assert reply is not None and reply.error is not None and reason in reply.error


def test_several_likeliest_replies_are_refused(tmp_path: Path, folder: Path) -> None:
    with ReplyCache(tmp_path / "one.sqlite") as cache, pytest.raises(InputError, match=r"sampling\.n=1"):
        LocalModel(folder).answer({"0": Prompt("System.", "Text.", Sampling(0.0, 2, 8))}, cache)
