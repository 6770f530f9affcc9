"""A misbehaving chat server in a process of its own, images to ask about, and a job."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from PIL import Image

from tests.construct.conftest import world  # noqa: F401  (a fixture)
from vlit.common.files import write_json
from vlit.construct.pipeline import Job
from vlit.construct.prompts import RequestSpec
from vlit.llm.server import ServerGenerator

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class ChatServer:
    url: str

    def counts(self) -> dict[str, dict[str, int]]:
        """Requests asked for, by content, and faults, by kind."""
        with urllib.request.urlopen(self.url.removesuffix("/v1")) as answer:
            found: dict[str, dict[str, int]] = json.load(answer)
        return found


@contextlib.contextmanager
def running(folder: Path, faults: float, latency: float) -> Iterator[ChatServer]:
    port = folder / f"port-{time.monotonic_ns()}"
    script = str(Path(__file__).parent / "chat_server.py")
    process = subprocess.Popen([sys.executable, "-S", script, str(port), str(faults), str(latency)])
    try:
        while not port.is_file():
            assert process.poll() is None, "the server did not start"
            time.sleep(0.01)
        yield ChatServer(f"http://127.0.0.1:{port.read_text()}/v1")
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def chat_server(tmp_path: Path) -> Iterator[Callable[[float, float], ChatServer]]:
    """`chat_server(faults, latency)`: a fresh server."""
    with contextlib.ExitStack() as stack:
        yield lambda faults, latency: stack.enter_context(running(tmp_path, faults, latency))


def annotated_images(folder: Path, count: int) -> Path:
    """Write so many images, each with a caption and a box of its own, in the published formats."""
    images = [
        {"id": number, "file_name": f"COCO_train2014_{number:012d}.jpg", "width": 32, "height": 32}
        for number in range(1, count + 1)
    ]
    captions = [
        {"id": n, "image_id": n, "caption": f"Picture number {n} of a cup on the table of house {n * 7919}."}
        for n in range(1, count + 1)
    ]
    boxes = [
        {"id": n, "image_id": n, "category_id": 47, "bbox": [4, 4, 12, 12], "iscrowd": 0} for n in range(1, count + 1)
    ]
    write_json(folder / "annotations/captions_train2014.json", {"images": images, "annotations": captions})
    categories = [{"id": 47, "name": "cup", "supercategory": "kitchen"}]
    instances = {"images": images, "annotations": boxes, "categories": categories}
    write_json(folder / "annotations/instances_train2014.json", instances)
    (folder / "train2014").mkdir()
    for image in images:
        Image.new("RGB", (32, 32), (90, 140, 200)).save(folder / "train2014" / str(image["file_name"]))
    return folder


def configured(*overrides: str) -> Any:
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return compose("construct", list(overrides))


def request_spec(*variants: str) -> RequestSpec:
    cfg = configured()
    return RequestSpec(
        templates=instantiate(cfg.templates),
        variants=[instantiate(cfg.prompts[name], _convert_="all") for name in variants],
        examples=[instantiate(example, _convert_="all") for example in cfg.examples],
        shown=2,
        least_region=0.01,
        seed=0,
    )


def server_job(coco: Path, folder: Path, generator: ServerGenerator, *variants: str) -> Job:
    return Job(
        annotations=coco,
        sources=["caption", "object"],
        images=coco / "train2014",
        limit=None,
        requests=request_spec(*variants),
        generator=generator,
        rules=instantiate(configured().rules, _convert_="all"),
        cache=folder / "cache/replies.sqlite",
        output=folder / "ours",
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
