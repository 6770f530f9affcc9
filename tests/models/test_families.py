"""All families behind one interface: shapes, what learns, shared image features, generation."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from tests.conftest import FAMILIES
from tests.models.facts import FACTS
from vlit.common.errors import InputError
from vlit.data.dataset import Batch, Item, collate
from vlit.data.encode import IGNORED
from vlit.data.templates import TEMPLATES
from vlit.models.forward import token_loss, unsupervised_prefix
from vlit.tuning import setup


def batch_of(cfg, model, encoder, answers: list[str], side: str = "right", images: int = 1) -> Batch:
    template = TEMPLATES[cfg.model.template]
    items = []
    for place, answer in enumerate(answers):
        pieces = [*template.question_prompt("What color is the cup?", images), *template.answer(answer)]
        encoded = encoder.training(pieces, str(place))
        shades = [Image.new("RGB", (64, 64), (40 * place, 30 * shade, 90)) for shade in range(images)]
        pixels = torch.stack([model.image_transform(shade) for shade in shades]) if images else None
        items.append(Item(str(place), encoded.input_ids, encoded.labels, pixels))
    return collate(items, model.tokenizer.pad_token_id, side)


@pytest.mark.parametrize("name", FAMILIES)
def test_logits_are_aligned_with_the_input_ids(family, name: str) -> None:
    cfg, model, encoder = family(name)
    batch = batch_of(cfg, model, encoder, ["Red", "The cup is blue."])
    logits = model(batch)
    assert logits.shape[:2] == batch.input_ids.shape
    assert logits.shape[2] >= len(model.tokenizer)


@pytest.mark.parametrize("name", FAMILIES)
def test_exactly_the_trained_parts_get_gradients(family, name: str) -> None:
    cfg, model, encoder = family(name)
    batch = batch_of(cfg, model, encoder, ["Red", "The cup is blue."])
    model.policy.set_modes(model)
    token_loss(model(batch), batch.labels).total.backward()
    assert {part for part, state, _ in model.policy.report(model) if state == "trained"} == FACTS[name].trained
    for parameter_name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, parameter_name
        else:
            assert parameter.grad is None, parameter_name


@pytest.mark.parametrize("name", FAMILIES)
def test_a_batch_of_text_alone_trains_every_part_and_looks_at_nothing(family, name: str) -> None:
    cfg, model, encoder = family(name)
    batch = batch_of(cfg, model, encoder, ["Red", "The cup is blue."], images=0)
    model.policy.set_modes(model)
    loss = token_loss(model(batch), batch.labels).total
    loss.backward()
    assert torch.isfinite(loss)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert all(parameter.grad is not None for parameter in trained)  # or data-parallel training would wait for them
    assert all(torch.isfinite(parameter.grad).all() for parameter in trained)
    model.eval()
    alone = model(batch_of(cfg, model, encoder, ["Red"], images=0))
    together = model(batch_of(cfg, model, encoder, ["Red", "Red"], images=0))
    torch.testing.assert_close(together[:1], alone)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_report_counts_every_parameter_once(family, name: str) -> None:
    _, model, _ = family(name)
    assert sum(size for _, _, size in model.policy.report(model)) == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("name", FAMILIES)
def test_frozen_parts_stay_in_evaluation_mode(family, name: str) -> None:
    _, model, _ = family(name)
    model.policy.set_modes(model)
    assert all(not model.get_submodule(path).training for path in FACTS[name].frozen_modules)
    assert all(model.get_submodule(path).training for path in FACTS[name].trained_modules)


@pytest.mark.parametrize("name", FAMILIES)
def test_given_image_features_replace_the_image(family, name: str) -> None:
    cfg, model, encoder = family(name)
    model.eval()
    batch = batch_of(cfg, model, encoder, ["Red", "Blue"])
    with torch.inference_mode():
        direct = model(batch)
        features = model.encode_images(batch.pixel_values)
        assert torch.equal(direct, model(batch, features))
        assert not torch.allclose(direct, model(batch, features.flip(0)))


@pytest.mark.parametrize("name", FAMILIES)
def test_padding_on_the_right_changes_nothing(family, name: str) -> None:
    cfg, model, encoder = family(name)
    model.eval()
    alone = batch_of(cfg, model, encoder, ["Red"])
    padded = batch_of(cfg, model, encoder, ["Red", "The cup in the upper left of the image is blue."])
    with torch.inference_mode():
        length = alone.input_ids.shape[1]
        torch.testing.assert_close(model(padded)[:1, :length], model(alone), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", FAMILIES)
def test_several_images_of_a_sample_are_all_read(family, name: str) -> None:
    cfg, model, encoder = family(name)
    model.eval()
    batch = batch_of(cfg, model, encoder, ["Red"], images=2)
    assert batch.image_counts.tolist() == [2]
    with torch.inference_mode():
        before = model(batch)
        changed = batch.pixel_values.clone()
        changed[1] += 1.0
        batch.pixel_values = changed
        assert not torch.allclose(before, model(batch))


@pytest.mark.parametrize("name", FAMILIES)
def test_generation_equals_greedy_decoding_by_hand(family, name: str) -> None:
    cfg, model, encoder = family(name)
    model.eval()
    template = TEMPLATES[cfg.model.template]
    encoded = encoder(template.question_prompt("What color is the cup?"), "question")
    pixels = model.image_transform(Image.new("RGB", (64, 64), (200, 60, 60))).unsqueeze(0)
    ids = list(encoded.input_ids)
    end = model.tokenizer.convert_tokens_to_ids(FACTS[name].end)
    new: list[int] = []
    with torch.inference_mode():
        for _ in range(6):
            batch = collate([Item("q", ids + new, [IGNORED] * len(ids + new), pixels)], model.tokenizer.pad_token_id)
            token = int(model(batch)[0, -1].argmax())
            if token == end:
                break
            new.append(token)
    prompt = collate([Item("q", ids, [IGNORED] * len(ids), pixels)], model.tokenizer.pad_token_id, "left")
    assert model.generate(prompt, max_new_tokens=6) == [model.tokenizer.decode(new, skip_special_tokens=True).strip()]


def test_an_unknown_size_of_openflamingos_connectors_is_refused(compose) -> None:
    with pytest.raises(InputError, match=r"model\.build\.connectors: .*'width'; its keys are latents, depth"):
        setup.model(compose("model=openflamingo", "+model.build.connectors.width=3"))


def test_a_part_the_family_does_not_have_cannot_be_trained(compose) -> None:
    with pytest.raises(InputError, match="q_formr"):
        setup.model(compose("model=blip2", "model.build.trained=[q_formr]"))


@pytest.mark.parametrize("name", FAMILIES)
def test_skipping_logits_of_the_unsupervised_prefix_changes_no_gradient(family, name: str) -> None:
    cfg, model, encoder = family(name)
    batch = batch_of(cfg, model, encoder, ["Red", "The cup is blue."])
    model.eval()
    token_loss(model(batch), batch.labels).total.backward()
    expected = {parameter: one.grad.clone() for parameter, one in model.named_parameters() if one.grad is not None}
    model.zero_grad()
    skip = unsupervised_prefix(batch.labels)
    assert skip >= model.tokens_per_image
    assert bool((batch.labels[:, : skip + 1] == IGNORED).all()) and bool((batch.labels[:, skip + 1] != IGNORED).any())
    logits = model(batch, skip=skip)
    assert logits.shape[1] == batch.input_ids.shape[1] - skip
    token_loss(logits, batch.labels[:, skip:]).total.backward()
    for parameter, one in model.named_parameters():
        if one.grad is not None:
            torch.testing.assert_close(one.grad, expected[parameter], rtol=1e-4, atol=1e-5)
