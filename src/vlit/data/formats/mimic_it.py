"""MIMIC-IT's format: instructions, their in-context examples and base64 images (Luodian/Otter, mimic-it/README.md)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from vlit.common.content import RepeatedKeys, read_document
from vlit.common.errors import InputError
from vlit.data.checks import MalformedError, Unreadable, checked_row, checked_turn, keep_readable
from vlit.data.image_store import read_base64_images
from vlit.data.images import unreadable
from vlit.data.sample import ImageSource, Rejects, Sample, Turn

log = logging.getLogger(__name__)


class Instruction(msgspec.Struct):
    """An instruction of `XX_instructions.json`."""

    instruction: Any
    answer: Any
    image_ids: list[str | int] | None = None
    rel_ins_ids: list[str | int] | None = None


Records = Mapping[str, Instruction | MalformedError]
Shown = tuple[Turn, tuple[ImageSource, ...]]  # a turn and the images right before it


def read_mimic_it(
    instructions: str | Path,
    images: str | Path,
    rejects: Rejects,
    *,
    train: str | Path | None = None,
    in_context: int = 0,
    name: str = "mimic_it",
    check: Unreadable | None = unreadable,
    upright: bool = True,
) -> list[Sample]:
    """Read one task of MIMIC-IT, such as LA or CGD.

    Args:
        instructions: `XX_instructions.json`, `{meta, data: {id: {instruction, answer, image_ids, rel_ins_ids}}}`.
        images: `XX.json`, `{id: base64}`, or Parquet, image ids as the index and a column `base64`.
        rejects: receives the unusable samples, and the in-context examples left out.
        train: `XX_train.json`, `{id: [related ids]}`: which instructions to use, in which order, with which examples.
            Without it every instruction is used, with its own `rel_ins_ids`.
        in_context: number of related instructions shown before each sample, the first usable ones, as turns to read
            and not to learn from (`Turn.supervised` is False), with their own images.
        name: first part of the ids.
        check: finds the images that cannot be decoded, by default by decoding all; None checks nothing.
        upright: apply the EXIF orientation.

    Raises:
        InputError: if a file is absent or in another format.
    """
    instructions = Path(instructions)
    content = dict(_pairs(instructions))
    if "data" not in content or not isinstance(content["data"], dict | RepeatedKeys):
        raise InputError(f"{instructions} is not in MIMIC-IT's format: it has no `data` object")
    records = _records(content["data"])
    related = _related(records, train)
    store = read_base64_images(Path(images), _wanted(records, related, in_context), upright)
    samples = []
    for number, (key, others) in enumerate(related):
        sample_id, place = f"{name}/{number:06d}", f"{instructions.name}[{key}]"
        try:
            if isinstance(others, MalformedError):
                raise others
            target = _shown(records, key, store, supervised=True)
        except MalformedError as fault:
            rejects.add(sample_id, fault.reason, fault.detail, place=place, field=fault.field)
            continue
        before = _context(sample_id, key, records, others, store, in_context, rejects)
        turns, pictures = zip(*before, target, strict=True)
        joined = tuple(image for group in pictures for image in group)
        samples.append(Sample(sample_id, joined, turns, source_id=key, task=_task(key), place=place))
    samples = keep_readable(samples, rejects, check)
    rejects.close(str(train or instructions), len(related), len(samples))
    log.info("%s: %d of %d samples read; %s", instructions.name, len(samples), len(related), rejects.summary())
    return samples


def _pairs(path: Path) -> list[tuple[str, Any]]:
    """Return keys and values of a file that holds one object, repeated keys included."""
    value = read_document(path, "download it, or mend the dataset's path", repeated_keys=True).value
    if isinstance(value, RepeatedKeys):
        return list(value)
    if not isinstance(value, dict):
        raise InputError(f"{path} is not in MIMIC-IT's format: the top level must be an object")
    return list(value.items())


def _records(data: Any) -> dict[str, Instruction | MalformedError]:
    """Check every instruction; an id that occurs again keeps its first record and adds a fault under its own name."""
    records: dict[str, Instruction | MalformedError] = {}
    for key, value in data if isinstance(data, RepeatedKeys) else data.items():
        try:
            record: Instruction | MalformedError = checked_row(Instruction, value)
        except MalformedError as fault:
            record = fault
        if key in records:
            again = sum(name.startswith(f"{key} (") for name in records) + 2
            records[f"{key} ({again})"] = MalformedError("instruction id occurs again", key)
        else:
            records[key] = record
    return records


def _related(records: Records, train: str | Path | None) -> list[tuple[str, list[str] | MalformedError]]:
    """Return the instructions to use, in order, each with the ids of its related ones or with its fault."""
    if train is None:
        return [
            (key, record if isinstance(record, MalformedError) else _texts(record.rel_ins_ids))
            for key, record in records.items()
        ]
    listed: list[tuple[str, list[str] | MalformedError]] = []
    for key, others in _pairs(Path(train)):
        if isinstance(others, list) and not isinstance(others, RepeatedKeys):
            listed.append((key, _texts(others)))
        else:
            listed.append((key, MalformedError("related ids are no list", f"{Path(train).name}: {others!r}", key)))
    return listed


def _texts(values: Sequence[Any] | None) -> list[str]:
    return [str(value) for value in values or ()]


def _wanted(records: Records, related: Sequence[tuple[str, list[str] | MalformedError]], in_context: int) -> set[str]:
    """Return the ids of the images that some sample shows."""
    keys = {key for key, _ in related}
    if in_context:
        keys.update(other for _, others in related if isinstance(others, list) for other in others)
    found = (records.get(key) for key in keys)
    return {image for record in found if isinstance(record, Instruction) for image in _texts(record.image_ids)}


def _shown(records: Records, key: str, store: Mapping[str, ImageSource], supervised: bool) -> Shown:
    record = records.get(key)
    if record is None:
        raise MalformedError("unknown instruction id", key)
    if isinstance(record, MalformedError):
        raise record
    ids = _texts(record.image_ids)
    absent = [image for image in ids if image not in store]
    if absent:
        raise MalformedError("missing image", f"{key} names {', '.join(absent)}", "image_ids")
    turn = checked_turn(record.instruction, record.answer, len(ids), supervised)
    return turn, tuple(store[image] for image in ids)


def _context(
    sample_id: str,
    key: str,
    records: Records,
    others: Sequence[str],
    store: Mapping[str, ImageSource],
    size: int,
    rejects: Rejects,
) -> list[Shown]:
    """Return the first `size` usable examples; the sample itself is none, as that would show its answer."""
    examples: list[Shown] = []
    for other in others:
        if len(examples) == size:
            break
        try:
            if other == key:
                raise MalformedError("it is the sample itself", "")
            examples.append(_shown(records, other, store, supervised=False))
        except MalformedError as fault:
            rejects.add_part(sample_id, "in-context example left out", f"{other}: {fault}", field="rel_ins_ids")
    return examples


def _task(key: str) -> str:
    """Return the task that an id such as LA_INS_000012 begins with."""
    task, mark, _ = key.partition("_INS_")
    return task if mark else ""
