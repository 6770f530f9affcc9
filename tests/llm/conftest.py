"""A misbehaving chat server in a process of its own, and prompts for it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from vlit.llm.request import Price, Prompt, Sampling
from vlit.llm.server import ServerModel

KEY = "sk-this-key-must-never-be-written"
FIVE = Sampling(0.8, 5, 100)  # as in construction


@dataclass(frozen=True)
class RunningServer:
    url: str

    def counts(self) -> dict[str, dict[str, int]]:
        """Attempts by content of the request ("asked"), and faults by kind ("seen")."""
        with urllib.request.urlopen(self.url.removesuffix("/v1")) as answer:
            found: dict[str, dict[str, int]] = json.load(answer)
        return found


@contextlib.contextmanager
def running(folder: Path, faults: float, latency: float) -> Iterator[RunningServer]:
    port = folder / f"port-{time.monotonic_ns()}"
    script = str(Path(__file__).parent / "chat_server.py")
    process = subprocess.Popen([sys.executable, "-S", script, str(port), str(faults), str(latency)])
    try:
        while not port.is_file():
            assert process.poll() is None, "the server did not start"
            time.sleep(0.01)
        yield RunningServer(f"http://127.0.0.1:{port.read_text()}/v1")
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def chat_server(tmp_path: Path) -> Iterator[Callable[[float, float], RunningServer]]:
    """`chat_server(faults, latency)`: a fresh server."""
    with contextlib.ExitStack() as stack:
        yield lambda faults, latency: stack.enter_context(running(tmp_path, faults, latency))


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    """A key in the environment, in the variable that `server_model` names."""
    monkeypatch.setenv("CHAT_KEY", KEY)
    return KEY


def server_model(url: str, **changes: Any) -> ServerModel:
    model = ServerModel("m", Price(1.0, 2.0), url, "CHAT_KEY", timeout=1.5, attempts=4, backoff=0.01)
    return replace(model, **changes)


def prompts(count: int, sampling: Sampling = FIVE) -> list[Prompt]:
    return [Prompt("You describe images.", f"A cup on the table of house {n * 7919}.", sampling) for n in range(count)]
