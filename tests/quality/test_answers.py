"""Language models behind the indicators: a server, batch files and a local folder, the same as in construction."""

from __future__ import annotations

import json
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from hydra.utils import instantiate

from vlit.common.errors import InputError
from vlit.data.sample import Sample, Turn
from vlit.llm.answers import Answers, Asking
from vlit.llm.batch import BatchGenerator
from vlit.llm.local import LocalGenerator
from vlit.llm.server import ServerGenerator
from vlit.quality.indicators.instruction_complexity import AskedComplexity, read_score
from vlit.quality.indicators.task_diversity import AskedTask
from vlit.quality.instruments import Encode, TagSystem
from vlit.quality.statistics import MeasureFault
from vlit.quality.tags import ProposedTags, first_tag, proposed_tags

SAMPLES = [
    Sample("a", (), (Turn("How many cups are there?", "Two."), Turn("Why?", "It is a table for two."))),
    Sample("b", (), (Turn("Is it broken?", "It is broken."),)),
]
SYSTEM = TagSystem(("object counting", "visual reasoning"), {}, {})


def behind(server: ThreadingHTTPServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Answers:
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    model = ServerGenerator(
        "m", 0.0, 1, 64, base_url=f"http://127.0.0.1:{server.server_port}/v1", attempts=2, backoff=0.01
    )
    return Answers(model, folder / "replies.sqlite")


def test_a_server_scores_and_labels_and_is_asked_once(
    server: ThreadingHTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encode: Encode
) -> None:
    answers = behind(server, tmp_path, monkeypatch)
    for _ in range(2):
        measures = [AskedComplexity(answers), ProposedTags(answers), AskedTask(answers, encode, SYSTEM)]
        assert all(isinstance(measure, Asking) for measure in measures)
        scores, tags, tasks = (measure.rows(SAMPLES) for measure in measures)
        assert scores[0] == {"complexity": 7.0} and str(scores[1]) == "language model: status 500, 2 times"
        assert tags[0] == {"tags": ["object counting", "spatial relation"]}
        assert tasks[0] == {"task": "object counting", "tasks": ["object counting", "object counting"]}
    asked = [json.dumps(request["messages"]) for request in server.requests]  # type: ignore[attr-defined]
    broken = [text for text in asked if "broken" in text]
    assert len(asked) - len(broken) == len({*asked} - {*broken}) == 6
    assert len(broken) == 2 * len({*broken}), "two attempts for each of its questions, and none in the second round"


def test_a_server_that_is_down_stops_the_run_and_is_not_held_against_the_samples(
    server: ThreadingHTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    down = ServerGenerator("m", 0.0, 1, 64, base_url="http://127.0.0.1:9/v1", attempts=1, give_up_after=2)
    with pytest.raises(InputError, match="the last 2 requests have failed"):
        AskedComplexity(Answers(down, tmp_path / "replies.sqlite")).rows(SAMPLES)
    up = AskedComplexity(behind(server, tmp_path, monkeypatch))
    assert up.rows(SAMPLES[:1]) == [{"complexity": 7.0}]


def test_a_batch_is_written_and_its_results_are_scores(tmp_path: Path) -> None:
    measure = AskedComplexity(Answers(BatchGenerator("m", 0.0, 1, 8, tmp_path / "batch"), tmp_path / "replies.sqlite"))
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


def test_a_local_model_is_asked_and_what_it_says_is_checked(tiny_llama: Path, tmp_path: Path, encode: Encode) -> None:
    answers = Answers(LocalGenerator(tiny_llama, 0.0, 1, 8, seed=0), tmp_path / "replies.sqlite")
    first = AskedComplexity(answers).rows(SAMPLES)
    assert [str(row) for row in first] == ["no score in the reply"] * 2, "random weights don't say numbers"
    tasks = AskedTask(answers, encode, SYSTEM, selective=False).rows(SAMPLES)
    assert all(isinstance(row, MeasureFault) or set(row["tasks"]) <= set(SYSTEM.tags) for row in tasks)
    elsewhere = Answers(LocalGenerator(tiny_llama, 0.0, 1, 8, seed=0), tmp_path / "again.sqlite")
    assert elsewhere(AskedComplexity(answers).questions(SAMPLES[0])) == answers(
        AskedComplexity(answers).questions(SAMPLES[0])
    ), "the likeliest words are the same again"
    with pytest.raises(InputError, match=r"no model in .*absent"):
        AskedComplexity(Answers(LocalGenerator(tmp_path / "absent", 0.0, 1, 8, seed=0), tmp_path / "r.sqlite")).rows(
            SAMPLES
        )


@pytest.mark.parametrize("name", ["server", "batch", "local"])
def test_the_configuration_makes_each_backend_with_one_short_likeliest_reply(assess_config, name: str) -> None:
    cfg = assess_config(f"llm={name}")
    model = instantiate(cfg.llm.build, _convert_="all")
    assert (model.temperature, model.n) == (0.0, 1) and model.max_tokens <= 64
    assert Answers(model, Path(cfg.llm.replies)).key


def test_tags_are_read_from_the_first_line_with_words() -> None:
    assert proposed_tags("\n Object_Counting, OCR. ,, x, y\nmore") == ["object counting", "ocr"]
    assert first_tag(" , \n") == "" and proposed_tags("") == []


def test_a_score_is_a_whole_number_from_1_to_10() -> None:
    assert [read_score(text) for text in ("Score: 10", "4.0", "I'd say 3 of 10")] == [10, 4, 3]
    with pytest.raises(MeasureFault):
        read_score("eleven, or 0, or 11")
