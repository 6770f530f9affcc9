"""Full-size models without weights: parameter counts against published ones, freeze policies module by module."""

from __future__ import annotations

import json
from pathlib import Path

import open_clip
import pytest

from tests.conftest import FAMILIES
from tests.models.facts import FACTS
from vlit.common.errors import InputError
from vlit.models.loading import read_architecture
from vlit.models.openflamingo import openflamingo_skeleton
from vlit.tuning import setup

OPT_1_3B = {
    "model_type": "opt", "vocab_size": 50267, "hidden_size": 2048, "word_embed_proj_dim": 2048, "ffn_dim": 8192,
    "num_hidden_layers": 24, "num_attention_heads": 32, "max_position_embeddings": 2048,
}  # fmt: skip


@pytest.fixture(scope="module")
def full(compose):
    """`full(name)`: the family at the published sizes, without weights."""
    made = {}

    def built(name: str, *overrides: str):
        if (name, overrides) not in made:
            made[name, overrides] = setup.skeleton(compose("scale=paper", f"model={name}", *overrides, tiny=False))
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
    tied = 50272 * 2560  # the published files have OPT's output layer besides its embeddings
    assert (sum(sizes(model).values()) + tied) / 1e9 == pytest.approx(3.87, abs=0.005)  # the hub's count
    assert trained(model) / 1e9 == pytest.approx(1.1, abs=0.05)  # BLIP-2 paper, caption fine-tuning
    assert model.tokens_per_image == 32


def test_openflamingo_has_the_published_sizes(full) -> None:
    model = full("openflamingo")
    embeddings = 50280 * 2048
    # What open_flamingo prints for this model, and the size of its checkpoint (4.19 GB): embeddings included.
    assert trained(model) + embeddings == 1_046_992_944
    assert sizes(model)["language_model"] * 4 / 1e9 == pytest.approx(5.25, abs=0.01)  # MPT-1B's float32 file


def test_openais_weights_run_with_the_activation_they_were_trained_with(compose) -> None:
    cfg = compose("scale=paper", "model=openflamingo", tiny=False)
    assert "openai" in cfg.model.build.vision_weights
    assert open_clip.get_model_config(cfg.model.build.vision_model)["quick_gelu"]


def test_openflamingo_over_the_language_model_of_the_papers_text(full, tmp_path: Path) -> None:
    file = tmp_path / "opt-1.3b.json"
    file.write_text(json.dumps(OPT_1_3B))
    model = full("openflamingo", f"model.architecture.language={file}")
    assert sizes(model)["language_model"] / 1e9 == pytest.approx(1.3, abs=0.05)
    assert trained(model) == trained(full("openflamingo"))  # perceiver and cross-attention have the same sizes


@pytest.mark.parametrize("name", FAMILIES)
def test_exactly_the_modules_of_the_tables_learn(full, name: str) -> None:
    for parameter_name, parameter in full(name).named_parameters():
        owners = [module for module in FACTS[name].learns if module in parameter_name]
        assert len(owners) == 1, parameter_name
        assert parameter.requires_grad == FACTS[name].learns[owners[0]], parameter_name


def test_a_language_model_that_openflamingo_does_not_take_is_refused() -> None:
    with pytest.raises(InputError, match="llama"):
        openflamingo_skeleton("ViT-L-14", {"model_type": "llama", "hidden_size": 64}, ["perceiver"])


def test_an_unknown_model_type_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "unknown.json"
    file.write_text('{"model_type": "strange", "hidden_size": 8}')
    with pytest.raises(InputError, match=r"unknown\.json: .*strange"):
        read_architecture(file)
    with pytest.raises(InputError, match=r"model\.architecture: .*strange"):
        read_architecture({"model_type": "strange"})
