"""Writing a world to disk, whole or not at all."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from tqdm import tqdm

from vlit.errors import InputError
from vlit.files import read_json, write_json, write_jsonl
from vlit.world import annotations, benchmark
from vlit.world.draw import render
from vlit.world.sample import scenes
from vlit.world.scene import Scene

TRAINING_IDS = 1


@dataclass(frozen=True)
class WorldSpec:
    """What a world holds.

    Attributes:
        scenes: pictures for instruction data.
        benchmark_groups: groups of four questions in each of the nine dimensions.
        seed: of everything.
    """

    scenes: int = 3000
    benchmark_groups: int = 50
    seed: int = 0


def build_world(spec: WorldSpec, folder: Path) -> Path:
    """Write a world, unless it is there.

    `coco/` has pictures and annotations, `seed_bench/` the benchmark, `world.json` the specification and a fingerprint.
    `truth/scenes.jsonl` is the scenes themselves: for tests and studies of planted errors; nothing in the pipeline
    reads it.

    Raises:
        InputError: if the folder holds a world of another specification.
    """
    record = folder / "world.json"
    if record.exists():
        found = read_json(record)["spec"]
        if found != asdict(spec):
            raise InputError(f"{folder} holds another world ({found}): remove it or set paths.data to another folder")
        return folder
    temporary = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    training = list(scenes(spec.scenes, TRAINING_IDS, spec.seed))
    questions, asked = benchmark.benchmark(spec.benchmark_groups, spec.seed)
    digest = hashlib.sha256()
    _draw(training, temporary / "coco" / "train2014", annotations.image_name, digest.update)
    _draw(asked, temporary / "seed_bench" / "SEED-Bench-image", benchmark.image_name, digest.update)
    files = {f"coco/{name}": content for name, content in annotations.annotation_files(training, spec.seed).items()}
    files["seed_bench/SEED-Bench.json"] = questions
    for name, content in files.items():
        write_json(temporary / name, content, indent=None)
        digest.update(json.dumps(content).encode())
    write_jsonl(temporary / "truth" / "scenes.jsonl", [asdict(scene) for scene in (*training, *asked)])
    write_json(temporary / "world.json", {"spec": asdict(spec), "fingerprint": digest.hexdigest()})
    shutil.rmtree(folder, ignore_errors=True)
    temporary.replace(folder)
    return folder


def _draw(
    drawn: Iterable[Scene], folder: Path, name: Callable[[int], str], note: Callable[[bytes], None]
) -> None:
    folder.mkdir(parents=True)
    for scene in tqdm(list(drawn), desc=folder.name, unit="scene"):
        encoded = io.BytesIO()
        render(scene).save(encoded, format="JPEG", quality=95, subsampling=0)
        note(encoded.getvalue())
        (folder / name(scene.id)).write_bytes(encoded.getvalue())
