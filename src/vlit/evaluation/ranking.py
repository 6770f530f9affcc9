"""Answer ranking: the choice with the largest log-likelihood given image and question is the answer (5.1.3).

In SEED-Bench's protocol the prompt contains neither the letters nor the other choices. A choice is scored by its own
tokens, without the end of the response. Sum and mean over tokens come from one pass, and what the choices have in
common is computed once. For comparison there is generation, as LLaVA-1.5 is scored: the prompt contains the lettered
choices, and the generated letter is the answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence

from vlit.data.dataset import Batch, ImageTransform, Item, collate
from vlit.data.encode import Encoder
from vlit.data.images import FileImage
from vlit.data.templates import Piece, Template
from vlit.evaluation.seed_bench import LETTERS, Question
from vlit.models.family import VisionLanguageModel

NEW_TOKENS = 8  # of a generated answer
_PREFIX = re.compile(  # of a sentence that ends in a letter or a choice
    r"^(?:so |therefore,? )?(?:the )?(?:correct |right |best )?(?:answer|option|choice)(?: is)?\s*:?\s*", re.IGNORECASE
)
_MARKED_LETTER = re.compile(r"^\(?([A-Za-z])[).:,]")  # "B.", "(b)", "B: because"
_LONE_LETTER = re.compile(r"^\W*([A-Za-z])\W*$")
_LEADING_LETTER = re.compile(r"^([B-HJ])\b")  # "A" and "I" begin sentences


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
    """

    questions: list[Question]
    prompts: Batch
    images: torch.Tensor
    choices: torch.Tensor | None = None
    choices_mask: torch.Tensor | None = None

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
        prompts, rows = [], []
        most = max(len(question.choices) for question in questions)
        for question in questions:
            prompt = self.template.question_prompt(question.question)
            prompts.append(prompt)
            length = len(self.encoder(prompt, question.id).input_ids)
            for choice in (*question.choices, *question.choices[:1] * (most - len(question.choices))):
                # Encoded behind its prompt, as a response is in tuning; the prompt's tokens are then cut off.
                response = Piece(self.template.before_answer + choice.strip(), supervised=True)
                rows.append(torch.tensor(self.encoder.training([*prompt, response], question.id).input_ids[length:]))
        return replace(
            self._encode(questions, prompts),
            choices=pad_sequence(rows, batch_first=True, padding_value=self.pad_id),
            choices_mask=pad_sequence([torch.ones_like(row) for row in rows], batch_first=True),
        )

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
    choices = len(batch.choices) // len(batch.images)
    cache = model.prefill(batch.prompts, features).repeat(choices)
    # The prompt's last position predicts a choice's first token, each token of the choice the one after it.
    logits_CLV = cache.next_logits[:, None]
    if batch.choices.shape[1] > 1:
        extended = model.extend(cache, batch.choices[:, :-1], batch.choices_mask[:, :-1])
        logits_CLV = torch.cat([logits_CLV, extended], dim=1)
    tokens_CL = logits_CLV.float().log_softmax(dim=-1).gather(2, batch.choices[..., None]).squeeze(2)
    sums_C = (tokens_CL * batch.choices_mask).sum(dim=1)
    means_C = sums_C / batch.choices_mask.sum(dim=1)
    sums_QK, means_QK = sums_C.view(-1, choices), means_C.view(-1, choices)
    unfilled_QK = torch.zeros_like(sums_QK, dtype=torch.bool)
    for place, question in enumerate(batch.questions):
        unfilled_QK[place, len(question.choices) :] = True
    return sums_QK.masked_fill(unfilled_QK, -torch.inf), means_QK.masked_fill(unfilled_QK, -torch.inf)


def ranked_rows(model: VisionLanguageModel, batch: QuestionBatch, normalisation: str) -> list[dict[str, Any]]:
    """Answer questions by ranking: one row of `predictions.jsonl` per question, with all scores.

    Args:
        model: model in evaluation mode.
        batch: questions encoded with their choices.
        normalisation: "sum" or "mean" of a choice's token log-likelihoods, which decides the answer.
    """
    sums, means = choice_scores(model, batch)
    decisive = {"sum": sums, "mean": means}[normalisation]
    return [
        {
            **_row(question, LETTERS[int(decisive[place].argmax())]),
            "sum": [round(value, 6) for value in sums[place, : len(question.choices)].tolist()],
            "mean": [round(value, 6) for value in means[place, : len(question.choices)].tolist()],
        }
        for place, question in enumerate(batch.questions)
    ]


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
        {**_row(question, read_answer(text, question)), "text": text}
        for question, text in zip(batch.questions, texts, strict=True)
    ]


def lettered_prompt(question: Question) -> str:
    """Return the question, its lettered choices, and the request for a letter."""
    choices = "\n".join(f"{letter}. {text}" for letter, text in zip(LETTERS, question.choices, strict=False))
    return f"{question.question}\n{choices}\nAnswer with the option's letter from the given choices directly."


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


def _row(question: Question, prediction: str) -> dict[str, Any]:
    return {
        "question_id": question.id,
        "dimension": question.dimension,
        "prediction": prediction,
        "answer": LETTERS[question.answer],
    }
