"""Builds a world on disk, whole or not at all: training images with annotations, and the benchmark."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from vlit.common.digest import SUMS, is_whole, write_sums
from vlit.common.errors import InputError
from vlit.common.files import read_json, replaced_folder, write_json
from vlit.mini.world.annotations import (
    coco_attributes,
    coco_captions,
    coco_instances,
    coco_text,
    training_image_name,
    vqa_files,
)
from vlit.mini.world.draw import render
from vlit.mini.world.facts import scene_facts
from vlit.mini.world.plans import CHOICES, QuestionPlan, random_plan
from vlit.mini.world.sample import FIRST_BENCHMARK_ID, FIRST_PRETRAINING_ID, drafted_scene, stream, training_scenes
from vlit.mini.world.scene import Scene, write_truth
from vlit.mini.world.vocabulary import SETTINGS
from vlit.mini.world.wordings import TAUGHT, UNSEEN, drawn

_RECORD = "world.json"
UNSEEN_QUESTIONS = "truth/unseen_wordings.json"  # ids of the questions in wordings that nothing else uses
_VERSION = 2  # raise it when the same spec gives another world
_JPEG = {"quality": 95, "subsampling": 0}
# Short name -> (id in SEED-Bench-1, published name, our question types). Dimensions 10-12 ask about videos.
BENCHMARK_DIMENSIONS: dict[str, tuple[int, str, tuple[str, ...]]] = {
    "SU": (1, "Scene Understanding", ("setting", "taken")),
    "II": (2, "Instance Identity", ("at", "coloured")),
    "IA": (3, "Instance Attributes", ("colour", "texture", "look")),
    "IL": (4, "Instance Location", ("location",)),
    "IC": (5, "Instances Counting", ("count",)),
    "SR": (6, "Spatial Relation", ("relation",)),
    "IIR": (7, "Instance Interaction", ("interaction",)),
    "VR": (8, "Visual Reasoning", ("most", "useful", "left")),
    "TR": (9, "Text Understanding", ("word",)),
}
_LETTERS = "ABCD"
_MOST_GROUPS = (FIRST_PRETRAINING_ID - FIRST_BENCHMARK_ID) // (CHOICES * len(BENCHMARK_DIMENSIONS))


@dataclass(frozen=True)
class WorldSpec:
    """What to build.

    Attributes:
        scenes: number of training images.
        benchmark_groups: groups of four questions in each of the nine dimensions.
        seed: seed of everything random.

    Raises:
        InputError: if a number is out of range.
    """

    scenes: int = 3000
    benchmark_groups: int = 76
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.scenes < FIRST_BENCHMARK_ID:
            raise InputError(f"world scenes={self.scenes}: choose 1 to {FIRST_BENCHMARK_ID - 1}")
        if not 1 <= self.benchmark_groups <= _MOST_GROUPS:
            raise InputError(f"world benchmark_groups={self.benchmark_groups}: choose 1 to {_MOST_GROUPS}")


def build_world(spec: WorldSpec, folder: str | Path) -> Path:
    """Build a world under `folder`, unless it exists already. The same spec gives the same bytes.

    One whose files are damaged is built again.

    `coco/` holds `train2014/` and the annotation files of COCO, COCO-Text, COCO Attributes and VQA v2; `seed_bench/`
    holds `SEED-Bench.json` and `SEED-Bench-image/`; `truth/` the scenes themselves; `world.json` the spec and a
    sha256 fingerprint of all other files.

    Returns:
        `folder`.

    Raises:
        InputError: if `folder` contains anything but a world of this spec.
    """
    folder = Path(folder)
    if _is_built(spec, folder):
        return folder
    with replaced_folder(folder, _RECORD, what="world", is_current=lambda: _is_built(spec, folder)) as fresh:
        _write(spec, fresh)
    return folder


def _is_built(spec: WorldSpec, folder: Path) -> bool:
    """Return whether `folder` contains the world of `spec`; False if it is absent or empty."""
    if (folder.is_dir() and not any(folder.iterdir())) or not folder.exists():
        return False
    if not (folder / _RECORD).is_file():
        raise InputError(f"{folder} exists and is no world (it has no {_RECORD}): choose another folder")
    made_from = {"version": _VERSION, "spec": asdict(spec)}
    try:
        record = read_json(folder / _RECORD)
    except InputError:
        record = made_from  # damaged: it is built again
    if not isinstance(record, dict) or {key: record.get(key) for key in made_from} != made_from:
        found = f"version {record.get('version')} of {record.get('spec')}" if isinstance(record, dict) else "no record"
        raise InputError(f"{folder} contains another world ({found}): remove it or choose another folder")
    return is_whole(folder, _RECORD, made_from)


def _write(spec: WorldSpec, folder: Path) -> None:
    scenes = list(training_scenes(spec.scenes, spec.seed))
    items = list(benchmark_items(spec.benchmark_groups, spec.seed))
    coco, seed_bench = folder / "coco", folder / "seed_bench"
    images = [(coco / "train2014" / training_image_name(scene.id), scene) for scene in scenes]
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
    write_json(folder / UNSEEN_QUESTIONS, [item.question["question_id"] for item in items if item.unseen])
    write_json(folder / _RECORD, {"version": _VERSION, "spec": asdict(spec), "fingerprint": world_fingerprint(folder)})
    write_sums(folder)


def _draw_all(images: Iterable[tuple[Path, Scene]]) -> None:
    images = list(images)
    for parent in {path.parent for path, _ in images}:
        parent.mkdir(parents=True)
    for path, scene in tqdm(images, desc="drawing the world", unit="image"):
        render(scene).save(path, "JPEG", **_JPEG)


def world_fingerprint(folder: Path) -> str:
    """Return the sha256 of the names and bytes of a world's files, without its record."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in (_RECORD, SUMS)):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


