"""Answer ranking: the choice with the largest log-likelihood given image and question is the answer (5.1.3).

In SEED-Bench's protocol the prompt contains neither the letters nor the other choices. A choice is scored by its own
tokens, without the end of the response. Sum and mean over tokens come from one pass, and what the choices have in
common is computed once.

A choice can be likely whatever the image shows: because it is short, common, or fits the question. So its sum is also
compared with its sums without the image (`without_image`) and without image and question (`without_prompt`: the
domain-conditional mutual information of Holtzman et al. 2021). What these have in common is computed once, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence

from vlit.data.dataset import Batch, ImageTransform, Item, collate
from vlit.data.encode import Encoder
from vlit.data.images import FileImage
from vlit.data.templates import Piece, Template
from vlit.evaluation.seed_bench import LETTERS, Question
from vlit.models.family import VisionLanguageModel


@dataclass(frozen=True)
class Reference:
    """N prompts without an image, and M texts after each: the choices of Q questions, each different one once.

    Attributes:
        prompts: N left-padded prompts.
        choices: (N M, length) token ids, padded on the right.
        choices_mask: (N M, length), 0 on that padding.
        rows: (Q, K) row of each question's choices in `choices`.
    """

    prompts: Batch
    choices: torch.Tensor
    choices_mask: torch.Tensor
    rows: torch.Tensor

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Reference:
        """Copy the tensors to a device."""
        copied = (one.to(device, non_blocking=non_blocking) for one in (self.choices, self.choices_mask, self.rows))
        return Reference(self.prompts.to(device, non_blocking), *copied)


@dataclass(frozen=True)
class QuestionBatch:
    """Q encoded questions with K choices each, C = Q K in all; K is the largest number of choices among them.

    A question with fewer has its first choice again in the places that are left, which are not scored.

    Attributes:
        questions: the Q questions, or none where K choices each are known to be there (benchmarks).
        prompts: Q left-padded prompts; `pixel_values` contains each image once.
        images: (Q,) index into `pixel_values` of each question's image.
        choices: (C, length) token ids of the choices, padded on the right; None where answers are generated.
        choices_mask: (C, length), 0 on that padding.
        references: what the choices are compared with, by the name of the score.
    """

    questions: list[Question]
    prompts: Batch
    images: torch.Tensor
    choices: torch.Tensor | None = None
    choices_mask: torch.Tensor | None = None
    references: Mapping[str, Reference] = field(default_factory=dict)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> QuestionBatch:
        """Copy the tensors to a device."""

        def moved(tensor: torch.Tensor | None) -> torch.Tensor | None:
            return None if tensor is None else tensor.to(device, non_blocking=non_blocking)

        return QuestionBatch(
            self.questions,
            self.prompts.to(device, non_blocking),
            self.images.to(device, non_blocking=non_blocking),
            moved(self.choices),
            moved(self.choices_mask),
            {name: one.to(device, non_blocking) for name, one in self.references.items()},
        )


@dataclass(frozen=True)
class QuestionEncoder:
    """Encodes questions for one model.

    Attributes:
        template: prompt format of the model family.
        encoder: encoder of the model.
        image_transform: image preprocessing of the model.
        pad_id: id of the padding token.
        upright: apply the EXIF orientation of photographs.
    """

    template: Template
    encoder: Encoder
    image_transform: ImageTransform
    pad_id: int
    upright: bool = True

    def with_choices(self, questions: Sequence[Question]) -> QuestionBatch:
        """Encode questions, and apart from them the choices that may follow, to be ranked."""
        most = max(len(question.choices) for question in questions)
        prompts = [self.template.question_prompt(question.question) for question in questions]
        # A question with fewer choices has its first one again.
        filled = [(*one.choices, *one.choices[:1] * (most - len(one.choices))) for one in questions]
        choices, mask = self._choices(prompts, filled)
        references = {"without_image": self._without_image(questions, filled), "without_prompt": self._alone(filled)}
        return replace(self._encode(questions, prompts), choices=choices, choices_mask=mask, references=references)

    def _without_image(self, questions: Sequence[Question], filled: Sequence[tuple[str, ...]]) -> Reference:
        """Encode each different question with its choices, without an image."""
        asked = [(one.question, choices) for one, choices in zip(questions, filled, strict=True)]
        different = {pair: place for place, pair in enumerate(dict.fromkeys(asked))}
        prompts = [self.template.question_prompt(question, images=0) for question, _ in different]
        places = torch.tensor([different[pair] for pair in asked])
        most = len(filled[0])
        rows = places[:, None] * most + torch.arange(most)
        return Reference(self._texts(prompts), *self._choices(prompts, [choices for _, choices in different]), rows)

    def _alone(self, filled: Sequence[tuple[str, ...]]) -> Reference:
        """Encode each different choice as the answer to an empty question without an image."""
        different = {choice: place for place, choice in enumerate(dict.fromkeys(sum(filled, ())))}
        prompts = [self.template.question_prompt("", images=0)]
        rows = torch.tensor([[different[choice] for choice in choices] for choices in filled])
        return Reference(self._texts(prompts), *self._choices(prompts, [tuple(different)]), rows)

    def _choices(
        self, prompts: Sequence[Sequence[Piece]], filled: Sequence[Sequence[str]]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return token ids (C, length) of the choices of each prompt, padded on the right, and their mask."""
        rows = []
        for prompt, choices in zip(prompts, filled, strict=True):
            length = len(self.encoder(prompt, "").input_ids)
            for choice in choices:
                # Encoded behind its prompt, as a response is in tuning; the prompt's tokens are then cut off.
                response = Piece(self.template.before_answer + choice.strip(), supervised=True)
                rows.append(torch.tensor(self.encoder.training([*prompt, response], choice).input_ids[length:]))
        mask = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
        return pad_sequence(rows, batch_first=True, padding_value=self.pad_id), mask

    def _texts(self, prompts: Sequence[Sequence[Piece]]) -> Batch:
        """Return a left-padded batch of prompts without images."""
        encoded = [self.encoder(prompt, "") for prompt in prompts]
        items = [Item("", one.input_ids, one.labels, None) for one in encoded]
        return collate(items, self.pad_id, side="left")

    def with_letters(self, questions: Sequence[Question]) -> QuestionBatch:
        """Encode questions whose prompts contain the lettered choices, to be answered by generation."""
        return self._encode(questions, [self.template.question_prompt(lettered_prompt(one)) for one in questions])

    def _encode(self, questions: Sequence[Question], prompts: Sequence[Sequence[Piece]]) -> QuestionBatch:
        items = []
        for question, prompt in zip(questions, prompts, strict=True):
            encoded = self.encoder(prompt, question.id)
            items.append(Item(question.id, encoded.input_ids, encoded.labels, None))
        batch = collate(items, self.pad_id, side="left")
        paths = list(dict.fromkeys(question.image for question in questions))
        batch.pixel_values = torch.stack([self.image_transform(FileImage(path, self.upright).load()) for path in paths])
        batch.image_counts = torch.ones(len(items), dtype=torch.long)
        return QuestionBatch(list(questions), batch, torch.tensor([paths.index(one.image) for one in questions]))


