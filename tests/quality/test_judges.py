"""Correctness by votes, and a judge and a scorer behind a real local HTTP server."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image

from vlit.data.images import Base64Image, FileImage
from vlit.data.sample import Sample, Turn
from vlit.errors import InputError
from vlit.quality.chat import ChatServer
from vlit.quality.correctness import Correctness
from vlit.quality.instruction_complexity import AskedComplexity, read_score
from vlit.quality.server_judge import ServerJudge
from vlit.quality.statistics import MeasureFault
from vlit.quality.task_tags import ProposedTags
from vlit.quality.votes import count_votes, read_vote


class Handler(BaseHTTPRequestHandler):
    """Sees the image's colour: "The answer is red." is right for a red image."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(asked)  # type: ignore[attr-defined]
        content = asked["messages"][1]["content"]
        text = content if isinstance(content, str) else content[-1]["text"]
        status, reply = 200, "7"
        if "broken" in text.rsplit("Question:", 1)[-1]:
            status, reply = 500, ""
        elif not isinstance(content, str):
            data = content[0]["image_url"]["url"].split(",")[1]
            red, _, blue = Image.open(io.BytesIO(base64.b64decode(data))).getpixel((0, 0))
            color = "red" if red > blue else "blue"
            case = text.rsplit("Question:", 1)[-1]
            reply = "Yes." if color in case else "No, it is not."
            if "unsure" in case:
                reply = "I can't tell."
            elif "split" in case:
                reply = "Yes" if asked["seed"] % 2 else "No"
        elif text.endswith("Tasks:"):
            reply = "Object_Counting, spatial relation."
        body = json.dumps(
            {
                "id": "1", "object": "chat.completion", "created": 0, "model": asked["model"],
                "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": reply}}],
            }
        ).encode()  # fmt: skip
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture()
def server() -> Iterator[ThreadingHTTPServer]:
    found = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.requests = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=found.serve_forever, daemon=True)
    thread.start()
    yield found
    found.shutdown()
    found.server_close()


def client(server: ThreadingHTTPServer, folder: Path) -> ChatServer:
    return ChatServer(f"http://127.0.0.1:{server.server_port}/v1", "seer", folder / "replies.jsonl", retries=0)


def picture(color: tuple[int, int, int]) -> Base64Image:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), color).save(buffer, "PNG")
    return Base64Image(base64.b64encode(buffer.getvalue()).decode())


RED = picture((255, 0, 0))


def sample(response: str, image: Base64Image | FileImage = RED) -> Sample:
    return Sample(response, (image,), (Turn("What color is it?", response),))


def test_the_most_frequent_vote_wins_a_tie_is_no_and_silence_is_no_verdict() -> None:
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


def test_complexity_and_tags_of_a_server(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    asked = client(server, tmp_path)
    assert AskedComplexity(asked).rows([sample("It is red.")]) == [{"complexity": 7.0}]
    assert ProposedTags(asked).rows([sample("It is red.")]) == [{"tags": ["object counting", "spatial relation"]}]


def test_a_score_is_a_whole_number_from_1_to_10() -> None:
    assert [read_score(text) for text in ("Score: 10", "4.0", "I'd say 3 of 10")] == [10, 4, 3]
    with pytest.raises(MeasureFault):
        read_score("eleven, or 0, or 11")
