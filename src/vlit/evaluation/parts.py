"""Answers on their way: each process appends its own to a part file, and resumes behind what is whole in it."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vlit.common.digest import opened, sealed
from vlit.common.files import write_jsonl, write_text
from vlit.data.images import FileImage, portable_key
from vlit.evaluation.seed_bench import Question

log = logging.getLogger(__name__)


def fingerprint_questions(questions: Sequence[Question], *settings: str) -> str:
    """Return a hash of questions and how they are scored: ids, texts, choices, answers, and images by name and size."""
    digest = hashlib.sha256(json.dumps(settings).encode())
    for one in questions:
        row = (one.id, one.dimension, one.question, one.choices, one.answer, portable_key(FileImage(one.image)))
        digest.update(json.dumps(row).encode())
    return digest.hexdigest()


def part_file(output: Path, identity: str, rank: int) -> Path:
    """Return a process's part file; answers to other questions have another name, and are never taken for these."""
    return output.with_name(f"{output.name}.{identity[:12]}.part{rank}")


def share(questions: Sequence[Question], size: int, rank: int, world: int) -> list[list[Question]]:
    """Return a process's batches; questions on one image are neighbours, so that the image is encoded once for them."""
    first = {question.image: place for place, question in reversed(list(enumerate(questions)))}
    together = sorted(questions, key=lambda question: first[question.image])
    batches = [together[start : start + size] for start in range(0, len(together), size)]
    return batches[rank::world]


def answered_batches(part: Path, batches: list[list[Question]]) -> int:
    """Return how many batches a part file contains whole, and cut it off after them."""
    if not part.exists():
        return 0
    rows = _rows(part)
    done = used = 0
    for batch in batches:
        if [row["question_id"] for row in rows[used : used + len(batch)]] != [question.id for question in batch]:
            break
        done, used = done + 1, used + len(batch)
    write_text(part, "".join(map(line_of, rows[:used])))
    return done


def line_of(row: dict[str, Any]) -> str:
    """Return a row's line in a part file: a checksum and its JSON."""
    return sealed(json.dumps(row)) + "\n"


def _rows(part: Path) -> list[dict[str, Any]]:
    """Return the rows of a part file up to the first line that is damaged: it and what follows are scored again."""
    rows: list[dict[str, Any]] = []
    for line in part.read_bytes().split(b"\n")[:-1]:  # a kill may have cut off what follows the last line break
        text = opened(line)
        if text is None:
            log.warning("%s: line %d is damaged; it and what follows are scored again", part, len(rows) + 1)
            break
        rows.append(json.loads(text))
    return rows


def merge(output: Path, identity: str, questions: Sequence[Question], world: int) -> None:
    """Write the rows of all processes in the order of the questions, and remove all part files."""
    parts = [part_file(output, identity, rank) for rank in range(world)]
    rows = {row["question_id"]: row for part in parts if part.exists() for row in _rows(part)}
    absent = [question.id for question in questions if question.id not in rows]
    if absent:
        raise RuntimeError(f"{len(absent)} questions have no prediction, first {absent[0]}")
    write_jsonl(output, [rows[question.id] for question in questions])
    for part in output.parent.glob(f"{output.name}.*part*"):
        part.unlink(missing_ok=True)