@torch.inference_mode()
def choice_scores(model: VisionLanguageModel, batch: QuestionBatch) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the log-likelihood of every choice, summed over its tokens and averaged: two (Q, K) float32 tensors.

    Each image is encoded once, each prompt is read once, and only the choices' own tokens are read K times. Places
    that no choice fills have -inf.

    Args:
        model: model in evaluation mode.
        batch: questions encoded with their choices.
    """
    assert batch.choices is not None and batch.choices_mask is not None
    features = model.encode_images(batch.prompts.pixel_values)[batch.images]
    sums_C = _continued(model, batch.prompts, features, batch.choices, batch.choices_mask)
    means_C = sums_C / batch.choices_mask.sum(dim=1)
    sums_QK, means_QK = sums_C.view(len(batch.images), -1), means_C.view(len(batch.images), -1)
    unfilled_QK = torch.zeros_like(sums_QK, dtype=torch.bool)
    for place, question in enumerate(batch.questions):
        unfilled_QK[place, len(question.choices) :] = True
    return sums_QK.masked_fill(unfilled_QK, -torch.inf), means_QK.masked_fill(unfilled_QK, -torch.inf)


@torch.inference_mode()
def reference_sums(model: VisionLanguageModel, reference: Reference, features: torch.Tensor) -> torch.Tensor:
    """Return the log-likelihood of every choice after its prompt without an image: (Q, K) sums over its tokens.

    Args:
        model: model in evaluation mode.
        reference: prompts with the choices that follow.
        features: features of no image: (0, tokens, width).
    """
    sums = _continued(model, reference.prompts, features, reference.choices, reference.choices_mask)
    return sums[reference.rows]


def _continued(
    model: VisionLanguageModel, prompts: Batch, features: torch.Tensor, choices: torch.Tensor, mask: torch.Tensor
) -> torch.Tensor:
    """Return the summed log-likelihood (C,) of texts that continue prompts, C / N each of the N."""
    times = len(choices) // len(prompts.input_ids)
    cache = model.prefill(prompts, features).repeat(times)
    # The prompt's last position predicts a choice's first token, each token of the choice the one after it.
    logits_CLV = cache.next_logits[:, None]
    if choices.shape[1] > 1:
        logits_CLV = torch.cat([logits_CLV, model.extend(cache, choices[:, :-1], mask[:, :-1])], dim=1)
    tokens_CL = logits_CLV.float().log_softmax(dim=-1).gather(2, choices[..., None]).squeeze(2)
    return (tokens_CL * mask).sum(dim=1)


NORMALISATIONS = ("mean", "sum", "without_image", "without_prompt")


def ranked_rows(model: VisionLanguageModel, batch: QuestionBatch, normalisation: str) -> list[dict[str, Any]]:
    """Answer questions by ranking: one row of `predictions.jsonl` per question, with all scores.

    Args:
        model: model in evaluation mode.
        batch: questions encoded with their choices.
        normalisation: the one of `NORMALISATIONS` that decides the answer.
    """
    sums, means = choice_scores(model, batch)
    scores = {"mean": means, "sum": sums}
    with torch.inference_mode():
        nothing = model.encode_images(batch.prompts.pixel_values[:1])[:0]
    scores |= {name: sums - reference_sums(model, one, nothing) for name, one in batch.references.items()}
    return [
        {
            **prediction_row(question, LETTERS[int(scores[normalisation][place].argmax())]),
            **{name: [round(x, 6) for x in scores[name][place, : len(question.choices)].tolist()] for name in scores},
        }
        for place, question in enumerate(batch.questions)
    ]


def lettered_prompt(question: Question) -> str:
    """Return the question, its lettered choices, and the request for a letter."""
    choices = "\n".join(f"{letter}. {text}" for letter, text in zip(LETTERS, question.choices, strict=False))
    return f"{question.question}\n{choices}\nAnswer with the option's letter from the given choices directly."


def prediction_row(question: Question, prediction: str) -> dict[str, Any]:
    """Return what a row of predictions says of a question in every mode."""
    return {
        "question_id": question.id,
        "dimension": question.dimension,
        "prediction": prediction,
        "answer": LETTERS[question.answer],
    }
