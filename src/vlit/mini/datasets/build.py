"""Builds the three mini instruction datasets from a world's annotation files, whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from vlit.common.digest import is_whole, write_sums
from vlit.common.errors import InputError
from vlit.common.files import is_replaceable, read_json, replaced_folder, write_json, write_jsonl
from vlit.construct.describe import write_region_archive
from vlit.construct.sources.image import ImageAnnotations
from vlit.construct.sources.read import SOURCE_FILES, SOURCES, read_annotations
from vlit.mini.datasets.conversations import (
    PLANTED,
    Conversation,
    ConversationWriter,
    PlantedError,
    plant_errors,
    write_conversations,
)
from vlit.mini.datasets.image_facts import ImageFacts
from vlit.mini.datasets.ours import OURS_SHARES, GlobalWriter, NegativeWriter, RegionWriter, coco_arc_records
from vlit.mini.datasets.public import (
    PUBLIC_SOURCES,
    LlavaWriter,
    MimicItWriter,
    llava_records,
    mimic_it_images,
    mimic_it_records,
)

_MARK = "build.json"  # written last: what the folder was built from
_VERSION = 2  # raise it when the same specification gives other files
_IMAGES = "train2014"


@dataclass(frozen=True)
class MiniDatasetSpec:
    """Size of a dataset.

    Attributes:
        samples: number of conversations.
        error_rate: share of the samples with a planted error, on average.

    Raises:
        InputError: if a number is out of range.
    """

    samples: int
    error_rate: float

    def __post_init__(self) -> None:
        if self.samples < 1 or not 0 <= self.error_rate <= 1:
            raise InputError(f"{self}: samples must be at least 1 and error_rate between 0 and 1")


@dataclass(frozen=True)
class MiniDatasetsSpec:
    """What to build. The same specification of the same world gives the same bytes."""

    llava: MiniDatasetSpec = field(default_factory=lambda: MiniDatasetSpec(4000, 0.08))
    mimic_it: MiniDatasetSpec = field(default_factory=lambda: MiniDatasetSpec(4000, 0.05))
    ours: MiniDatasetSpec = field(default_factory=lambda: MiniDatasetSpec(4000, 0.25))
    seed: int = 0


def build_mini_datasets(world_folder: str | Path, spec: MiniDatasetsSpec, folder: str | Path) -> Path:
    """Write `folder/llava/`, `folder/mimic_it/` and `folder/ours/` in their published formats.

    Nothing is written if the folder was built by this specification from this world; any other earlier build is
    replaced. Next to the published files there is `planted_errors.jsonl` in each, which nothing reads.

    Args:
        world_folder: folder of the world, with annotation files in `coco/` and images in `coco/train2014/`.
        spec: sizes, error rates and seed.
        folder: folder to write.

    Returns:
        `folder`.

    Raises:
        InputError: if a file of the world is absent or broken, if its annotations are too few for the samples, or if
            `folder` contains something that no build wrote.
    """
    folder, coco = Path(folder), Path(world_folder) / "coco"
    mark = {"version": _VERSION, "spec": asdict(spec), "world": _fingerprint(Path(world_folder))}
    if _is_built(folder, mark):
        return folder
    annotations = read_annotations(coco)
    with replaced_folder(folder, _MARK, what="build", is_current=lambda: _is_built(folder, mark)) as fresh:
        _write_llava(annotations, spec, fresh / "llava")
        _write_mimic_it(annotations, spec, fresh / "mimic_it", coco / _IMAGES)
        _write_ours(annotations, spec, fresh / "ours", coco / _IMAGES)
        write_json(fresh / _MARK, mark)
        write_sums(fresh)
    return folder


def _is_built(folder: Path, mark: dict[str, Any]) -> bool:
    """Return whether a folder was built from what `mark` says; False if absent, empty, damaged or another build."""
    return is_replaceable(folder, _MARK, "build") and is_whole(folder, _MARK, mark)


def _write_llava(annotations: Sequence[ImageAnnotations], spec: MiniDatasetsSpec, folder: Path) -> None:
    rng = Random(f"llava/{spec.seed}")
    facts = _facts(annotations, PUBLIC_SOURCES)
    right = write_conversations(facts, LlavaWriter(), spec.llava.samples, rng, "llava")
    written, planted = plant_errors(right, _ids("llava", right), spec.llava.error_rate, rng)
    write_json(folder / "llava_instruct_150k.json", llava_records(written))
    _write_planted(folder, planted)


def _write_mimic_it(
    annotations: Sequence[ImageAnnotations], spec: MiniDatasetsSpec, folder: Path, images: Path
) -> None:
    rng = Random(f"mimic_it/{spec.seed}")
    facts = _facts(annotations, PUBLIC_SOURCES)
    right = write_conversations(facts, MimicItWriter(), spec.mimic_it.samples, rng, "mimic_it")
    written, planted = plant_errors(right, _ids("mimic_it", right), spec.mimic_it.error_rate, rng)
    instructions, train = mimic_it_records(written, rng)
    write_json(folder / "DC_instructions.json", instructions)
    write_json(folder / "DC_train.json", train)
    write_json(folder / "DC.json", mimic_it_images(written, images), indent=None)
    _write_planted(folder, planted)


def _write_ours(annotations: Sequence[ImageAnnotations], spec: MiniDatasetsSpec, folder: Path, images: Path) -> None:
    facts = _facts(annotations, SOURCES)
    regions = RegionWriter()
    writers: dict[str, ConversationWriter] = {
        "global": GlobalWriter(),
        "negative": NegativeWriter(),
        "region": regions,
    }
    planted: list[PlantedError] = []
    for kind, samples in _split(spec.ours.samples, OURS_SHARES).items():
        rng = Random(f"ours/{kind}/{spec.seed}")
        right = write_conversations(facts, writers[kind], samples, rng, f"ours, {kind}")
        written, errors = plant_errors(right, _ids(f"ours/{kind}", right), spec.ours.error_rate, rng)
        write_json(folder / f"{kind}.json", coco_arc_records(written))
        planted += errors
        if kind == "region":
            names = (conversation.image for conversation in written)
            write_region_archive(folder / "region_images.zip", names, regions.boxes, images)
    _write_planted(folder, planted)


def _write_planted(folder: Path, planted: Sequence[PlantedError]) -> None:
    write_jsonl(folder / PLANTED, (error.record() for error in planted))


def _facts(annotations: Sequence[ImageAnnotations], sources: Sequence[str]) -> list[ImageFacts]:
    return [ImageFacts(image.restricted(sources)) for image in annotations]


def _ids(prefix: str, conversations: Sequence[Conversation]) -> list[str]:
    """Return sample ids as the readers of the published formats give them: the position in the file."""
    return [f"{prefix}/{number:06d}" for number in range(len(conversations))]


def _split(samples: int, shares: dict[str, int]) -> dict[str, int]:
    """Return samples divided by shares; the first gets what rounding leaves."""
    parts = {name: samples * share // sum(shares.values()) for name, share in shares.items()}
    parts[next(iter(parts))] += samples - sum(parts.values())
    return parts


def _fingerprint(world: Path) -> Any:
    """Return the world's own record, or a hash of its annotation files where it has none."""
    record = world / "world.json"
    if record.is_file():
        return read_json(record)
    digest = hashlib.sha256()
    for name in sorted(name for names in SOURCE_FILES.values() for name in names):
        path = world / "coco" / name
        if path.is_file():
            digest.update(name.encode() + path.read_bytes())
    return digest.hexdigest()
