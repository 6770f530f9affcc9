"""A judge behind an OpenAI-compatible vision server."""

from __future__ import annotations

from vlit.data.sample import Sample, Turn
from vlit.quality.chat import ChatServer
from vlit.quality.correctness import SYSTEM, question
from vlit.quality.votes import read_vote


class ServerJudge:
    """Shows the server the image and asks for yes or no."""

    name = "server"

    def __init__(self, server: ChatServer) -> None:
        self.server, self.key = server, server.key

    def votes(self, sample: Sample, turn: Turn, times: int) -> list[bool | None]:
        """Ask `times` times, each with its seed."""
        image = sample.images[-1].load()
        return [read_vote(self.server(SYSTEM, question(turn, time), image, seed=time)) for time in range(times)]
