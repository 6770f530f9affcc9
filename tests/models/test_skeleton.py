"""Full-size models without weights: parameter counts against published ones, freeze policies module by module."""

from __future__ import annotations

from pathlib import Path

import open_clip
import pytest
from hydra.utils import instantiate

from tests.conftest import FAMILIES, ROOT
from vlit.common.errors import InputError
from vlit.models import skeleton

ARCHITECTURE = ROOT / "conf" / "architecture"


@pytest.fixture(scope="module")
def full(compose):
    made = {}

    def built(name: str, *overrides: str):
        if (name, overrides) not in made:
            cfg = compose("scale=paper", f"model={name}", *overrides, tiny=False)
            made[name, overrides] = instantiate(cfg.model.architecture)
        return made[name, overrides]

    return built


def sizes(model) -> dict[str, int]:
    return {part: size for part, _, size in model.policy.report(model)}


def trained(model) -> int:
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


@pytest.mark.parametrize("name", FAMILIES)
def test_nothing_is_allocated(full, name: str) -> None:
    assert all(parameter.is_meta for parameter in full(name).parameters())


def test_llava_has_the_published_sizes(full) -> None:
    model = full("llava")
    found = sizes(model)
    assert found["language_model"] == 6_738_415_616  # LLaMA-7B
    assert found["projector"] == 1024 * 4096 + 4096  # the shape of the published projector file
    assert found["vision_encoder"] == 303_179_776  # CLIP ViT-L/14 without its projection
    assert trained(model) == found["language_model"] + found["projector"]
    assert model.tokens_per_image == 256


def test_blip2_has_the_published_sizes(full) -> None:
    model = full("blip2")
    tied = 50272 * 2560  # the published files hold OPT's output layer beside its embeddings
    assert (sum(sizes(model).values()) + tied) / 1e9 == pytest.approx(3.87, abs=0.005)  # the hub's count
    assert trained(model) / 1e9 == pytest.approx(1.1, abs=0.05)  # BLIP-2 paper, caption fine-tuning
    assert model.tokens_per_image == 32


def test_openflamingo_has_the_published_sizes(full) -> None:
    model = full("openflamingo")
    embeddings = 50280 * 2048
    # What open_flamingo prints for this model, and what its 4.19 GB checkpoint holds: embeddings included.
    assert trained(model) + embeddings == 1_046_992_944
    assert sizes(model)["language_model"] * 4 / 1e9 == pytest.approx(5.25, abs=0.01)  # MPT-1B's float32 file


def test_openais_weights_compute_with_the_activation_they_were_trained_with(compose) -> None:
    cfg = compose("scale=paper", "model=openflamingo", tiny=False)
    assert "openai" in cfg.model.build.vision_weights
    assert open_clip.get_model_config(cfg.model.build.vision_model)["quick_gelu"]


def test_the_variant_that_the_papers_text_names(full) -> None:
    model = full("openflamingo", f"model.architecture.language={ARCHITECTURE / 'opt-1.3b.json'}")
    assert sizes(model)["language_model"] / 1e9 == pytest.approx(1.3, abs=0.05)
    assert trained(model) == trained(full("openflamingo"))  # perceiver and cross-attention have the same sizes


# Tables 6-8, and for each table the modules of the network itself: what learns, and what does not.
POLICIES = {
    "llava": {
        "network.model.vision_tower": False,
        "network.model.multi_modal_projector": True,
        "network.model.language_model": True,
        "network.lm_head": True,
    },
    "blip2": {
        "network.vision_model": True,
        "network.query_tokens": True,
        "network.qformer": True,
        "network.language_projection": True,
        "network.language_model": False,
    },
    "openflamingo": {
        "network.vision_encoder": False,
        "network.perceiver": True,
        ".gated_cross_attn_layer.": True,
        ".decoder_layer.": False,
        "network.lang_encoder.transformer.wte": False,
        "network.lang_encoder.transformer.norm_f": False,
    },
}


@pytest.mark.parametrize("name", FAMILIES)
def test_exactly_the_modules_of_the_tables_learn(full, name: str) -> None:
    for parameter_name, parameter in full(name).named_parameters():
        owners = [module for module in POLICIES[name] if module in parameter_name]
        assert len(owners) == 1, parameter_name
        assert parameter.requires_grad == POLICIES[name][owners[0]], parameter_name


def test_a_language_model_that_openflamingo_does_not_take_is_refused() -> None:
    with pytest.raises(InputError, match="llama"):
        skeleton.openflamingo("ViT-L-14", str(ARCHITECTURE / "vicuna-7b-v1.1.json"), ["perceiver"])


def test_an_unknown_kind_of_model_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "strange.json"
    file.write_text('{"model_type": "strange", "hidden_size": 8}')
    with pytest.raises(InputError, match="strange"):
        skeleton.configuration(str(file))
