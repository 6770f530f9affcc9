"""BLIP-2 here, in transformers' modules and in LAVIS's, against LAVIS unmodified under its own old pins."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch.nn.utils.rnn import pad_sequence
from transformers import Blip2ForConditionalGeneration

from tests.conftest import ROOT
from tests.reference import fixture
from tests.reference.oracle import Case, ask, case_of, tokenizer
from vlit.data.collate import Batch
from vlit.evaluation.ranking import QuestionBatch, choice_scores
from vlit.models.blip2 import Blip2
from vlit.models.checkpoints import load_named, transformers_blip2_state
from vlit.models.family import IGNORE, token_loss
from vlit.models.skeleton import configuration

pytestmark = pytest.mark.reference
CLOSE = {"rtol": 1e-4, "atol": 1e-4}
CONFIGS = {"tiny": (fixture.CONFIG, 0.3), "mini": (ROOT / "weights" / "mini" / "configs" / "blip2.json", 0.1)}
TRAINED = ["vision_encoder", "ln_vision", "q_former", "query_tokens", "projection"]


@pytest.fixture(scope="module", params=CONFIGS)
def asked(request) -> tuple[Any, Case, dict[str, Any]]:
    """A configuration, a case of it, and what the oracle says to that."""
    config, std = CONFIGS[request.param]
    case = case_of(config, std)
    return configuration(str(config)), case, ask(case)


@pytest.fixture(params=["transformers", "lavis"])
def model(request, asked, tmp_path) -> Blip2:
    """The case's weights in this project's BLIP-2."""
    from vlit.models.lavis import from_transformers

    config, case, _ = asked
    network = Blip2ForConditionalGeneration(config)
    load_named(network, transformers_blip2_state(case["weights"]), "the case")
    words = tokenizer(case, tmp_path)
    built = Blip2 if request.param == "transformers" else from_transformers
    return built(network, words, TRAINED).eval()


def batch_of(model: Blip2, case: Case, ids: torch.Tensor, mask: torch.Tensor) -> Batch:
    """Queries, then the text, all of it learned, as LAVIS does."""
    images = torch.full((len(ids), model.tokens_per_image), model.image_token_id)
    return Batch(
        sample_ids=[str(row) for row in range(len(ids))],
        input_ids=torch.cat([images, ids], dim=1),
        attention_mask=torch.cat([torch.ones_like(images), mask], dim=1),
        labels=torch.cat([torch.full_like(images, IGNORE), ids.masked_fill(mask == 0, IGNORE)], dim=1),
        pixel_values=case["pixels"],
        image_counts=torch.ones(len(ids), dtype=torch.long),
    )


def test_logits_and_loss(asked, model) -> None:
    _, case, out = asked
    batch = batch_of(model, case, out["input_ids"], out["attention_mask"])
    real = batch.attention_mask.bool()
    assert int(real.sum()) < real.numel()  # one text is shorter than the other
    assert float(out["logits"][real].std()) > 0.1  # of some size, or 1e-4 would say nothing
    with torch.inference_mode():
        logits = model(batch)
    torch.testing.assert_close(logits[real], out["logits"][real], **CLOSE)
    loss = token_loss(logits, batch.labels)
    torch.testing.assert_close(loss.total / loss.tokens, out["loss"], **CLOSE)


def test_gradients(asked, model) -> None:
    _, case, out = asked
    batch = batch_of(model, case, out["input_ids"], out["attention_mask"])
    loss = token_loss(model(batch), batch.labels)
    (loss.total / loss.tokens).backward()
    found = {name: one.grad for name, one in model.network.named_parameters() if one.grad is not None}
    expected = out["gradients"]
    if hasattr(model.network, "opt_proj"):
        assert found.keys() == expected.keys()
    else:
        expected = transformers_blip2_state(expected)
        assert found.keys() == expected.keys()
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, expected[name], **CLOSE, msg=lambda told, name=name: f"{name}: {told}")
    assert max(float(one.abs().max()) for one in expected.values()) > 1e-2


def test_choice_scores(asked, model) -> None:
    _, case, out = asked
    rows = len(case["pixels"])
    ids = out["prompt_ids"].expand(rows, -1)
    prompts = batch_of(model, case, ids, torch.ones_like(ids))
    choices = pad_sequence(out["choice_ids"] * rows, batch_first=True)
    mask = pad_sequence([torch.ones_like(one) for one in out["choice_ids"]] * rows, batch_first=True)
    assert len({len(one) for one in out["choice_ids"]}) > 1  # choices of unequal length
    sums, means = choice_scores(model, QuestionBatch([], prompts, torch.arange(rows), choices, mask))
    torch.testing.assert_close(sums, out["sums"], **CLOSE)
    torch.testing.assert_close(means, out["means"], **CLOSE)


def test_generated_text(asked, model) -> None:
    _, case, out = asked
    ids = out["prompt_ids"].expand(len(case["pixels"]), -1)
    told = model.generate(batch_of(model, case, ids, torch.ones_like(ids)), case["tokens"])
    assert told == out["generated"] and any(told)


@pytest.mark.parametrize("asked", ["tiny"], indirect=True)
def test_the_committed_fixture_is_what_lavis_computes(asked) -> None:
    """From the stored weights: another torch may draw other random ones."""
    _, case, _ = asked
    kept = load_file(fixture.FILE)
    weights = {name.removeprefix("weights."): one for name, one in kept.items() if name.startswith("weights.")}
    weights = {name: one.float() if one.is_floating_point() else one for name, one in weights.items()}
    again = {**case, "weights": weights, "pixels": kept["pixels"]}
    computed = fixture.stored(again, ask(again))
    assert kept.keys() == computed.keys()
    for name, tensor in computed.items():
        torch.testing.assert_close(kept[name], tensor, rtol=1e-5, atol=1e-5)
