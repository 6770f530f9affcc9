"""Processor time and memory of reading instruction data: `python benchmarks/reading_speed.py` (options: `name=value`).

Writes a file like LLaVA-Instruct-150K (158,000 samples of one to eight turns over 80,000 image names, about 175 MB) and
reads it in a process of its own, every row checked, pictures found but not decoded. The best of the rounds counts, as a
busy machine only adds time.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from omegaconf import OmegaConf

from vlit.common.errors import InputError
from vlit.common.files import write_json

DEFAULTS = {"samples": 158_000, "rounds": 3, "output": "results/benchmarks/reading_speed.json"}
MOST_SECONDS = 9.0  # of processor time, for 158,000 samples
WORDS = [
    "the",
    "a",
    "dog",
    "car",
    "street",
    "two",
    "red",
    "people",
    "near",
    "with",
    "on",
    "and",
    "is",
    "standing",
    "image",
    "shows",
    "small",
    "large",
    "table",
    "sky",
]


def main() -> None:
    """Measure, print and write the figures."""
    options = OmegaConf.merge(OmegaConf.create(DEFAULTS), OmegaConf.from_cli(sys.argv[1:]))
    if unknown := set(options) - set(DEFAULTS):
        raise InputError(f"unknown options {sorted(unknown)}: choose from {', '.join(DEFAULTS)}")
    with tempfile.TemporaryDirectory() as folder:
        size = write_samples(Path(folder), options.samples)
        rounds = [measured(Path(folder)) for _ in range(options.rounds)]
    best = min(rounds, key=lambda one: one["processor_seconds"])
    figures = {"samples": options.samples, "megabytes": round(size / 1e6), "rounds": rounds, "best": best}
    took = f"{best['processor_seconds']:.2f} s of processor time, {best['peak_megabytes']:.0f} MB peak"
    print(f"{options.samples:,} samples, {size / 1e6:.0f} MB: {took}")
    write_json(Path(options.output), figures)
    if options.samples == DEFAULTS["samples"] and best["processor_seconds"] > MOST_SECONDS:
        raise InputError(f"reading took more than {MOST_SECONDS} s of processor time")


def write_samples(folder: Path, samples: int) -> int:
    """Write `data.json` and empty files for its images; return the size of `data.json` in bytes."""
    rng = random.Random(0)
    (folder / "images").mkdir()
    names = [f"{number:012d}.jpg" for number in range(max(1, samples // 2))]
    for name in names:
        (folder / "images" / name).touch()
    rows = []
    for number in range(samples):
        turns = []
        for turn in range(rng.choice((1, 1, 2, 3, 4, 5))):
            tag = "<image>\n" if turn == 0 else ""
            turns.append({"from": "human", "value": tag + text(rng, 12)})
            turns.append({"from": "gpt", "value": text(rng, 46)})
        rows.append({"id": f"{number:012d}", "image": names[number % len(names)], "conversations": turns})
    (folder / "data.json").write_text(json.dumps(rows))
    return (folder / "data.json").stat().st_size


def text(rng: random.Random, words: int) -> str:
    """Return a sentence of about so many words."""
    return " ".join(rng.choices(WORDS, k=rng.randrange(words // 2, words * 2))).capitalize() + "."


READ = """
import json, resource, sys, time
from vlit.data.formats.llava import read_llava
from vlit.data.sample import Rejects
start, used = time.perf_counter(), time.process_time()
samples = read_llava(sys.argv[1] + "/data.json", sys.argv[1] + "/images", Rejects(), check=None)
print(json.dumps({"seconds": time.perf_counter() - start, "processor_seconds": time.process_time() - used,
                  "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "read": len(samples)}))
"""


def measured(folder: Path) -> dict[str, float]:
    """Read the file in a process of its own and return its figures."""
    done = subprocess.run([sys.executable, "-c", READ, str(folder)], capture_output=True, text=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
