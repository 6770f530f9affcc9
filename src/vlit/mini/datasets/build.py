"""Builds the three mini instruction datasets from a world's annotation files, whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from vlit.common.errors import InputError
from vlit.common.files import is_replaceable, read_json, replaced_folder, write_json, write_jsonl
from vlit.construct.region_images import write_region_archive
from vlit.construct.sources.image import ImageAnnotations
from vlit.construct.sources.read import SOURCE_FILES, read_annotations
from vlit.mini.datasets import llava, mimic_it, ours
from vlit.mini.datasets.exchange import Conversation, Speaker, generate
from vlit.mini.datasets.facts import ImageFacts
from vlit.mini.datasets.planted import PLANTED, PlantedError, plant_errors

MARK = "build.json"  # written last: what the folder was built from
IMAGES = "train2014"


@dataclass(frozen=True)
class DatasetSpec:
    """Size of a dataset, and the chance of a sample to have a planted error."""

    samples: int
    error_rate: float

    def __post_init__(self) -> None:
        if self.samples < 1 or not 0 <= self.error_rate <= 1:
            raise InputError(f"{self}: samples must be at least 1 and error_rate between 0 and 1")


@dataclass(frozen=True)
class MiniDatasetsSpec:
    """What to build. The same specification of the same world gives the same bytes."""

    llava: DatasetSpec = field(default_factory=lambda: DatasetSpec(4000, 0.08))
    mimic_it: DatasetSpec = field(default_factory=lambda: DatasetSpec(4000, 0.05))
    ours: DatasetSpec = field(default_factory=lambda: DatasetSpec(4000, 0.25))
    seed: int = 0


def build_mini_datasets(world_folder: str | Path, spec: MiniDatasetsSpec, folder: str | Path) -> Path:
    """Write `folder/llava/`, `folder/mimic_it/` and `folder/ours/` in their published formats.

    Returns at once if the folder holds this specification of this world already, and replaces what an earlier build
    left there. Besides the published files there is `planted_errors.jsonl` in each, which nothing reads.

    Args:
        world_folder: holds `coco/` with the annotation files and `coco/train2014/` with the images.
        spec: sizes, error rates and seed.
        folder: what to write.

    Returns:
        The folder.

    Raises:
        InputError: if a file of the world is absent or broken, if it carries too few conversations, or if `folder`
            holds something that no build wrote.
    """
    folder, coco = Path(folder), Path(world_folder) / "coco"
    mark = {"spec": asdict(spec), "world": _fingerprint(Path(world_folder))}
    if _is_built(folder, mark):
        return folder
    annotations = read_annotations(coco)
    with replaced_folder(folder, MARK, what="build", is_current=lambda: _is_built(folder, mark)) as fresh:
        _write_llava(annotations, spec, fresh / "llava")
        _write_mimic_it(annotations, spec, fresh / "mimic_it", coco / IMAGES)
        _write_ours(annotations, spec, fresh / "ours", coco / IMAGES)
        write_json(fresh / MARK, mark)
    return folder


def _is_built(folder: Path, mark: dict[str, Any]) -> bool:
    """Say whether the folder holds exactly what `mark` says; False if it is absent, empty or an earlier build."""
    return mark_of(folder, MARK, "build") == mark


def _write_llava(annotations: Sequence[ImageAnnotations], spec: MiniDatasetsSpec, folder: Path) -> None:
    rng = Random(f"llava/{spec.seed}")
    held = generate(_facts(annotations, llava.SOURCES), llava.LlavaSpeaker(), spec.llava.samples, rng, "llava")
    said, planted = plant_errors(held, _ids("llava", held), spec.llava.error_rate, rng)
    write_json(folder / "llava_instruct.json", llava.llava_records(said))
    _write_planted(folder, planted)


def _write_mimic_it(
    annotations: Sequence[ImageAnnotations], spec: MiniDatasetsSpec, folder: Path, images: Path
) -> None:
    rng = Random(f"mimic_it/{spec.seed}")
    facts = _facts(annotations, mimic_it.SOURCES)
    held = generate(facts, mimic_it.MimicItSpeaker(), spec.mimic_it.samples, rng, "mimic_it")
    said, planted = plant_errors(held, _ids("mimic_it", held), spec.mimic_it.error_rate, rng)
    instructions, train = mimic_it.mimic_it_records(said, rng)
    write_json(folder / "DC_instructions.json", instructions)
    write_json(folder / "DC_train.json", train)
    write_json(folder / "DC.json", mimic_it.mimic_it_images(said, images), indent=None)
    _write_planted(folder, planted)


def _write_ours(annotations: Sequence[ImageAnnotations], spec: MiniDatasetsSpec, folder: Path, images: Path) -> None:
    facts = _facts(annotations, ours.SOURCES)
    regions = ours.RegionSpeaker()
    speakers: dict[str, Speaker] = {
        "global": ours.GlobalSpeaker(),
        "negative": ours.NegativeSpeaker(),
        "region": regions,
    }
    planted: list[PlantedError] = []
    for kind, samples in _split(spec.ours.samples, ours.SHARES).items():
        rng = Random(f"ours/{kind}/{spec.seed}")
        held = generate(facts, speakers[kind], samples, rng, f"ours, {kind}")
        said, errors = plant_errors(held, _ids(f"ours/{kind}", held), spec.ours.error_rate, rng)
        write_json(folder / f"{kind}.json", ours.coco_arc_records(said))
        planted += errors
        if kind == "region":
            names = (conversation.image for conversation in said)
            write_region_archive(folder / "region_images.zip", names, regions.boxes, images)
    _write_planted(folder, planted)


def _write_planted(folder: Path, planted: Sequence[PlantedError]) -> None:
    write_jsonl(folder / PLANTED, (error.record() for error in planted))


def _facts(annotations: Sequence[ImageAnnotations], sources: Sequence[str]) -> list[ImageFacts]:
    return [ImageFacts(image.restricted(sources)) for image in annotations]


def _ids(prefix: str, conversations: Sequence[Conversation]) -> list[str]:
    """Sample ids as the readers of the published formats give them: the place in the file."""
    return [f"{prefix}/{number:06d}" for number in range(len(conversations))]


def _split(samples: int, shares: dict[str, int]) -> dict[str, int]:
    """Divide samples by shares; the first takes what rounding leaves."""
    parts = {name: samples * share // sum(shares.values()) for name, share in shares.items()}
    parts[next(iter(parts))] += samples - sum(parts.values())
    return parts


def _fingerprint(world: Path) -> Any:
    """What the world's own record says of it, or a hash of its annotation files where it keeps no record."""
    record = world / "world.json"
    if record.is_file():
        return read_json(record)
    digest = hashlib.sha256()
    for name in sorted(name for names in SOURCE_FILES.values() for name in names):
        path = world / "coco" / name
        if path.is_file():
            digest.update(name.encode() + path.read_bytes())
    return digest.hexdigest()


def mark_of(folder: Path, name: str, what: str) -> object:
    """Return what the file `name` of a folder says it was built from; None if the folder is absent or empty.

    Raises:
        InputError: if the folder holds something else than `what`.
    """
    if not is_replaceable(folder, name, what):
        return None
    return read_json(folder / name, mend="remove the folder and build again")
