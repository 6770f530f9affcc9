"""MIMIC-IT's format: instructions, their in-context examples and base64 images (Luodian/Otter, mimic-it/README.md)."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from vlit.common.errors import InputError
from vlit.common.files import read_json
from vlit.data.checks import MalformedError, checked_turn, keep_readable
from vlit.data.images import Base64Image
from vlit.data.sample import Rejects, Sample, Turn

log = logging.getLogger(__name__)


def read_mimic_it(
    instructions: str | Path,
    images: str | Path,
    rejects: Rejects,
    *,
    train: str | Path | None = None,
    in_context: int = 0,
    name: str = "mimic_it",
    check_images: bool = True,
) -> list[Sample]:
    """Read one task of MIMIC-IT, such as LA or CGD.

    Args:
        instructions: `XX_instructions.json`, `{meta, data: {id: {instruction, answer, image_ids, rel_ins_ids}}}`.
        images: `XX.json`, `{id: base64}`, or `XX.parquet`, image ids as the index and a column `base64`.
        rejects: receives the unusable samples, and the in-context examples left out.
        train: `XX_train.json`, `{id: [related ids]}`: which instructions to use, in which order, with which examples.
            Without it every instruction is used, with its own `rel_ins_ids`.
        in_context: so many of the first usable related instructions come before each sample as turns to read and
            not to learn from (`Turn.supervised` is False), with their own images.
        name: the first part of the ids.
        check_images: decode every image now.

    Raises:
        InputError: if a file is absent, cut off or in another format.
    """
    instructions, images = Path(instructions), Path(images)
    records = _mapping(instructions).get("data")
    if not isinstance(records, dict):
        raise InputError(f"{instructions} is not in MIMIC-IT's format: it has no `data` object")
    related = _related(records, train)
    store = read_base64_images(images, _wanted(records, related, in_context))
    samples = []
    for number, (key, others) in enumerate(related.items()):
        sample_id = f"{name}/{number:06d}"
        try:
            target = _example(records, key, store, supervised=True)
        except MalformedError as fault:
            rejects.add(sample_id, fault.reason, fault.detail)
            continue
        before = _context(sample_id, records, others, store, size=in_context, rejects=rejects)
        turns, pictures = zip(*before, target, strict=True)
        joined = tuple(image for group in pictures for image in group)
        samples.append(Sample(sample_id, joined, turns, source_id=key, task=_task(key)))
    if check_images:
        samples = keep_readable(samples, rejects)
    log.info("%s: %d of %d samples read; %s", instructions.name, len(samples), len(related), rejects.summary())
    return samples


Example = tuple[Turn, tuple[Base64Image, ...]]


def _example(records: Mapping[str, Any], key: str, store: Mapping[str, str], supervised: bool) -> Example:
    record = records.get(key)
    if not isinstance(record, dict):
        raise MalformedError("unknown instruction id", key)
    ids = _ids(record, "image_ids")
    absent = [image_id for image_id in ids if image_id not in store]
    if absent:
        raise MalformedError("missing image", f"{key} names {', '.join(absent)}")
    turn = checked_turn(record.get("instruction"), record.get("answer"), len(ids), supervised)
    return turn, tuple(Base64Image(store[image_id]) for image_id in ids)


def _context(
    sample_id: str,
    records: Mapping[str, Any],
    others: Sequence[str],
    store: Mapping[str, str],
    *,
    size: int,
    rejects: Rejects,
) -> list[Example]:
    examples: list[Example] = []
    for other in others:
        if len(examples) == size:
            break
        try:
            examples.append(_example(records, other, store, supervised=False))
        except MalformedError as fault:
            rejects.add_part(sample_id, "in-context example left out", f"{other}: {fault}")
    return examples


def _related(records: Mapping[str, Any], train: str | Path | None) -> dict[str, list[str]]:
    """The instructions to use, in order, each with the ids of its related ones."""
    if train is None:
        return {key: _ids(record, "rel_ins_ids") for key, record in records.items()}
    return {key: _ids({"listed": others}, "listed") for key, others in _mapping(Path(train)).items()}


def _wanted(records: Mapping[str, Any], related: Mapping[str, Sequence[str]], in_context: int) -> set[str]:
    """Ids of the images that some sample shows."""
    keys = set(related)
    if in_context:
        keys.update(other for others in related.values() for other in others)
    return {image_id for key in keys for image_id in _ids(records.get(key), "image_ids")}


def _task(key: str) -> str:
    """The task an id such as LA_INS_000012 begins with."""
    task, mark, _ = key.partition("_INS_")
    return task if mark else ""


def _ids(record: object, field: str) -> list[str]:
    value = record.get(field) if isinstance(record, dict) else None
    return [str(item) for item in value] if isinstance(value, list) else []


def _mapping(path: Path) -> dict[str, Any]:
    value = read_json(path, mend="download it, or mend the dataset's path")
    if not isinstance(value, dict):
        raise InputError(f"{path} is not in MIMIC-IT's format: the top level must be an object")
    return value


COLUMN = "base64"


def read_base64_images(path: Path, wanted: Collection[str]) -> dict[str, str]:
    """Read the wanted images of `{id: base64}` JSON, or of a Parquet file with an id index and a column `base64`.

    Returns:
        Base64 text by image id, without the ids the file lacks.

    Raises:
        InputError: if the file is absent, broken or in another format.
    """
    wanted = set(wanted)
    if path.suffix == ".parquet":
        return _from_parquet(path, wanted)
    images = read_json(path, mend="download it, or mend the dataset's `images` path")
    if not isinstance(images, dict):
        raise InputError(f"{path} does not map image ids to base64 text: the top level must be an object")
    return {key: data for key, data in images.items() if key in wanted and isinstance(data, str)}


def _from_parquet(path: Path, wanted: set[str]) -> dict[str, str]:
    import pyarrow
    import pyarrow.compute
    import pyarrow.parquet

    if not path.is_file():
        raise InputError(f"no file {path}: download it, or mend the dataset's `images` path")
    images: dict[str, str] = {}
    try:
        file = pyarrow.parquet.ParquetFile(path)
        index = _index_column(path, file.schema_arrow)
        for batch in file.iter_batches(batch_size=256, columns=[index, COLUMN]):
            ids = batch.column(index).cast(pyarrow.string())
            chosen = batch.filter(pyarrow.compute.is_in(ids, pyarrow.array(sorted(wanted), pyarrow.string())))
            keys = chosen.column(index).cast(pyarrow.string()).to_pylist()
            rows = zip(keys, chosen.column(COLUMN).to_pylist(), strict=True)
            images.update({key: data for key, data in rows if isinstance(data, str)})
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise InputError(f"{path} is not a readable Parquet file ({error}): fetch it again") from None
    return images


def _index_column(path: Path, schema: object) -> str:
    """Name of the column with the image ids: the pandas index, else the one column beside `base64`."""
    names: list[str] = list(schema.names)  # type: ignore[attr-defined]
    pandas = schema.pandas_metadata or {}  # type: ignore[attr-defined]
    index = [column for column in pandas.get("index_columns", []) if isinstance(column, str)]
    candidates = index or [column for column in names if column != COLUMN]
    if COLUMN not in names or len(candidates) != 1:
        raise InputError(f"{path} has columns {names}: expected image ids as the index and a column `{COLUMN}`")
    return candidates[0]
