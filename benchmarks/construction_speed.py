"""Requests a second of construction: `python -m benchmarks.construction_speed` (options: `name=value`).

A local server that answers after 200 ms and has no limits allows concurrency / latency requests a second. Measured are
the share of that which `ServerModel` reaches, the processor time of a request, and the share of the time in which the
client was ready to run while other programs had the processors: where that is not near 0, the machine was measured.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from tests.construct.conftest import annotated_images, requests_about
from tests.llm.conftest import running
from tests.llm.test_server import waited
from vlit.common.errors import InputError
from vlit.common.files import write_json, write_text
from vlit.llm.cache import ReplyCache
from vlit.llm.server import ServerModel

DEFAULTS = {"concurrency": [8, 16, 32, 64], "rounds": 25, "times": 3, "latency": 0.2,
            "output": "results/benchmarks/construction_speed"}  # fmt: skip


def measure(concurrency: int, options: Any, url: str, folder: Path) -> dict[str, float]:
    """Return the best of several runs."""
    model = ServerModel("m", base_url=url, key_variable=None, concurrency=concurrency)
    requests = requests_about(annotated_images(folder / "coco", concurrency * options.rounds), model)
    found = []
    for number in range(options.times + 1):  # the first one imports
        with ReplyCache(folder / f"{number}.sqlite") as cache:
            begun, used, denied = time.monotonic(), time.process_time(), waited()
            model.answer(requests if number else dict(list(requests.items())[:1]), cache)
            took = time.monotonic() - begun
        found.append(
            {
                "share_of_the_servers_rate": len(requests) / took / (concurrency / options.latency),
                "processor_ms_a_request": 1000 * (time.process_time() - used) / len(requests),
                "ready_but_not_running": (waited() - denied) / took,
            }
        )
    return max(found[1:], key=lambda one: one["share_of_the_servers_rate"])


def main() -> None:
    """Measure each concurrency and write both files."""
    options = OmegaConf.merge(DEFAULTS, OmegaConf.from_dotlist(sys.argv[1:]))
    unknown = sorted(str(key) for key in set(options) - set(DEFAULTS))
    if unknown:
        raise InputError(f"unknown option {unknown[0]!r}: there are {', '.join(DEFAULTS)}")
    found = {}
    lines = ["| requests at once | share of concurrency / latency | processor ms a request | ready, not running |",
             "|---|---|---|---|"]  # fmt: skip
    for concurrency in options.concurrency:
        with tempfile.TemporaryDirectory() as folder, running(Path(folder), 0.0, options.latency) as server:
            one = found[str(concurrency)] = measure(concurrency, options, server.url, Path(folder))
        lines.append(f"| {concurrency} | " + " | ".join(f"{value:.2f}" for value in one.values()) + " |")
        print(lines[-1], flush=True)
    plain = OmegaConf.to_container(options)
    write_json(Path(f"{options.output}.json"), {"options": plain, "load": os.getloadavg()[0], "concurrency": found})
    write_text(Path(f"{options.output}.md"), "\n".join(lines) + "\n")
    print(f"wrote {options.output}.json, .md")


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
