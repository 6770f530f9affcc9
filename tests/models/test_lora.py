"""LoRA adapters in every family, their merging, and the export to transformers' own format."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import AutoTokenizer, Blip2ForConditionalGeneration, LlavaForConditionalGeneration

from tests.conftest import FAMILIES
from tests.models.facts import FACTS
from tests.models.test_families import batch_of
from vlit.common.errors import InputError
from vlit.models.export import export
from vlit.models.forward import token_loss
from vlit.models.lora import add_lora, has_lora, merge_lora
from vlit.tuning import setup


@pytest.fixture
def adapted(family):
    """`adapted(name)`: a mini model with new adapters, a batch, and the logits of that batch before they were added."""

    def built(name: str):
        cfg, model, encoder = family(name)
        batch = batch_of(cfg, model, encoder, ["Red", "The cup is blue."])
        model.eval()
        with torch.inference_mode():
            before = model(batch)
        torch.manual_seed(0)
        add_lora(model, rank=4, alpha=8, dropout=0.1, half=False)
        model.eval()
        return model, batch, before

    return built


def disturb(model: nn.Module) -> None:
    for name, parameter in model.named_parameters():
        if "lora_B" in name:  # initially 0, where an adapter changes nothing
            nn.init.normal_(parameter, std=0.05)


@pytest.mark.parametrize("name", FAMILIES)
def test_new_adapters_change_nothing_and_trained_ones_merge_without_a_trace(adapted, name: str) -> None:
    model, batch, before = adapted(name)
    with torch.inference_mode():
        torch.testing.assert_close(model(batch), before)
        disturb(model)
        changed = model(batch)
        assert not torch.allclose(changed, before, atol=1e-3)
        merge_lora(model)
        torch.testing.assert_close(model(batch), changed, rtol=1e-4, atol=1e-4)
    assert not [parameter for parameter, _ in model.named_parameters() if "lora" in parameter]
    assert not has_lora(model)


@pytest.mark.parametrize("name", FAMILIES)
def test_adapters_learn_and_what_they_adapt_does_not(adapted, name: str) -> None:
    model, batch, _ = adapted(name)
    assert {part for part, state, _ in model.policy.report(model) if state == "trained"} == FACTS[
        name
    ].trained_with_lora
    disturb(model)
    model.policy.set_modes(model)
    token_loss(model(batch), batch.labels).total.backward()
    adapters = {parameter: one for parameter, one in model.named_parameters() if "lora_" in parameter}
    assert adapters and all(one.grad is not None for one in adapters.values())
    for parameter, one in model.named_parameters():
        assert (one.grad is not None) == one.requires_grad, parameter
        if parameter.endswith("base_layer.weight"):
            assert not one.requires_grad


@pytest.mark.parametrize("name", FAMILIES)
def test_adapters_drop_out_in_tuning_only(adapted, name: str) -> None:
    model, batch, _ = adapted(name)
    disturb(model)
    model.policy.set_modes(model)
    dropouts = [one for place, one in model.named_modules() if place.endswith("lora_dropout.default")]
    assert dropouts and all(one.training for one in dropouts)
    model.eval()
    with torch.inference_mode():
        assert torch.equal(model(batch), model(batch))


def test_frozen_matrices_may_be_half(family) -> None:
    _, model, _ = family("llava")
    add_lora(model, rank=4, alpha=8, dropout=0.0, half=True)
    for name, parameter in model.named_parameters():
        half = not parameter.requires_grad and parameter.ndim >= 2
        assert parameter.dtype == (torch.float16 if half else torch.float32), name


def test_the_configuration_adds_adapters(compose) -> None:
    model = setup.model(compose("model=blip2", "lora=language_model", "model.lora.rank=2"))
    assert {part for part, state, _ in model.policy.report(model) if state == "trained"} == FACTS[
        "blip2"
    ].trained_with_lora
    with pytest.raises(InputError, match="already"):
        add_lora(model, rank=4, alpha=8, dropout=0.0, half=False)


CLASSES = {"llava": LlavaForConditionalGeneration, "blip2": Blip2ForConditionalGeneration}


@pytest.mark.parametrize("name", CLASSES)
def test_an_export_loads_with_from_pretrained_and_gives_equal_logits(adapted, name: str, tmp_path: Path) -> None:
    model, batch, _ = adapted(name)
    disturb(model)
    with torch.inference_mode():
        expected = model(batch)
    export(model, tmp_path / "exported")
    loaded, info = CLASSES[name].from_pretrained(tmp_path / "exported", output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"]
    with torch.inference_mode():
        logits = loaded.eval()(
            input_ids=batch.input_ids, attention_mask=batch.attention_mask, pixel_values=batch.pixel_values
        ).logits
        torch.testing.assert_close(model(batch), expected, rtol=1e-4, atol=1e-4)  # the model itself is unchanged
    real = batch.attention_mask.bool()
    torch.testing.assert_close(logits[real], expected[real], rtol=1e-4, atol=1e-4)
    words = AutoTokenizer.from_pretrained(tmp_path / "exported")
    assert words.convert_tokens_to_ids("<image>") == model.image_token_id
    with pytest.raises(InputError, match="exists"):
        export(model, tmp_path / "exported")
