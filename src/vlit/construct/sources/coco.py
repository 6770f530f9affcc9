"""Annotations over COCO images: captions, objects, written words and questions. Every row has a declared schema."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

import msgspec

from vlit.construct.sources.image import AnnotatedObject, Word
from vlit.data.checks import Kind, MalformedError, checked_row
from vlit.data.sample import Rejects


class _Image(msgspec.Struct):
    id: int
    file_name: str
    width: Annotated[int, msgspec.Meta(gt=0)]
    height: Annotated[int, msgspec.Meta(gt=0)]


class _Caption(msgspec.Struct):
    image_id: int
    caption: str


class _Category(msgspec.Struct):
    id: int
    name: str
    supercategory: str | None = None


class _Instance(msgspec.Struct):
    id: int
    image_id: int
    category_id: int
    bbox: tuple[int | float, int | float, int | float, int | float]
    iscrowd: int | bool = 0


class _Text(msgspec.Struct):
    image_id: int
    bbox: tuple[int | float, int | float, int | float, int | float]


class _Question(msgspec.Struct):
    question_id: int
    image_id: int
    question: str


class _Answer(msgspec.Struct):
    question_id: int
    multiple_choice_answer: str


def rows_of(kind: type[Kind], rows: Iterable[Any], name: str, rejects: Rejects) -> Iterator[Kind]:
    """Yield the rows that fit their schema; the others are rejected, by their place in the list `name`.

    Raises:
        ValueError: if there are rows and none fits: it is another file.
    """
    fits, fault = False, None
    for number, row in enumerate(rows):
        try:
            yield checked_row(kind, row)
            fits = True
        except MalformedError as error:
            fault = fault or error
            image = row.get("image_id", "") if isinstance(row, dict) else ""
            rejects.add(str(image), error.reason, error.detail, place=f"{name}[{number}]", field=error.field)
    if fault is not None and not fits:
        raise ValueError(f"no row of {name} can be used, first: {fault}")


def listed_images(content: dict[str, Any], rejects: Rejects) -> dict[int, dict[str, Any]]:
    """Read name, width and height of every image that a captions or instances file lists, by image id."""
    rows = list(rows_of(_Image, content["images"], "images", rejects))
    found = {image.id: {key: getattr(image, key) for key in ("file_name", "width", "height")} for image in rows}
    rejects.close("images", len(content["images"]), len(found), noted=len(rows) - len(found))  # listed twice
    return found


def captions_by_image(content: dict[str, Any], rejects: Rejects) -> dict[int, list[str]]:
    """Read captions by image id; one without words is rejected."""
    found = defaultdict(list)
    for row in rows_of(_Caption, content["annotations"], "captions", rejects):
        caption = " ".join(row.caption.split())
        if caption:
            found[row.image_id].append(caption)
        else:
            rejects.add(str(row.image_id), "empty caption", field="caption")
    rejects.close("captions", len(content["annotations"]), sum(map(len, found.values())))
    return found


def objects_by_image(
    content: dict[str, Any], attributes: Mapping[int, tuple[str, ...]], rejects: Rejects
) -> dict[int, list[AnnotatedObject]]:
    """Read boxes by image id, without crowds, as they give no count.

    Args:
        content: COCO's instances.
        attributes: attribute names by id of the instance.
        rejects: receives rows in another form, and boxes of categories that are not listed.
    """
    listed = list(rows_of(_Category, content["categories"], "categories", rejects))
    categories = {row.id: row for row in listed}
    rejects.close("categories", len(content["categories"]), len(categories), noted=len(listed) - len(categories))
    found, crowds = defaultdict(list), 0
    for row in rows_of(_Instance, content["annotations"], "instances", rejects):
        category = categories.get(row.category_id)
        if row.iscrowd:
            crowds += 1
            continue
        if category is None:
            rejects.add(str(row.image_id), "unknown category", f"{row.category_id} of instance {row.id}")
            continue
        found[row.image_id].append(
            AnnotatedObject(row.id, category.name, category.supercategory or "", row.bbox, attributes.get(row.id, ()))
        )
    rejects.close("instances", len(content["annotations"]), sum(map(len, found.values())), noted=crowds)
    return found


def words_by_image(content: dict[str, Any], rejects: Rejects) -> dict[int, list[Word]]:
    """Read legible words by image id; of the others nothing is needed.

    Raises:
        ValueError: if no text instance names its image: it is another file.
    """
    found, unread = defaultdict(list), 0
    texts = content["anns"].values()
    if texts and not any(isinstance(text, dict) and "image_id" in text for text in texts):
        raise ValueError("no text instance has an image_id")
    for key, annotation in content["anns"].items():
        legible = isinstance(annotation, dict) and annotation.get("legibility", "legible") == "legible"
        text = annotation.get("utf8_string") if legible else None
        if not isinstance(text, str) or not text.strip():
            unread += 1
            continue
        try:
            row = checked_row(_Text, annotation)
            found[row.image_id].append(Word(int(key), text.strip(), row.bbox))
        except (MalformedError, ValueError) as fault:
            rejects.add(str(annotation.get("image_id", "")), "unusable text instance", str(fault), place=f"anns[{key}]")
    rejects.close("texts", len(content["anns"]), sum(map(len, found.values())), noted=unread)
    return found


def questions_by_image(
    questions: dict[str, Any], answers: dict[str, Any], rejects: Rejects
) -> dict[int, list[tuple[str, str]]]:
    """Read pairs of question and answer by image id; a question without an answer is rejected."""
    answered = list(rows_of(_Answer, answers["annotations"], "answers", rejects))
    answer_of = {row.question_id: row.multiple_choice_answer.strip() for row in answered}
    rejects.close("answers", len(answers["annotations"]), len(answer_of), noted=len(answered) - len(answer_of))
    found = defaultdict(list)
    for row in rows_of(_Question, questions["questions"], "questions", rejects):
        if row.question.strip() and answer_of.get(row.question_id):
            found[row.image_id].append((row.question, answer_of[row.question_id]))
        else:
            rejects.add(str(row.image_id), "unanswered question", row.question)
    rejects.close("questions", len(questions["questions"]), sum(map(len, found.values())))
    return found
