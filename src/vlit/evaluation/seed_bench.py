"""Reading a SEED-Bench-1 file: the nine image dimensions, four choices a question."""

from __future__ import annotations

import dataclasses
import random
from dataclasses import dataclass
from pathlib import Path

from vlit.common.errors import InputError
from vlit.common.files import read_json
from vlit.data.rejects import Rejects

# SEED-Bench's question types of images, and the paper's names for them (Table 3).
DIMENSIONS: dict[int, str] = {1: "SU", 2: "II", 3: "IA", 4: "IL", 5: "IC", 6: "SR", 7: "IIR", 8: "VR", 9: "TR"}
LETTERS = "ABCD"


@dataclass(frozen=True)
class Question:
    """One multiple-choice question. `answer` is the index of the right choice."""

    id: str
    dimension: str
    question: str
    choices: tuple[str, str, str, str]
    answer: int
    image: Path


def load(annotations: Path, images: Path, rejects: Rejects) -> list[Question]:
    """Read the image questions of a SEED-Bench file (`data_type` "image"; videos are not the paper's).

    Questions with an absent image, or malformed ones, go to `rejects` with the reason.

    Raises:
        InputError: if the file is absent, broken, of another schema, or holds no usable image question.
    """
    content = read_json(annotations, mend="fetch SEED-Bench.json, or set benchmark.annotations")
    if not isinstance(content, dict) or "questions" not in content:
        raise InputError(f"{annotations} has no `questions`: it is not in SEED-Bench's format")
    questions: list[Question] = []
    seen: set[str] = set()
    for number, entry in enumerate(content["questions"]):
        name = str(entry.get("question_id", f"#{number}"))
        if entry.get("data_type", "image") != "image":
            continue
        problem = _problem(entry, images, name in seen)
        if problem is not None:
            rejects.add(name, *problem)
            continue
        seen.add(name)
        questions.append(
            Question(
                id=name,
                dimension=DIMENSIONS[int(entry["question_type_id"])],
                question=entry["question"],
                choices=tuple(str(entry[f"choice_{letter.lower()}"]) for letter in LETTERS),  # type: ignore[arg-type]
                answer=LETTERS.index(entry["answer"]),
                image=images / entry["data_id"],
            )
        )
    if not questions:
        raise InputError(f"{annotations} has no usable image question: {rejects.summary()}")
    return questions


def _problem(entry: dict, images: Path, repeated: bool) -> tuple[str, str] | None:
    if repeated:
        return "question id occurs twice", ""
    for key in ("question_id", "question", "answer", "data_id", "question_type_id", *map("choice_{}".format, "abcd")):
        if key not in entry:
            return "field absent", key
    if entry["answer"] not in LETTERS:
        return "answer is none of A, B, C, D", str(entry["answer"])
    if int(entry["question_type_id"]) not in DIMENSIONS:
        return "not an image dimension", str(entry["question_type_id"])
    if not (images / entry["data_id"]).is_file():
        return "image absent", entry["data_id"]
    return None


def shuffled_images(questions: list[Question], seed: int) -> list[Question]:
    """Give every question the image of another one, never an image of its own.

    What a model scores here it has from the text and from habits, not from looking. The images are moved by a random
    cyclic shift of a random order, so that each is used as often as before; where a shift would give a question its
    own image (several questions on one image) the nearest later one that differs is taken.
    """
    generator = random.Random(seed)
    order = list(range(len(questions)))
    generator.shuffle(order)
    shift = generator.randrange(1, len(order)) if len(order) > 1 else 0
    images = {}
    for place, index in enumerate(order):
        own = questions[index].image
        others = (questions[order[(place + shift + further) % len(order)]].image for further in range(len(order)))
        images[index] = next((image for image in others if image != own), own)
    return [dataclasses.replace(question, image=images[index]) for index, question in enumerate(questions)]
