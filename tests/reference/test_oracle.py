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
from tests.reference.oracle import Case, case_of, lavis_outcome, tokenizer
from vlit.data.dataset import Batch
from vlit.data.encode import IGNORED
from vlit.evaluation.encoding import QuestionBatch
from vlit.evaluation.ranking import choice_scores
from vlit.models.blip2 import Blip2, in_lavis
from vlit.models.checkpoints import transformers_blip2_state
from vlit.models.forward import token_loss
from vlit.models.loading import load_named, read_architecture

pytestmark = pytest.mark.reference
CLOSE = {"rtol": 1e-4, "atol": 1e-4}
CONFIGS = {"tiny": (fixture.CONFIG, 0.3), "mini": (ROOT / "weights" / "mini" / "configs" / "blip2.json", 0.1)}
TRAINED = ["vision_encoder", "ln_vision", "q_former", "query_tokens", "projection"]


@pytest.fixture(scope="module", params=CONFIGS)
def oracle(request) -> tuple[Any, Case, dict[str, Any]]:
    """A configuration, a case of it, and what LAVIS computes of the case."""
    config, std = CONFIGS[request.param]
    case = case_of(config, std)
    return read_architecture(config), case, lavis_outcome(case)


@pytest.fixture(params=["transformers", "lavis"])
def model(request, oracle, tmp_path) -> Blip2:
    """The case's weights in this project's BLIP-2."""
    config, case, _ = oracle
    network = Blip2ForConditionalGeneration(config)
    load_named(network, transformers_blip2_state(case["weights"]), "the case")
    words = tokenizer(case, tmp_path)
    built = Blip2 if request.param == "transformers" else in_lavis
    return built(network, words, TRAINED).eval()


def batch_of(model: Blip2, case: Case, ids: torch.Tensor, mask: torch.Tensor) -> Batch:
    """Return queries, then the text, all of it supervised, as in LAVIS."""
    images = torch.full((len(ids), model.tokens_per_image), model.image_token_id)
    return Batch(
        sample_ids=[str(row) for row in range(len(ids))],
        input_ids=torch.cat([images, ids], dim=1),
        attention_mask=torch.cat([torch.ones_like(images), mask], dim=1),
        labels=torch.cat([torch.full_like(images, IGNORED), ids.masked_fill(mask == 0, IGNORED)], dim=1),
        pixel_values=case["pixels"],
        image_counts=torch.ones(len(ids), dtype=torch.long),
    )


def test_logits_and_loss(oracle, model) -> None:
    _, case, out = oracle
    batch = batch_of(model, case, out["input_ids"], out["attention_mask"])
    real = batch.attention_mask.bool()
    assert int(real.sum()) < real.numel()  # one text is shorter than the other
    assert float(out["logits"][real].std()) > 0.1  # large enough for a tolerance of 1e-4
    with torch.inference_mode():
        logits = model(batch)
    torch.testing.assert_close(logits[real], out["logits"][real], **CLOSE)
    loss = token_loss(logits, batch.labels)
    torch.testing.assert_close(loss.total / loss.tokens, out["loss"], **CLOSE)


def test_gradients(oracle, model) -> None:
    _, case, out = oracle
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
        torch.testing.assert_close(
            gradient, expected[name], **CLOSE, msg=lambda message, name=name: f"{name}: {message}"
        )
    assert max(float(one.abs().max()) for one in expected.values()) > 1e-2


def test_choice_scores(oracle, model) -> None:
    _, case, out = oracle
    rows = len(case["pixels"])
    ids = out["prompt_ids"].expand(rows, -1)
    prompts = batch_of(model, case, ids, torch.ones_like(ids))
    choices = pad_sequence(out["choice_ids"] * rows, batch_first=True)
    mask = pad_sequence([torch.ones_like(one) for one in out["choice_ids"]] * rows, batch_first=True)
    assert len({len(one) for one in out["choice_ids"]}) > 1  # choices of unequal length
    sums, means = choice_scores(model, QuestionBatch([], prompts, torch.arange(rows), choices, mask))
    torch.testing.assert_close(sums, out["sums"], **CLOSE)
    torch.testing.assert_close(means, out["means"], **CLOSE)


def test_generated_text(oracle, model) -> None:
    _, case, out = oracle
    ids = out["prompt_ids"].expand(len(case["pixels"]), -1)
    texts = model.generate(batch_of(model, case, ids, torch.ones_like(ids)), case["tokens"])
    assert texts == out["generated"] and any(texts)


@pytest.mark.parametrize("oracle", ["tiny"], indirect=True)
def test_the_committed_fixture_is_what_lavis_computes(oracle) -> None:
    """From the stored weights: another version of torch may draw other random ones."""
    _, case, _ = oracle
    kept = load_file(fixture.FILE)
    weights = {name.removeprefix("weights."): one for name, one in kept.items() if name.startswith("weights.")}
    weights = {name: one.float() if one.is_floating_point() else one for name, one in weights.items()}
    again = {**case, "weights": weights, "pixels": kept["pixels"]}
    computed = fixture.stored(again, lavis_outcome(again))
    assert kept.keys() == computed.keys()
    for name, tensor in computed.items():
        torch.testing.assert_close(kept[name], tensor, rtol=1e-5, atol=1e-5)
