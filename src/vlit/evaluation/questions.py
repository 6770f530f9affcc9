"""Reads question files in SEED-Bench's format: every question is checked before any is scored, alike for all families.

A question that one family could not score (a picture that does not decode, a control token, an empty choice) is
rejected for all, so that their question sets are equal. The meaning of `question_type_id` is that of the file's own
`question_type` table: SEED-Bench's published file had the ids 3 and 4 exchanged for a time.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from vlit.common.content import read_document
from vlit.common.errors import InputError
from vlit.data.checks import MalformedError, checked_row, checked_text
from vlit.data.images import FileImage, ImageFolder, unreadable
from vlit.data.sample import Rejects
from vlit.evaluation.seed_bench import DIMENSIONS, KEY_OF_ID, LETTERS, Question

log = logging.getLogger(__name__)

_IMAGE_TYPES = {"image", "singleimage"}  # SEED-Bench, SEED-Bench-2
_LONGEST = 4000  # characters of a question with its longest choice


class Row(msgspec.Struct):
    """A question of the file; its choices are `choice_a` to `choice_j`."""

    question_id: str | int
    question: Any
    answer: Any
    question_type_id: str | int | None
    data_id: str | list[str]
    data_type: str | None = None


def read_questions(annotations: Path, images: Path, rejects: Rejects, upright: bool = True) -> list[Question]:
    """Read the image questions of a file, each with two to ten choices.

    Args:
        annotations: `{questions: [...], question_type: {name: id}}`, or the list of questions alone.
        images: folder of the images.
        rejects: receives unusable questions with their reasons; questions about videos are counted as noted.
        upright: apply the EXIF orientation of photographs.

    Raises:
        InputError: if the file is absent, in another format, or without a usable image question.
    """
    document = read_document(annotations, "fetch SEED-Bench.json, or set benchmark.annotations", repeated_keys=True)
    entries, table = _entries(annotations, document.value)
    key_of_type = _types(annotations, table)
    folder = ImageFolder(images, upright)
    questions: dict[str, tuple[str, Question]] = {}
    noted = 0
    for number, value in enumerate(entries):
        place = document.places[number] if document.places else f"{annotations.name}[{number}]"
        if _is_video(value):
            noted += 1
            continue
        name = _name(value, number)
        try:
            if name in questions:
                raise MalformedError("question id occurs twice", name, "question_id")
            questions[name] = (place, _question(name, value, key_of_type, folder))
        except MalformedError as fault:
            rejects.add(name, fault.reason, fault.detail, place=place, field=fault.field)
    for place, reason in document.faults:
        rejects.add(place, "not valid JSON", reason, place=place)
    kept = _decodable(questions, rejects, upright)
    rejects.close(str(annotations), len(entries) + len(document.faults), len(kept), noted)
    log.info("%s: %d questions read, %d about videos; %s", annotations.name, len(kept), noted, rejects.summary())
    if not kept:
        raise InputError(f"{annotations} has no usable image question: {rejects.summary()}")
    _warn(annotations, kept)
    return kept


def _entries(annotations: Path, value: Any) -> tuple[list[Any], Mapping[str, Any]]:
    if type(value) is list:
        return value, {}
    if not isinstance(value, dict) or not isinstance(value.get("questions"), list):
        raise InputError(f"{annotations} is not in SEED-Bench's format: it has no list `questions`")
    table = value.get("question_type")
    return value["questions"], table if isinstance(table, dict) else {}


def _plain(name: str) -> str:
    """Return a dimension's name without case, spaces and plural: SEED-Bench and its descendants differ in these."""
    return "".join(word.removesuffix("s") for word in re.findall(r"[a-z]+", name.lower()))


_KEY_OF_NAME = {_plain(dimension.name): dimension.key for dimension in DIMENSIONS} | {_plain("Text Recognition"): "TR"}


