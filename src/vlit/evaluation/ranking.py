"""Answer ranking: the choice with the largest log-likelihood given image and question is the answer (5.1.3).

In SEED-Bench's protocol the prompt contains neither the letters nor the other choices. A choice is scored by its own
tokens, without the end of the response. Sum and mean over tokens come from one pass, and what the choices have in
common is computed once.

A choice can be likely whatever the image shows: because it is short, common, or fits the question. So its sum is also
compared with its sums without the image (`without_image`) and without image and question (`without_prompt`: the
domain-conditional mutual information of Holtzman et al. 2021). What these have in common is computed once, too.
"""

from __future__ import annotations

from typing import Any

import torch

from vlit.data.dataset import Batch
from vlit.evaluation.encoding import QuestionBatch, Reference
from vlit.evaluation.seed_bench import LETTERS, Question
from vlit.models.family import VisionLanguageModel


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


def prediction_row(question: Question, prediction: str) -> dict[str, Any]:
    """Return what a row of predictions says of a question in every mode."""
    return {
        "question_id": question.id,
        "dimension": question.dimension,
        "prediction": prediction,
        "answer": LETTERS[question.answer],
    }
