"""Generation mode: the model sees the lettered choices and names a letter, as LLaVA-1.5 was scored on SEED-Bench.

Its numbers are another measurement than answer ranking's and never stand in one table with them.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from vlit.benchmark.seed_bench import LETTERS, Question

NEW_TOKENS = 8
_LETTER = re.compile(r"^\W*([A-D])\b")


def prompt_text(question: Question) -> str:
    """The question, the lettered choices, and what is asked for."""
    choices = "\n".join(f"{letter}. {text}" for letter, text in zip(LETTERS, question.choices, strict=True))
    return f"{question.question}\n{choices}\nAnswer with the option's letter from the given choices directly."


def read_answer(text: str, question: Question) -> str:
    """The letter a generated text names: a letter at its start, else the one choice it repeats, else "" (none)."""
    found = _LETTER.match(text)
    if found:
        return found.group(1)
    said = [letter for letter, choice in zip(LETTERS, question.choices, strict=True) if choice.lower() in text.lower()]
    return said[0] if len(said) == 1 else ""


def generated_rows(model: Any, batch: Any) -> list[dict[str, Any]]:
    """One row a question: the letter ("" where none is named, which counts as wrong) and the text."""
    prompts = replace(batch.prompts, pixel_values=batch.prompts.pixel_values[batch.images])
    texts = model.generate(prompts, max_new_tokens=NEW_TOKENS)
    return [
        {
            "question_id": question.id,
            "dimension": question.dimension,
            "prediction": read_answer(text, question),
            "answer": LETTERS[question.answer],
            "text": text,
        }
        for question, text in zip(batch.questions, texts, strict=True)
    ]