def _types(annotations: Path, table: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the dimension of each type, by id and by plain name; None for a type that is no image dimension."""
    found: dict[str, str | None] = {str(id): key for id, key in KEY_OF_ID.items()} if not table else {}
    found |= dict(_KEY_OF_NAME)
    for name, id in table.items():
        key = _KEY_OF_NAME.get(_plain(name))
        found[str(id)] = found[_plain(name)] = key
        published = KEY_OF_ID.get(id) if isinstance(id, int) else None
        if key is not None and published is not None and key != published:
            log.warning(
                "%s: its own table calls type %s %s, not %s; the table counts", annotations, id, name, published
            )
    return found


def _is_video(value: Any) -> bool:
    kind = value.get("data_type") if isinstance(value, dict) else None
    return isinstance(kind, str) and _plain(kind) == "video"


def _name(value: Any, number: int) -> str:
    id = value.get("question_id") if isinstance(value, dict) else None
    return str(id) if isinstance(id, str | int) and not isinstance(id, bool) else f"#{number}"


def _question(name: str, value: Any, key_of_type: Mapping[str, str | None], folder: ImageFolder) -> Question:
    row = checked_row(Row, value)
    if row.data_type is not None and _plain(row.data_type) not in _IMAGE_TYPES:
        raise MalformedError("not a question about one image", row.data_type, "data_type")
    choices = _choices(value)
    text = checked_text(row.question, "question")
    if len(text) + max(map(len, choices)) > _LONGEST:
        raise MalformedError("question is too long", f"{len(text)} characters", "question")
    return Question(
        name, _dimension(row, key_of_type), text, choices, _answer(row.answer, choices), _image(row, folder)
    )


def _choices(value: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the choices up to the first that is absent, null or not a number (as pandas writes an empty cell)."""
    given = [value.get(f"choice_{letter.lower()}") for letter in LETTERS]
    there = [not (choice is None or choice != choice) for choice in given]  # noqa: PLR0124 - NaN differs from itself
    number = there.index(False) if False in there else len(there)
    if any(there[number:]):
        raise MalformedError("choice absent", f"choice_{LETTERS[number].lower()}", f"choice_{LETTERS[number].lower()}")
    if number < 2:
        raise MalformedError("fewer than two choices", f"{number} given", "choice_b")
    texts = [str(one) if isinstance(one, int | float) and not isinstance(one, bool) else one for one in given[:number]]
    return tuple(checked_text(text, f"choice_{letter.lower()}") for letter, text in zip(LETTERS, texts, strict=False))


def _answer(answer: Any, choices: tuple[str, ...]) -> int:
    letters = LETTERS[: len(choices)]
    letter = answer.strip().upper() if isinstance(answer, str) else ""
    if len(letter) != 1 or letter not in letters:
        raise MalformedError(f"answer is none of {', '.join(letters)}", repr(answer), "answer")
    return letters.index(letter)


def _dimension(row: Row, key_of_type: Mapping[str, str | None]) -> str:
    given = row.question_type_id
    name = str(given) if isinstance(given, int) or str(given).strip().isdigit() else _plain(str(given))
    key = key_of_type.get(name.strip())
    if given is None or key is None:
        raise MalformedError("not an image dimension", repr(given), "question_type_id")
    return key


def _image(row: Row, folder: ImageFolder) -> Path:
    names = [row.data_id] if isinstance(row.data_id, str) else row.data_id
    if len(names) != 1:
        raise MalformedError("not a question about one image", f"{len(names)} images", "data_id")
    try:
        found = folder.find(names[0]) if names[0] else None
    except OSError as error:
        raise MalformedError("unusable image name", str(error), "data_id") from None
    if found is None:
        raise MalformedError("image absent", names[0], "data_id")
    return found.path


def _decodable(questions: Mapping[str, tuple[str, Question]], rejects: Rejects, upright: bool) -> list[Question]:
    faults = unreadable(FileImage(question.image, upright) for _, question in questions.values())
    broken = {image.path: fault for image, fault in faults.items() if isinstance(image, FileImage)}
    for name, (place, question) in questions.items():
        if question.image in broken:
            rejects.add(name, "unreadable image", broken[question.image], place=place, field="data_id")
    return [question for _, question in questions.values() if question.image not in broken]


def _warn(annotations: Path, questions: list[Question]) -> None:
    numbers = Counter(len(question.choices) for question in questions)
    if len(numbers) > 1:
        shown = ", ".join(f"{count} with {number}" for number, count in sorted(numbers.items()))
        log.warning("%s mixes numbers of choices (%s): chance differs between questions", annotations, shown)
    asked = Counter(question.dimension for question in questions)
    published = {dimension.key: dimension.questions for dimension in DIMENSIONS}
    if (asked["IL"], asked["IA"]) == (published["IA"], published["IL"]):
        log.warning(
            "%s has as many questions on IL as SEED-Bench on IA, and the reverse: types 3 and 4 may be exchanged",
            annotations,
        )
