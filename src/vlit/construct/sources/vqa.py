"""VQA v2 (Antol et al., 2015; Goyal et al., 2017): questions about COCO's images, and the most frequent answer."""

from __future__ import annotations

from collections import defaultdict
from typing import Any


def question_answers(questions: dict[str, Any], answers: dict[str, Any]) -> dict[int, list[tuple[str, str]]]:
    """Pairs of question and answer by image id."""
    answer_of = {answer["question_id"]: answer["multiple_choice_answer"] for answer in answers["annotations"]}
    found = defaultdict(list)
    for question in questions["questions"]:
        pair = (question["question"], answer_of[question["question_id"]])
        found[int(question["image_id"])].append(pair)
    return found
