"""A real local HTTP server that judges, scores and labels; a CLIP, a tiny LLaMA, an encoder; `assess.py`'s settings."""

from __future__ import annotations

import base64
import io
import json
import math
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.utils import instantiate
from numpy.typing import NDArray
from omegaconf import DictConfig
from PIL import Image

from vlit.models.clip import Clip
from vlit.quality.image_features import ClipWeights, ImageFeatures
from vlit.quality.instruments import Encode

ROOT = Path(__file__).resolve().parents[2]


class Handler(BaseHTTPRequestHandler):
    """Sees the image's colour: "The answer is red." is right for a red image."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        with server.lock:  # type: ignore[attr-defined]
            server.requests.append(asked)  # type: ignore[attr-defined]
            refused = len(server.requests) > server.refuse_after  # type: ignore[attr-defined]
            server.at_once += 1  # type: ignore[attr-defined]
            server.most_at_once = max(server.most_at_once, server.at_once)  # type: ignore[attr-defined]
        time.sleep(server.latency)  # type: ignore[attr-defined]
        with server.lock:  # type: ignore[attr-defined]
            server.at_once -= 1  # type: ignore[attr-defined]
        content = asked["messages"][1]["content"]
        text = content if isinstance(content, str) else content[-1]["text"]
        status, reply = (401 if refused else 200), "7"
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
        elif text.endswith(("Tasks:", "Task:")):
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
    """A server that stores its `requests`, answers after `latency` seconds, and refuses all after `refuse_after`."""
    found = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.requests, found.lock = [], threading.Lock()  # type: ignore[attr-defined]
    found.latency, found.refuse_after = 0.0, math.inf  # type: ignore[attr-defined]
    found.at_once = found.most_at_once = 0  # type: ignore[attr-defined]
    thread = threading.Thread(target=found.serve_forever, daemon=True)
    thread.start()
    yield found
    found.shutdown()
    found.server_close()


class HashEncoder:
    """Encodes texts to unit vectors by hash, near each other for texts with the same first word."""

    key = "hash"

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = [_noise(text.split(" ")[0]) + 0.1 * _noise(text) for text in texts]
        vectors = np.array(rows, np.float32).reshape(len(texts), 16)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _noise(text: str) -> NDArray[np.float64]:
    return np.random.default_rng(zlib.crc32(text.encode())).normal(size=16)


@pytest.fixture(scope="session")
def encode() -> Encode:
    return HashEncoder()


class LoadedClip:
    """A CLIP that has been loaded, as a source of features."""

    name = "clip-mini"

    def __init__(self, clip: Clip, key: str = "clip-mini|test") -> None:
        self.clip, self.key = clip, key

    def load(self) -> Clip:
        return self.clip

    def features(self, file: Path | None = None, batch_size: int = 256) -> ImageFeatures:
        return ImageFeatures(self, file, batch_size)


@pytest.fixture(scope="session")
def clip_weights(compose) -> ClipWeights:
    """The mini CLIP as `quality.clip` configures it."""
    return instantiate(compose().quality.clip)


@pytest.fixture(scope="session")
def clip(clip_weights: ClipWeights) -> LoadedClip:
    """The mini CLIP, loaded once."""
    return LoadedClip(clip_weights.load())


@pytest.fixture(scope="session")
def tiny_llama(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """LLaMA's architecture with random weights and the mini tokenizer."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("llama")
    tokenizer = AutoTokenizer.from_pretrained(cache / "weights/tokenizer")
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=2048, **sizes)).save_pretrained(
        folder
    )
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def assess_config() -> Callable[..., DictConfig]:
    """`assess_config("llm=server", ...)`: the configuration of `assess.py`."""

    def composed(*overrides: str) -> DictConfig:
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            return hydra_compose("assess", [*overrides, "paths.root=/nowhere"])

    return composed
