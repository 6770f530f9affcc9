"""LLaVA from its published parts against what the original LLaVA computes with them, composed here from the parts.

Original (liuhaotian's LLaVA 1): the hidden states of CLIP's next-to-last layer without the class token, through
`mm_projector`, replace the embeddings of `<image>`; Vicuna reads that, and the loss is over the response tokens.
"""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional
from transformers import AutoModelForCausalLM, CLIPVisionModel

from tests.models.test_families import batch_of
from vlit.common.errors import InputError
from vlit.data.encode import IGNORED
from vlit.models.forward import token_loss
from vlit.tuning import setup

CLOSE = {"rtol": 1e-4, "atol": 1e-4}


@pytest.fixture(scope="module")
def projector() -> dict[str, torch.Tensor]:
    chance = torch.Generator().manual_seed(0)
    return {
        "model.mm_projector.weight": torch.randn(128, 96, generator=chance) * 0.1,
        "model.mm_projector.bias": torch.randn(128, generator=chance) * 0.1,
    }


@pytest.fixture
def built(compose, projector, tmp_path):
    """LLaVA over an original projector file, its configuration, and a batch."""
    cfg = compose("model=llava", f"model.build.projector={tmp_path / 'mm_projector.bin'}")
    torch.save(projector, tmp_path / "mm_projector.bin")
    model = setup.model(cfg).eval()
    return cfg, model, batch_of(cfg, model, setup.encoder(cfg, model), ["Red", "The cup is blue."])


def test_logits_loss_and_gradients_are_those_of_the_parts(built, projector) -> None:
    cfg, model, batch = built
    tower = CLIPVisionModel.from_pretrained(cfg.model.build.vision).eval()
    vicuna = AutoModelForCausalLM.from_pretrained(cfg.model.build.language).eval()
    weight, bias = (projector[f"model.mm_projector.{name}"].clone().requires_grad_() for name in ("weight", "bias"))
    with torch.no_grad():
        patches = tower(batch.pixel_values, output_hidden_states=True).hidden_states[-2][:, 1:]
    total, tokens = torch.zeros(()), 0
    for row in range(len(batch.input_ids)):
        ids = batch.input_ids[row][batch.attention_mask[row].bool()]
        place = int((ids == model.image_token_id).nonzero()[0])
        after = place + len(patches[row])
        text = vicuna.get_input_embeddings()(ids)
        whole = torch.cat([text[:place], functional.linear(patches[row], weight, bias), text[after:]])
        logits = vicuna(inputs_embeds=whole[None]).logits[0]
        with torch.inference_mode():
            torch.testing.assert_close(model(batch)[row, : len(ids)], logits, **CLOSE)
        labels = batch.labels[row, : len(ids)]
        total = total + functional.cross_entropy(logits[:-1], labels[1:], ignore_index=IGNORED, reduction="sum")
        tokens += int((labels[1:] != IGNORED).sum())
    ours = token_loss(model(batch), batch.labels)
    torch.testing.assert_close(ours.total / ours.tokens, total / tokens, **CLOSE)
    (ours.total / ours.tokens).backward()
    (total / tokens).backward()
    linear = model.network.model.multi_modal_projector
    torch.testing.assert_close(linear.weight.grad, weight.grad, **CLOSE)
    torch.testing.assert_close(linear.bias.grad, bias.grad, **CLOSE)
    gradients = dict(vicuna.named_parameters())
    for name, parameter in model.network.model.language_model.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[f"model.{name}"].grad, **CLOSE)


@pytest.mark.parametrize("name", ["weight", "bias"])
def test_a_projector_file_that_lacks_a_tensor_is_refused(built, projector, tmp_path, name: str) -> None:
    cfg, _, _ = built
    left = {key: one for key, one in projector.items() if not key.endswith(name)}
    torch.save(left, tmp_path / "mm_projector.bin")
    with pytest.raises(InputError, match=rf"missing \['{name}'\]"):
        setup.model(cfg)
