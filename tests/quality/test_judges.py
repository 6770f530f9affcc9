"""Correctness by votes, and a judge behind a real local HTTP server."""

from __future__ import annotations

import base64
import io
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image

from vlit.common.errors import InputError
from vlit.data.images import Base64Image, FileImage
from vlit.data.sample import Sample, Turn
from vlit.llm.vision import ChatServer
from vlit.quality.indicators.correctness import Correctness, count_votes, read_vote
from vlit.quality.judges.asked import ServerJudge


def client(server: ThreadingHTTPServer, folder: Path) -> ChatServer:
    return ChatServer(f"http://127.0.0.1:{server.server_port}/v1", "seer", folder / "replies.jsonl", retries=0)


def picture(color: tuple[int, int, int]) -> Base64Image:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), color).save(buffer, "PNG")
    return Base64Image(base64.b64encode(buffer.getvalue()).decode())


RED = picture((255, 0, 0))


def sample(response: str, image: Base64Image | FileImage = RED) -> Sample:
    return Sample(response, (image,), (Turn("What color is it?", response),))


def test_the_most_frequent_vote_wins_a_tie_is_no_and_abstentions_are_no_verdict() -> None:
    assert count_votes([True, True, False]).correct is True
    assert count_votes([True, False, None]).correct is False
    assert count_votes([None, None, True]).correct is True
    assert count_votes([None, None]).correct is None
    assert [read_vote(text) for text in ("Yes.", " **no**, it", "Verdict: correct", "Maybe yes", "Nothing")] == [
        True, False, True, None, None,
    ]  # fmt: skip


def test_a_vision_server_is_shown_the_image_and_asked_several_times(
    server: ThreadingHTTPServer, tmp_path: Path
) -> None:
    measure = Correctness(ServerJudge(client(server, tmp_path)), times=4, workers=3)
    broken = FileImage(tmp_path / "absent.png")
    rows = measure.rows(
        [sample("It is red."), sample("It is blue."), sample("unsure"), sample("split"), sample("broken"),
         sample("It is red too.", broken), Sample("text", (), (Turn("a", "b"),))]
    )  # fmt: skip
    assert rows[0] == {"correct": 1.0, "agreement": 1.0, "yes": 4, "no": 0, "abstained": 0}
    assert rows[1]["correct"] == 0.0 and rows[1]["no"] == 4
    assert rows[3]["correct"] == 0.0 and (rows[3]["yes"], rows[3]["no"]) == (2, 2)
    assert [str(rows[place]) for place in (2, 4, 5, 6)] == [
        "no verdict", "server failed (500)", "unreadable image", "no image",
    ]  # fmt: skip


def test_nothing_is_asked_twice_even_after_a_kill_in_the_middle_of_a_line(
    server: ThreadingHTTPServer, tmp_path: Path
) -> None:
    Correctness(ServerJudge(client(server, tmp_path)), times=3).rows([sample("It is red.")])
    replies = tmp_path / "replies.jsonl"
    replies.write_bytes(replies.read_bytes()[:-20])  # the third reply is torn
    before = len(server.requests)  # type: ignore[attr-defined]
    for _ in range(2):
        rows = Correctness(ServerJudge(client(server, tmp_path)), times=3).rows([sample("It is red.")])
        assert rows[0]["yes"] == 3
    assert len(server.requests) == before + 1  # type: ignore[attr-defined]


def test_no_server_stops_the_run_with_one_line(tmp_path: Path) -> None:
    absent = ChatServer("http://127.0.0.1:9/v1", "seer", tmp_path / "replies.jsonl", retries=0)
    with pytest.raises(InputError, match="no server at http"):
        Correctness(ServerJudge(absent)).rows([sample("It is red.")])
