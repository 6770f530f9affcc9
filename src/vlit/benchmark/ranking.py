"""Answer ranking: the text of each choice is scored given image and question; the likeliest is the prediction (5.1.3).

The prompt holds neither the letters nor the other choices (SEED-Bench's protocol). Only the choice's own tokens count,
not the end of the answer. Sum and mean over tokens come from one pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from vlit.benchmark.generation import prompt_text
from vlit.benchmark.seed_bench import LETTERS, Question
from vlit.data.collate import Batch, Item, collate
from vlit.data.encode import Encoder
from vlit.data.images import FileImage
from vlit.data.templates import Piece, Template
from vlit.models.scoring import sequence_log_probabilities


@dataclass(frozen=True)
class QuestionBatch:
    """Questions and their choices: four rows a question in `rows`, one image a question in `rows.pixel_values`."""

    questions: list[Question]
    rows: Batch

    def to(self, device: torch.device | str, non_blocking: bool = False) -> QuestionBatch:
        """Copy the tensors to a device."""
        return QuestionBatch(self.questions, self.rows.to(device, non_blocking))


@dataclass(frozen=True)
class QuestionCollator:
    """Questions -> `QuestionBatch`, by the family's template and encoder."""

    template: Template
    encoder: Encoder
    image_transform: Any
    pad_id: int

    def __call__(self, questions: Sequence[Question]) -> QuestionBatch:
        """Encode all choices of all questions."""
        items = []
        for question in questions:
            prompt = self.template.question_prompt(question.question)
            for choice in question.choices:
                encoded = self.encoder.training([*prompt, self.choice(choice)], question.id)
                items.append(Item(question.id, encoded.input_ids, encoded.labels, None))
        rows = collate(items, self.pad_id)
        rows.pixel_values = torch.stack([self.image_transform(_load(question)) for question in questions])
        rows.image_counts = torch.ones(len(items), dtype=torch.long)
        return QuestionBatch(list(questions), rows)

    def for_generation(self) -> GenerationCollator:
        """The collator of generation mode, with the same parts."""
        return GenerationCollator(self.template, self.encoder, self.image_transform, self.pad_id)

    def choice(self, text: str) -> Piece:
        """A choice as an answer's body: what the answer would begin with, without its end."""
        return Piece(self.template.before_answer + text.strip(), supervised=True)


@dataclass(frozen=True)
class GenerationCollator:
    """Questions -> `QuestionBatch` of one left-padded prompt a question."""

    template: Template
    encoder: Encoder
    image_transform: Any
    pad_id: int

    def __call__(self, questions: Sequence[Question]) -> QuestionBatch:
        """Encode the prompts."""
        items = []
        for question in questions:
            encoded = self.encoder(self.template.question_prompt(prompt_text(question)), question.id)
            pixels = self.image_transform(_load(question)).unsqueeze(0)
            items.append(Item(question.id, encoded.input_ids, encoded.labels, pixels))
        return QuestionBatch(list(questions), collate(items, self.pad_id, side="left"))


@torch.inference_mode()
def choice_scores(model: Any, batch: QuestionBatch) -> tuple[torch.Tensor, torch.Tensor]:
    """Sum and mean log-probability of every choice: two (questions, 4) tensors.

    Each image is encoded once and shared by the four choices.
    """
    features = model.encode_images(batch.rows.pixel_values).repeat_interleave(len(LETTERS), dim=0)
    sums, means = sequence_log_probabilities(model(batch.rows, features), batch.rows.labels)
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


def _load(question: Question) -> Image.Image:
    return FileImage(question.image).load()
