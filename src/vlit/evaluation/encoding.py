"""Encodes questions for one model: a batch of prompts with images, and apart from them the choices that may follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch.nn.utils.rnn import pad_sequence

from vlit.data.dataset import Batch, ImageTransform, Item, collate
from vlit.data.encode import Encoded, Encoder, UnusableText
from vlit.data.images import FileImage
from vlit.data.sample import Rejects
from vlit.data.templates import Piece, Template
from vlit.evaluation.seed_bench import LETTERS, Question


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
            # Encoded behind its prompt, as a response is in tuning; the prompt's tokens are then cut off.
            encoded = [self.encoder.training([*prompt, self._response(choice)], choice) for choice in choices]
            rows += [torch.tensor(one.input_ids[length:]) for one in encoded]
        mask = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
        return pad_sequence(rows, batch_first=True, padding_value=self.pad_id), mask

    def _response(self, choice: str) -> Piece:
        return Piece(self.template.before_answer + choice.strip(), supervised=True)

    def _texts(self, prompts: Sequence[Sequence[Piece]]) -> Batch:
        """Return a left-padded batch of prompts without images."""
        encoded = [self.encoder(prompt, "") for prompt in prompts]
        items = [Item("", one.input_ids, one.labels, None) for one in encoded]
        return collate(items, self.pad_id, side="left")

    def with_letters(self, questions: Sequence[Question]) -> QuestionBatch:
        """Encode questions whose prompts contain the lettered choices, to be answered by generation."""
        return self._encode(questions, [self.template.question_prompt(lettered_prompt(one)) for one in questions])

    def readable(self, questions: Sequence[Question], mode: str, rejects: Rejects) -> list[Question]:
        """Return the questions that the model can read whole; `rejects` receives the others.

        Args:
            questions: questions of the benchmark.
            mode: "ranking" or "generation": what is read of the choices.
            rejects: receives a question that is longer than the encoder's `max_length`, or has text that the model's
                tokenizer cannot tell from control tokens.
        """
        kept = []
        for one in questions:
            try:
                encoded = self._longest(one, mode)
            except UnusableText as error:
                rejects.add(one.id, "unusable text", str(error), field="question")
                continue
            if encoded.truncated:
                detail = f"{len(encoded.input_ids) + encoded.lost} tokens; max_length={self.encoder.max_length}"
                rejects.add(one.id, "question is too long", detail, field="question")
            else:
                kept.append(one)
        rejects.close("questions that the model can read", len(questions), len(kept))
        return kept

    def _longest(self, question: Question, mode: str) -> Encoded:
        """Encode a question as it is read, with the choice that makes it longest."""
        if mode == "generation":
            return self.encoder(self.template.question_prompt(lettered_prompt(question)), question.id)
        prompt = self.template.question_prompt(question.question)
        encoded = [self.encoder([*prompt, self._response(choice)], question.id) for choice in question.choices]
        return max(encoded, key=lambda one: len(one.input_ids) + one.lost)

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


def lettered_prompt(question: Question) -> str:
    """Return the question, its lettered choices, and the request for a letter."""
    choices = "\n".join(f"{letter}. {text}" for letter, text in zip(LETTERS, question.choices, strict=False))
    return f"{question.question}\n{choices}\nAnswer with the option's letter from the given choices directly."
