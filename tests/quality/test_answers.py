"""Language models behind the indicators: a server, batch files and a local folder, the same as in construction."""

from __future__ import annotations

import json
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from hydra.utils import instantiate

from vlit.common.errors import InputError
from vlit.data.sample import Sample, Turn
from vlit.llm.batch import BatchModel
from vlit.llm.cache import CachedModel
from vlit.llm.local import LocalModel
from vlit.llm.request import Sampling
from vlit.llm.server import ServerModel
from vlit.quality.assess import PromptingMeasure
from vlit.quality.indicators.instruction_complexity import PromptedComplexity, read_score
from vlit.quality.indicators.task_diversity import PromptedTask
from vlit.quality.instruments import Encode, TagSystem
from vlit.quality.statistics import MeasureFault
from vlit.quality.tags import ProposedTags, first_tag, proposed_tags

SAMPLES = [
    Sample("a", (), (Turn("How many cups are there?", "Two."), Turn("Why?", "It is a table for two."))),
    Sample("b", (), (Turn("Is it broken?", "It is broken."),)),
]
SYSTEM = TagSystem(("object counting", "visual reasoning"), {}, {})
SHORT = Sampling(0.0, 1, 8)


def behind(server: ThreadingHTTPServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> CachedModel:
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    model = ServerModel("m", base_url=f"http://127.0.0.1:{server.server_port}/v1", attempts=2, backoff=0.01)
    return CachedModel(model, folder / "replies.sqlite", Sampling(0.0, 1, 64))


def test_a_server_scores_and_labels_and_no_request_is_sent_twice(
    server: ThreadingHTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encode: Encode
) -> None:
    llm = behind(server, tmp_path, monkeypatch)
    for _ in range(2):
        measures = [PromptedComplexity(llm), ProposedTags(llm), PromptedTask(llm, encode, SYSTEM)]
        assert all(isinstance(measure, PromptingMeasure) for measure in measures)
        scores, tags, tasks = (measure.rows(SAMPLES) for measure in measures)
        assert scores[0] == {"complexity": 7.0} and str(scores[1]) == "language model: status 500 (attempt 2)"
        assert tags[0] == {"tags": ["object counting", "spatial relation"]}
        assert tasks[0] == {"task": "object counting", "tasks": ["object counting", "object counting"]}
    sent = [json.dumps(request["messages"]) for request in server.requests]  # type: ignore[attr-defined]
    broken = [text for text in sent if "broken" in text]
    assert len(sent) - len(broken) == len({*sent} - {*broken}) == 6
    assert len(broken) == 2 * len({*broken}), "two attempts for each of its questions, and none in the second round"


def test_a_server_that_is_down_stops_the_run_and_is_no_fault_of_the_samples(
    server: ThreadingHTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    down = ServerModel("m", base_url="http://127.0.0.1:9/v1", attempts=1, give_up_after=2)
    with pytest.raises(InputError, match="the last 2 requests have failed"):
        PromptedComplexity(CachedModel(down, tmp_path / "replies.sqlite", SHORT)).rows(SAMPLES)
    up = PromptedComplexity(behind(server, tmp_path, monkeypatch))
    assert up.rows(SAMPLES[:1]) == [{"complexity": 7.0}]


def test_a_batch_is_written_and_its_results_are_scores(tmp_path: Path) -> None:
    batch = BatchModel("m", tmp_path / "batch")
    measure = PromptedComplexity(CachedModel(batch, tmp_path / "replies.sqlite", SHORT))
    with pytest.raises(InputError, match="3 requests written"):
        measure.rows(SAMPLES)
    lines = [json.loads(line) for line in (tmp_path / "batch/requests-000.jsonl").read_text().splitlines()]
    results = tmp_path / "batch/results"
    results.mkdir()
    with (results / "done.jsonl").open("w") as file:
        for place, line in enumerate(lines):
            body = {"choices": [{"message": {"content": ["3", "", "Score: 5"][place]}, "finish_reason": "stop"}]}
            response = {"status_code": 200, "body": body}
            file.write(json.dumps({"custom_id": line["custom_id"], "response": response, "error": None}) + "\n")
    rows = measure.rows(SAMPLES)
    assert str(rows[0]) == "language model: empty reply" and rows[1] == {"complexity": 5.0}


def test_replies_of_a_local_model_are_checked(tiny_llama: Path, tmp_path: Path, encode: Encode) -> None:
    llm = CachedModel(LocalModel(tiny_llama), tmp_path / "replies.sqlite", SHORT)
    first = PromptedComplexity(llm).rows(SAMPLES)
    assert [str(row) for row in first] == ["no score in the reply"] * 2, "random weights write no numbers"
    tasks = PromptedTask(llm, encode, SYSTEM, selective=False).rows(SAMPLES)
    assert all(isinstance(row, MeasureFault) or set(row["tasks"]) <= set(SYSTEM.tags) for row in tasks)
    again = CachedModel(LocalModel(tiny_llama), tmp_path / "again.sqlite", SHORT)
    prompts = PromptedComplexity(llm).prompts(SAMPLES[0])
    assert again(prompts) == llm(prompts), "the likeliest words are the same again"
    with pytest.raises(InputError, match=r"no model in .*absent"):
        PromptedComplexity(CachedModel(LocalModel(tmp_path / "absent"), tmp_path / "r.sqlite", SHORT)).rows(SAMPLES)


@pytest.mark.parametrize("name", ["server", "batch", "local"])
def test_the_configuration_makes_each_backend_with_one_short_likeliest_reply(assess_config, name: str) -> None:
    cfg = assess_config(f"llm={name}")
    llm = CachedModel(instantiate(cfg.llm, _convert_="all"), cfg.replies, Sampling(**cfg.sampling))
    assert (llm.sampling.temperature, llm.sampling.n) == (0.0, 1) and llm.sampling.max_tokens <= 64
    assert "llama-2-7b-chat" in llm.key


def test_tags_are_read_from_the_first_line_with_words() -> None:
    assert proposed_tags("\n Object_Counting, OCR. ,, x, y\nmore") == ["object counting", "ocr"]
    assert first_tag(" , \n") == "" and proposed_tags("") == []


def test_a_score_is_a_whole_number_from_1_to_10() -> None:
    assert [read_score(text) for text in ("Score: 10", "4.0", "I'd say 3 of 10")] == [10, 4, 3]
    with pytest.raises(MeasureFault):
        read_score("eleven, or 0, or 11")
