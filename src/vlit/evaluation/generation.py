"""Answering by generation, as LLaVA-1.5 is scored: the prompt contains the lettered choices, the text names one."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from vlit.evaluation.encoding import QuestionBatch
from vlit.evaluation.ranking import prediction_row
from vlit.evaluation.seed_bench import LETTERS, Question
from vlit.models.family import VisionLanguageModel

NEW_TOKENS = 8  # of a generated answer
_PREFIX = re.compile(  # of a sentence that ends in a letter or a choice
    r"^(?:so |therefore,? )?(?:the )?(?:correct |right |best )?(?:answer|option|choice)(?: is)?\s*:?\s*", re.IGNORECASE
)
_MARKED_LETTER = re.compile(r"^\(?([A-Za-z])[).:,]")  # "B.", "(b)", "B: because"
_LONE_LETTER = re.compile(r"^\W*([A-Za-z])\W*$")
_LEADING_LETTER = re.compile(r"^([B-HJ])\b")  # "A" and "I" begin sentences


def generated_rows(model: VisionLanguageModel, batch: QuestionBatch) -> list[dict[str, Any]]:
    """Answer questions by generation: one row of `predictions.jsonl` per question, with the generated text.

    A text that names no letter has the prediction "", which counts as wrong.

    Args:
        model: model in evaluation mode.
        batch: questions encoded with their lettered choices.
    """
    prompts = replace(batch.prompts, pixel_values=batch.prompts.pixel_values[batch.images])
    texts = model.generate(prompts, max_new_tokens=NEW_TOKENS)
    return [
        {**prediction_row(question, read_answer(text, question)), "text": text}
        for question, text in zip(batch.questions, texts, strict=True)
    ]


def read_answer(text: str, question: Question) -> str:
    """Return the letter of the choice that a generated text names, or "" if it names none or several.

    A text that is a choice names it, before any letter is looked for: "A desert" is the choice of that text, not A.
    Then a letter counts where it cannot be a word, and last the only choice whose words the text contains.
    """
    text = text.strip()
    rest = _PREFIX.sub("", text)
    for candidate in (text, rest):
        whole = [letter for letter, choice in _lettered(question) if _words(choice) == _words(candidate)]
        if len(whole) == 1:
            return whole[0]
    letters = LETTERS[: len(question.choices)]
    found = _MARKED_LETTER.match(rest) or _LONE_LETTER.match(rest) or _LEADING_LETTER.match(rest)
    if found and found[1].upper() in letters:
        return found[1].upper()
    words = f" {_words(text)} "
    contained = {letter: f" {_words(choice)} " for letter, choice in _lettered(question)}
    contained = {letter: choice for letter, choice in contained.items() if choice.strip() and choice in words}
    longest = [
        letter
        for letter, choice in contained.items()
        if not any(choice in other for other in contained.values() if other != choice)
    ]
    return longest[0] if len(longest) == 1 else ""


def _lettered(question: Question) -> list[tuple[str, str]]:
    return list(zip(LETTERS, question.choices, strict=False))


def _words(text: str) -> str:
    """Return a text's words in lower case, one space between them, without punctuation."""
    return " ".join(re.findall(r"\w+", text.casefold()))