@dataclass(frozen=True)
class BenchmarkItem:
    """A question as SEED-Bench-1 writes it, the scene it is about, and whether its wording is one of `UNSEEN`."""

    question: dict[str, Any]
    scene: Scene
    unseen: bool


def benchmark_image_name(scene: Scene) -> str:
    """Return the file name (`data_id`) of a benchmark image."""
    return f"{scene.id}.jpg"


def benchmark_items(groups: int, seed: int) -> Iterator[BenchmarkItem]:
    """Yield the questions of the nine image dimensions, `groups` groups of four in each, ids from 500,001."""
    first = FIRST_BENCHMARK_ID
    for dimension_id, _, types in BENCHMARK_DIMENSIONS.values():
        for group in range(groups):
            # Each type of question by turns in a wording of datasets and in an unseen one.
            pair, unseen = divmod(group, 2)
            yield from _group(types[pair % len(types)], bool(unseen), dimension_id, first, seed)
            first += CHOICES


def benchmark_file(items: list[BenchmarkItem]) -> dict[str, Any]:
    """Return the content of `SEED-Bench.json`."""
    return {
        "question_type": {name: id for id, name, _ in BENCHMARK_DIMENSIONS.values()},
        "questions": [item.question for item in items],
    }


def _group(type: str, unseen: bool, dimension_id: int, first: int, seed: int) -> Iterator[BenchmarkItem]:
    rng = stream(seed, first, "group")
    planned = random_plan(type, rng)
    text = drawn(UNSEEN if unseen else TAUGHT, type, planned.slots, rng)
    for right in range(CHOICES):
        scene = _scene(planned, right, first + right, seed)
        choices = {f"choice_{letter.lower()}": choice for letter, choice in zip(_LETTERS, planned.choices, strict=True)}
        yield BenchmarkItem(
            {
                "answer": _LETTERS[right],
                **choices,
                "data_id": benchmark_image_name(scene),
                "data_type": "image",
                "question": text,
                "question_id": str(scene.id),
                "question_type_id": dimension_id,
            },
            scene,
            unseen,
        )


def _scene(planned: QuestionPlan, right: int, id: int, seed: int) -> Scene:
    """Return a scene in which the question has one clear answer, and the choice `right` is it."""
    rng = stream(seed, id)
    setting = rng.choice(SETTINGS)
    while True:
        scene = drafted_scene(rng, setting, id, planned.builders[right])
        for fact in scene_facts(scene):
            if (fact.type, fact.slots, fact.answer) == (planned.type, planned.slots, planned.choices[right]):
                return scene
