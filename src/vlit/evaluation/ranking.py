"""Answer ranking: the text of each choice is scored given image and question; the likeliest is the prediction (5.1.3).

The prompt holds neither the letters nor the other choices (SEED-Bench's protocol). Only the choice's own tokens count,
not the end of the answer. Sum and mean over tokens come from one pass; what the choices share is computed once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence

from vlit.data.collate import Batch, Item, collate
from vlit.data.encode import Encoder
from vlit.data.images import FileImage
from vlit.data.templates import Piece, Template
from vlit.evaluation.seed_bench import LETTERS, Question


@dataclass(frozen=True)
class QuestionBatch:
    """Questions as a model reads them.

    Attributes:
        questions: n of them.
        prompts: n left-padded prompts; `pixel_values` holds each different image once.
        images: (n,) which of `pixel_values` a question asks about.
        choices: (n * 4, length) token ids of the choices, padded on the right; None to generate.
        choices_mask: 0 on that padding.
    """

    questions: list[Question]
    prompts: Batch
    images: torch.Tensor
    choices: torch.Tensor | None = None
    choices_mask: torch.Tensor | None = None

    def to(self, device: torch.device | str, non_blocking: bool = False) -> QuestionBatch:
        """Copy the tensors to a device."""
        tensors = (self.images, self.choices, self.choices_mask)
        moved = (None if one is None else one.to(device, non_blocking=non_blocking) for one in tensors)
        return QuestionBatch(self.questions, self.prompts.to(device, non_blocking), *moved)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Prompting:
    """Questions -> `QuestionBatch`, by the family's template and encoder."""

    template: Template
    encoder: Encoder
    image_transform: Any
    pad_id: int

    def ranking(self, questions: Sequence[Question]) -> QuestionBatch:
        """Prompts, and the choices that may follow them."""
        prompts, rows = [], []
        for question in questions:
            prompt = self.template.question_prompt(question.question)
            prompts.append(prompt)
            read = len(self.encoder(prompt, question.id).input_ids)
            for choice in question.choices:
                # Encoded behind its prompt, as an answer is in tuning; the prompt's tokens are then cut off.
                whole = self.encoder.training([*prompt, self.choice(choice)], question.id)
                rows.append(torch.tensor(whole.input_ids[read:]))
        batch = self._read(questions, prompts)
        mask = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
        choices = pad_sequence(rows, batch_first=True, padding_value=self.pad_id)
        return replace(batch, choices=choices, choices_mask=mask)

    def generation(self, questions: Sequence[Question]) -> QuestionBatch:
        """Prompts that hold the choices with their letters."""
        return self._read(questions, [self.template.question_prompt(prompt_text(question)) for question in questions])

    def choice(self, text: str) -> Piece:
        """A choice as an answer's body: what the answer would begin with, without its end."""
        return Piece(self.template.before_answer + text.strip(), supervised=True)

    def _read(self, questions: Sequence[Question], prompts: list[list[Piece]]) -> QuestionBatch:
        items = []
        for question, prompt in zip(questions, prompts, strict=True):
            encoded = self.encoder(prompt, question.id)
            items.append(Item(question.id, encoded.input_ids, encoded.labels, None))
        batch = collate(items, self.pad_id, side="left")
        paths = list(dict.fromkeys(question.image for question in questions))
        batch.pixel_values = torch.stack([self.image_transform(FileImage(path).load()) for path in paths])
        batch.image_counts = torch.ones(len(items), dtype=torch.long)
        return QuestionBatch(list(questions), batch, torch.tensor([paths.index(one.image) for one in questions]))


@torch.inference_mode()
def choice_scores(model: Any, batch: QuestionBatch) -> tuple[torch.Tensor, torch.Tensor]:
    """Sum and mean log-probability of every choice: two (questions, 4) tensors.

    Each image is encoded once, each prompt is read once, and only the choices' own tokens are read four times.
    """
    assert batch.choices is not None and batch.choices_mask is not None
    features = model.encode_images(batch.prompts.pixel_values)[batch.images]
    cache = model.prefill(batch.prompts, features).repeat(len(LETTERS))
    # A choice's first token is told by the prompt, each further one by the choice up to it.
    logits = cache.next_logits[:, None]
    if batch.choices.shape[1] > 1:
        more = model.extend(cache, batch.choices[:, :-1], batch.choices_mask[:, :-1])
        logits = torch.cat([logits, more], dim=1)
    told = logits.float().log_softmax(dim=-1).gather(2, batch.choices[..., None]).squeeze(2)
    sums = (told * batch.choices_mask).sum(dim=1)
    means = sums / batch.choices_mask.sum(dim=1)
    return sums.view(-1, len(LETTERS)), means.view(-1, len(LETTERS))


def prediction_rows(
    questions: Sequence[Question], sums: torch.Tensor, means: torch.Tensor, scoring: str
) -> list[dict[str, Any]]:
    """One row a question for `predictions.jsonl`; `scoring` ("sum" or "mean") decides the prediction."""
    decisive = {"sum": sums, "mean": means}[scoring]
    return [
        {
            "question_id": question.id,
            "dimension": question.dimension,
            "prediction": LETTERS[int(decisive[row].argmax())],
            "answer": LETTERS[question.answer],
            "sum": [round(value, 6) for value in sums[row].tolist()],
            "mean": [round(value, 6) for value in means[row].tolist()],
        }
        for row, question in enumerate(questions)
    ]


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
