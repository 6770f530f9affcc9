"""Our OpenFlamingo against the package's own forward pass on the same weights: logits, loss, gradients, scores."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.models.test_families import batch_of
from vlit.data.dataset import Batch
from vlit.data.encode import IGNORED
from vlit.evaluation.encoding import QuestionBatch
from vlit.evaluation.ranking import choice_scores
from vlit.models.forward import token_loss

pytestmark = pytest.mark.reference
CLOSE = {"rtol": 1e-4, "atol": 1e-4}


@pytest.fixture
def model_and_batch(family):
    """`made(images)`: fixed random connectors with open gates (their initial 0 lets no image through)."""

    def made(images: int = 1):
        cfg, model, encoder = family("openflamingo")
        torch.manual_seed(0)
        for name, parameter in model.named_parameters():
            if name.endswith("_gate"):
                nn.init.constant_(parameter, 0.5)
            elif parameter.requires_grad and parameter.ndim >= 2:
                nn.init.normal_(parameter, std=0.05)
        model.eval()
        return model, batch_of(cfg, model, encoder, ["Red", "The cup is blue."], images=images)

    return made


def package_forward(model, batch: Batch, labels: torch.Tensor | None = None):
    images = batch.pixel_values.view(len(batch.input_ids), -1, 1, *batch.pixel_values.shape[1:])
    return model.network(images, batch.input_ids, attention_mask=batch.attention_mask, labels=labels)


@pytest.mark.parametrize("images", [1, 2])
def test_logits(model_and_batch, images: int) -> None:
    model, batch = model_and_batch(images)
    with torch.inference_mode():
        torch.testing.assert_close(model(batch), package_forward(model, batch).logits, **CLOSE)


def test_loss_and_gradients(model_and_batch) -> None:
    model, batch = model_and_batch()
    ours = token_loss(model(batch), batch.labels)
    (ours.total / ours.tokens).backward()
    gradients = {name: one.grad.clone() for name, one in model.named_parameters() if one.requires_grad}
    model.zero_grad()
    theirs = package_forward(model, batch, batch.labels).loss
    theirs.backward()
    torch.testing.assert_close(ours.total / ours.tokens, theirs, **CLOSE)
    assert gradients and all(float(one.abs().max()) > 0 for one in gradients.values())
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            torch.testing.assert_close(gradients[name], parameter.grad, **CLOSE)


def test_choice_scores(model_and_batch) -> None:
    model, batch = model_and_batch()
    prompt = batch.input_ids[:1, :6]
    choices = torch.randint(10, 500, (4, 3), generator=torch.Generator().manual_seed(0))
    prompts = Batch(
        ["0"], prompt, torch.ones_like(prompt), torch.full_like(prompt, IGNORED), batch.pixel_values[:1],
        torch.ones(1, dtype=torch.long),
    )  # fmt: skip
    sums, means = choice_scores(model, QuestionBatch([], prompts, torch.tensor([0]), choices, torch.ones_like(choices)))
    for place, choice in enumerate(choices):
        ids = torch.cat([prompt[0], choice])[None]
        with torch.inference_mode():
            logits = model.network(batch.pixel_values[:1, None, None], ids, torch.ones_like(ids)).logits
        scores = logits[0, len(prompt[0]) - 1 : -1].log_softmax(dim=-1).gather(1, choice[:, None])
        torch.testing.assert_close(sums[0, place], scores.sum(), **CLOSE)
        torch.testing.assert_close(means[0, place], scores.mean(), **CLOSE)
