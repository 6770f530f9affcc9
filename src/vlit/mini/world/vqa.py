"""The world's questions in the published format of VQA v2: ten short lower-case answers to each question."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from vlit.mini.world.questions import QA, YES_NO, question_answers
from vlit.mini.world.sample import stream
from vlit.mini.world.scene import Scene

PER_IMAGE = 6  # questions an image, at most; the real average is 5.4
ANSWERS = 10
DATE = "2017-04-26 00:00:00"
QUESTION_TYPES = (  # the published first words of a question that we use, longest first
    "what color is the",
    "what is on the",
    "what is in the",
    "what color is",
    "what color",
    "what kind of",
    "is there an",
    "what is the",
    "where is the",
    "what does the",
    "are there any",
    "is there a",
    "which",
    "what is",
    "how many",
    "where are the",
    "what are the",
    "is the",
    "what",
    "how",
    "was",
)


def vqa_files(scenes: Sequence[Scene], seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the contents of the questions file and of the annotations file of the `train2014` open-ended task."""
    pairs = [
        (scene.id * 1000 + number, scene.id, qa) for scene in scenes for number, qa in enumerate(_chosen(scene, seed))
    ]
    heading = {
        "info": {
            "description": "Questions on the mini world in the format of VQA v2.0",
            "version": "2.0",
            "year": 2017,
        },
        "data_type": "mscoco",
        "data_subtype": "train2014",
        "license": {"url": "http://www.apache.org/licenses/LICENSE-2.0", "name": "Apache License 2.0"},
    }
    questions = [{"image_id": image, "question": qa.question, "question_id": id} for id, image, qa in pairs]
    annotations = [_annotation(id, image, qa, stream(seed, id, "answers")) for id, image, qa in pairs]
    return {**heading, "task_type": "Open-Ended", "questions": questions}, {**heading, "annotations": annotations}


def short_answer(qa: QA) -> str:
    """Return an answer as VQA writes it: lower case and no article; a sign's word keeps its capitals."""
    if qa.dimension == "TR":
        return qa.answer
    words = qa.answer[0].lower() + qa.answer[1:]
    for article in ("a ", "an "):
        words = words.removeprefix(article)
    return words


def _chosen(scene: Scene, seed: int) -> Iterator[QA]:
    """Yield a random question of each of up to `PER_IMAGE` dimensions, yes-or-no questions being one of them."""
    rng = stream(seed, scene.id, "vqa")
    by_dimension: defaultdict[str, list[QA]] = defaultdict(list)
    for qa in question_answers(scene, rng, yes_no=True):
        by_dimension[qa.dimension].append(qa)
    dimensions = list(by_dimension)
    rng.shuffle(dimensions)
    for dimension in dimensions[:PER_IMAGE]:
        yield rng.choice(by_dimension[dimension])


def _annotation(question_id: int, image_id: int, qa: QA, rng: random.Random) -> dict[str, Any]:
    answer = short_answer(qa)
    return {
        "question_type": _question_type(qa.question),
        "multiple_choice_answer": answer,
        "answers": [
            {"answer": answer, "answer_confidence": rng.choice(("yes", "yes", "yes", "maybe")), "answer_id": id}
            for id in range(1, ANSWERS + 1)
        ],
        "image_id": image_id,
        "answer_type": _answer_type(qa),
        "question_id": question_id,
    }


def _question_type(question: str) -> str:
    words = question.lower()
    return next((type for type in QUESTION_TYPES if words.startswith(f"{type} ")), "none of the above")


def _answer_type(qa: QA) -> str:
    if qa.pool == YES_NO:
        return "yes/no"
    return "number" if qa.type in ("count", "left") else "other"
