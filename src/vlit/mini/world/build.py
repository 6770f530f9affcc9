"""Builds a world on disk: training images with annotations, and the benchmark; whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from vlit.common.errors import InputError
from vlit.common.files import read_json, replaced_folder, write_json
from vlit.mini.world.annotations import coco_attributes, coco_captions, coco_instances, coco_text, image_name
from vlit.mini.world.benchmark import DIMENSIONS, benchmark_file, benchmark_items
from vlit.mini.world.benchmark import image_name as benchmark_image_name
from vlit.mini.world.draw import render
from vlit.mini.world.plans import CHOICES
from vlit.mini.world.sample import FIRST_BENCHMARK_ID, FIRST_PRETRAINING_ID, training_scenes
from vlit.mini.world.scene import Scene, write_truth
from vlit.mini.world.vqa import vqa_files

RECORD = "world.json"
VERSION = 1  # raise it when the same spec gives another world
JPEG = {"quality": 95, "subsampling": 0}
MOST_GROUPS = (FIRST_PRETRAINING_ID - FIRST_BENCHMARK_ID) // (CHOICES * len(DIMENSIONS))


@dataclass(frozen=True)
class WorldSpec:
    """What to build: training scenes, groups of four benchmark questions in each dimension, and the seed.

    Raises:
        InputError: if a number is out of range.
    """

    scenes: int = 3000
    benchmark_groups: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.scenes < FIRST_BENCHMARK_ID:
            raise InputError(f"world scenes={self.scenes}: choose 1 to {FIRST_BENCHMARK_ID - 1}")
        if not 1 <= self.benchmark_groups <= MOST_GROUPS:
            raise InputError(f"world benchmark_groups={self.benchmark_groups}: choose 1 to {MOST_GROUPS}")


def build_world(spec: WorldSpec, folder: str | Path) -> Path:
    """Build a world under `folder`, or return at once if it is there already. The same spec gives the same bytes.

    `coco/` holds `train2014/` and the annotation files of COCO, COCO-Text, COCO Attributes and VQA v2; `seed_bench/`
    holds `SEED-Bench.json` and `SEED-Bench-image/`; `truth/` the scenes themselves; `world.json` the spec and a
    sha256 fingerprint of all other files.

    Raises:
        InputError: if the folder holds anything but a world of this spec.
    """
    folder = Path(folder)
    if _is_built(spec, folder):
        return folder
    with replaced_folder(folder, what="world", is_current=lambda: _is_built(spec, folder)) as fresh:
        _write(spec, fresh)
    return folder


def _is_built(spec: WorldSpec, folder: Path) -> bool:
    """Say whether `folder` holds the world of `spec`; False if it is absent or empty."""
    if (folder.is_dir() and not any(folder.iterdir())) or not folder.exists():
        return False
    if not (folder / RECORD).is_file():
        raise InputError(f"{folder} exists and is no world (it has no {RECORD}): choose another folder")
    record = read_json(folder / RECORD, "build the world again")
    if record.get("spec") != asdict(spec) or record.get("version") != VERSION:
        told = f"version {record.get('version')} of {record.get('spec')}"
        raise InputError(f"{folder} holds another world ({told}): remove it or choose another folder")
    return True


def _write(spec: WorldSpec, folder: Path) -> None:
    scenes = list(training_scenes(spec.scenes, spec.seed))
    items = list(benchmark_items(spec.benchmark_groups, spec.seed))
    coco, seed_bench = folder / "coco", folder / "seed_bench"
    images = [(coco / "train2014" / image_name(scene.id), scene) for scene in scenes]
    images += [(seed_bench / "SEED-Bench-image" / benchmark_image_name(item.scene), item.scene) for item in items]
    _draw_all(images)
    questions, answers = vqa_files(scenes, spec.seed)
    contents: dict[Path, Any] = {
        coco / "annotations" / "instances_train2014.json": coco_instances(scenes),
        coco / "annotations" / "captions_train2014.json": coco_captions(scenes, spec.seed),
        coco / "COCO_Text.json": coco_text(scenes),
        coco / "cocottributes.json": coco_attributes(scenes),
        coco / "v2_OpenEnded_mscoco_train2014_questions.json": questions,
        coco / "v2_mscoco_train2014_annotations.json": answers,
        seed_bench / "SEED-Bench.json": benchmark_file(items),
    }
    for path, content in contents.items():
        write_json(path, content, indent=None)
    write_truth(folder, [*scenes, *(item.scene for item in items)])
    write_json(folder / RECORD, {"version": VERSION, "spec": asdict(spec), "fingerprint": fingerprint(folder)})


def _draw_all(images: Iterable[tuple[Path, Scene]]) -> None:
    images = list(images)
    for parent in {path.parent for path, _ in images}:
        parent.mkdir(parents=True)
    for path, scene in tqdm(images, desc="drawing the world", unit="image"):
        render(scene).save(path, "JPEG", **JPEG)


def fingerprint(folder: Path) -> str:
    """Return the sha256 over the names and bytes of a world's files, its record left out."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != RECORD):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()
