"""Checkpoints of the original projects: every name is translated, both ways, and outputs stay the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from open_flamingo import create_model_and_transforms
from safetensors.torch import load_file
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from transformers import Blip2ForConditionalGeneration, OPTForCausalLM

from tests.conftest import ROOT
from tests.models.test_families import batch_of
from vlit.common.errors import InputError
from vlit.data.dataset import Batch
from vlit.data.encode import IGNORED
from vlit.evaluation.encoding import QuestionBatch
from vlit.evaluation.ranking import choice_scores
from vlit.models import checkpoints, loading
from vlit.models.blip2 import Blip2
from vlit.models.export import convert_lavis_checkpoint, export, write_lavis_checkpoint
from vlit.models.forward import token_loss
from vlit.models.openflamingo import build_openflamingo

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture(scope="module")
def stored() -> dict[str, torch.Tensor]:
    return load_file(FIXTURES / "lavis_blip2.safetensors")


@pytest.fixture(scope="module")
def lavis(stored) -> dict[str, torch.Tensor]:
    names = [name for name in stored if name.startswith("weights.")]
    return {name.removeprefix("weights."): stored[name].float() for name in names}


def network_of(state: dict[str, torch.Tensor]) -> Blip2ForConditionalGeneration:
    network = Blip2ForConditionalGeneration(loading.read_architecture(FIXTURES / "blip2.json")).eval()
    loading.load_named(network, checkpoints.transformers_blip2_state(state), "the fixture")
    return network


def with_images(model: Blip2, stored, ids: torch.Tensor, mask: torch.Tensor) -> Batch:
    images = torch.full((2, model.tokens_per_image), model.image_token_id)
    ids, mask = torch.cat([images, ids], dim=1), torch.cat([torch.ones_like(images), mask], dim=1)
    labels = ids.masked_fill((ids == model.image_token_id) | (mask == 0), IGNORED)
    return Batch(["0", "1"], ids, mask, labels, stored["pixels"], torch.ones(2, dtype=torch.long))


def test_lavis_weights_give_what_lavis_computed(stored, lavis) -> None:
    trained = ["vision_encoder", "ln_vision", "q_former", "query_tokens", "projection"]
    model = Blip2(network_of(lavis), None, trained)
    batch = with_images(model, stored, stored["input_ids"], stored["attention_mask"])
    mask, labels = batch.attention_mask, batch.labels
    logits = model(batch)
    torch.testing.assert_close(logits[mask.bool()], stored["logits"][mask.bool()], rtol=1e-4, atol=1e-4)
    loss = token_loss(logits, labels)
    torch.testing.assert_close(loss.total / loss.tokens, stored["loss"], rtol=1e-4, atol=1e-4)
    (loss.total / loss.tokens).backward()
    expected = {name.removeprefix("gradients."): one for name, one in stored.items() if name.startswith("gradients.")}
    gradients = {name: one.grad for name, one in model.network.named_parameters() if one.grad is not None}
    found = checkpoints.lavis_blip2_state(gradients)
    assert expected.keys() <= found.keys() and len(expected) > 10
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-4)


def test_choice_scores_are_those_that_lavis_computed(stored, lavis) -> None:
    model = Blip2(network_of(lavis), None, ["projection"])
    choices = [stored[f"choice.{place}"] for place in range(4)]
    prompt = stored["prompt_ids"].expand(2, -1)
    questions = QuestionBatch(
        [],
        with_images(model, stored, prompt, torch.ones_like(prompt)),
        torch.arange(2),
        pad_sequence(choices * 2, batch_first=True),
        pad_sequence([torch.ones_like(one) for one in choices] * 2, batch_first=True),
    )
    sums, means = choice_scores(model, questions)
    torch.testing.assert_close(sums, stored["sums"], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(means, stored["means"], rtol=1e-4, atol=1e-4)


def test_lavis_names_are_translated_both_ways(lavis) -> None:
    back = checkpoints.lavis_blip2_state(checkpoints.transformers_blip2_state(lavis))
    assert back.keys() == lavis.keys() - {checkpoints.LAVIS_POSITIONS}
    assert all(torch.equal(back[name], lavis[name]) for name in back)


def test_the_bias_on_keys_that_lavis_lacks_changes_nothing(lavis) -> None:
    network = network_of(lavis)
    pixels = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        before = network.vision_model(pixels).last_hidden_state
        for layer in network.vision_model.encoder.layers:
            layer.self_attn.qkv.bias.chunk(3)[1].normal_()
        torch.testing.assert_close(network.vision_model(pixels).last_hidden_state, before, rtol=1e-4, atol=1e-4)


def test_every_missing_and_every_unknown_tensor_is_named(lavis) -> None:
    network = network_of(lavis)

    def load(state: dict[str, torch.Tensor]) -> None:
        loading.load_named(network, checkpoints.transformers_blip2_state(state), "the file")

    for name in lavis.keys() - {checkpoints.LAVIS_POSITIONS}:
        with pytest.raises(InputError, match=r"missing|without") as raised:
            load({other: tensor for other, tensor in lavis.items() if other != name})
        assert (checkpoints._renamed(name, 0) or name) in str(raised.value)
        with pytest.raises(InputError, match=f"{name.rsplit('.', 1)[-1]}_ema"):
            load({**lavis, f"{name}_ema": torch.zeros(1)})
    with pytest.raises(InputError, match=r"Qformer\.cls\.bias"):
        load({**lavis, "Qformer.cls.bias": torch.zeros(1)})
    with pytest.raises(InputError, match="query_tokens is"):
        load({**lavis, "query_tokens": torch.zeros(1)})


def test_lavis_files_are_converted_both_ways(lavis, tmp_path: Path) -> None:
    opt = OPTForCausalLM(loading.read_architecture(FIXTURES / "blip2.json").text_config)
    opt.load_state_dict({n.removeprefix("opt_model."): t for n, t in lavis.items() if n.startswith("opt_model.")})
    opt.save_pretrained(str(tmp_path / "opt"))
    own = {name: tensor for name, tensor in lavis.items() if not name.startswith("opt_model.")}
    torch.save({"model": own, "epoch": 4}, tmp_path / "lavis.pth")
    folder = tmp_path / "transformers"
    convert_lavis_checkpoint(tmp_path / "lavis.pth", tmp_path / "opt", FIXTURES / "blip2.json", folder)
    write_lavis_checkpoint(folder, tmp_path / "again.pth")
    again = torch.load(tmp_path / "again.pth", weights_only=True)["model"]
    assert again.keys() == own.keys()
    assert all(torch.equal(again[name], own[name].to(again[name].dtype)) for name in own)


def test_the_original_llavas_projector_file_is_read() -> None:
    linear = nn.Linear(4, 3)
    published = checkpoints.published_projector_state(linear)
    assert set(published) == {"model.mm_projector.weight", "model.mm_projector.bias"}
    for state in (published, {name.removeprefix("model."): tensor for name, tensor in published.items()}):
        again = nn.Linear(4, 3)
        loading.load_named(again, checkpoints.projector_state(state), "projector.bin")
        assert torch.equal(again.weight, linear.weight) and torch.equal(again.bias, linear.bias)


@pytest.mark.parametrize("name", ["model.embed_tokens.weight", "model.mm_projector.0.weight"])
def test_a_projector_file_with_more_in_it_is_refused(name: str) -> None:
    state = {**checkpoints.published_projector_state(nn.Linear(4, 3)), name: torch.zeros(1)}
    with pytest.raises(InputError, match=name.replace(".", r"\.")):
        checkpoints.projector_state(state)


def test_a_llava_export_contains_the_projector_file(family, tmp_path: Path) -> None:
    _, model, _ = family("llava")
    export(model, tmp_path / "out")
    state = checkpoints.projector_state(loading.load_float(tmp_path / "out" / "mm_projector.bin"))
    assert torch.equal(state["weight"], model.network.model.multi_modal_projector.weight)


@pytest.fixture(scope="module")
def flamingo(cache: Path):
    """OpenFlamingo with connectors of the size that the package fixes, gates open, over the mini parts."""
    weights = cache / "weights"

    def parts():
        return {
            "vision_model": "clip-mini",
            "vision_weights": str(weights / "clip.safetensors"),
            "vision_configs": str(weights / "open_clip"),
            "language": str(weights / "opt"),
            "tokenizer": str(weights / "tokenizer"),
            "sources": {"vision": "", "language": "", "checkpoint": ""},
            "trained": ["perceiver", "cross_attention"],
        }

    model = build_openflamingo(**parts(), checkpoint=None).eval()
    for name, parameter in model.named_parameters():
        if name.endswith("_gate"):
            nn.init.constant_(parameter, 0.5)
    return model, parts


def test_the_package_loads_an_exported_openflamingo(flamingo, family, tmp_path: Path) -> None:
    model, parts = flamingo
    export(model, tmp_path / "out")
    built = parts()
    torch.manual_seed(5)  # other random numbers for all that the file has to contain
    network, _, _ = create_model_and_transforms(
        built["vision_model"], built["vision_weights"], built["language"], str(tmp_path / "out"),
        cross_attn_every_n_layers=1, use_local_files=True,
    )  # fmt: skip
    keys = network.load_state_dict(torch.load(tmp_path / "out" / "checkpoint.pt", weights_only=True), strict=False)
    assert not keys.unexpected_keys
    cfg, _, encoder = family("openflamingo")
    batch = batch_of(cfg, model, encoder, ["Red", "The cup is blue."])
    images = batch.pixel_values.view(len(batch.input_ids), -1, 1, *batch.pixel_values.shape[1:])
    with torch.inference_mode():
        logits = network.eval()(images, batch.input_ids, attention_mask=batch.attention_mask).logits
        torch.testing.assert_close(logits, model(batch), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_published_openflamingo_names_are_read(flamingo, tmp_path: Path, prefix: str) -> None:
    model, parts = flamingo
    state = checkpoints.published_flamingo_state(model.network)
    assert any(".0.gated_cross_attn_layer.attn_gate" in name for name in state)
    torch.save({"model_state_dict": {prefix + name: tensor for name, tensor in state.items()}}, tmp_path / "a.pt")
    again = build_openflamingo(**parts(), checkpoint=str(tmp_path / "a.pt"))
    for name, tensor in checkpoints.published_flamingo_state(again.network).items():
        assert torch.equal(tensor, state[name]), name


def test_an_openflamingo_file_that_does_not_fit_is_refused(flamingo, tmp_path: Path) -> None:
    model, _ = flamingo
    state = checkpoints.published_flamingo_state(model.network)
    first = "lang_encoder.gated_cross_attn_layers.0.attn_gate"
    gate = "lang_encoder.model.decoder.layers.0.gated_cross_attn_layer.attn_gate"
    cases = {
        rf"missing \['{first}'\]": {k: v for k, v in state.items() if k != gate},
        r"unknown \['perceiver.scale'\]": {**state, "perceiver.scale": torch.zeros(1)},
        "perceiver.latents is": {**state, "perceiver.latents": torch.zeros(2, 2)},
        "two different": {**state, "lang_encoder.gated_cross_attn_layers.0.attn_gate": torch.zeros(1)},
    }
    for message, broken in cases.items():
        torch.save(broken, tmp_path / "a.pt")
        with pytest.raises(InputError, match=message):
            checkpoints.load_flamingo_connectors(model.network, tmp_path / "a.pt")


def test_fixtures_are_small() -> None:
    assert sum(path.stat().st_size for path in (ROOT / "tests" / "models" / "fixtures").iterdir()) < 300_000
