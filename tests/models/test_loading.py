"""A checkpoint that is missing or does not fit is an error that names what is wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoTokenizer,
    CLIPConfig,
    CLIPModel,
    CLIPTextConfig,
    CLIPVisionConfig,
    CLIPVisionModel,
    OPTForCausalLM,
)

from tests.conftest import FAMILIES
from vlit.common.errors import InputError
from vlit.models import loading


def test_missing_weights_are_named_with_their_source(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no weights at .*vicuna.*huggingface.co/lmsys"):
        loading.require(tmp_path / "vicuna", "huggingface.co/lmsys/vicuna-7b-v1.1")


def test_a_tensor_that_a_checkpoint_lacks_is_not_filled_with_random_numbers(cache: Path, tmp_path: Path) -> None:
    model = OPTForCausalLM.from_pretrained(cache / "weights" / "opt")
    model.save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    state = load_file(file)
    del state["model.decoder.layers.0.fc1.weight"]
    save_file(state, file, metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"missing keys .*layers.0.fc1.weight"):
        loading.load_pretrained(OPTForCausalLM, tmp_path)


def test_half_precision_is_read_back_as_float(tmp_path: Path) -> None:
    loading.save_half({"weight": torch.tensor([1.5, -2.25])}, tmp_path / "part.safetensors")
    state = loading.load_float(tmp_path / "part.safetensors")
    assert state["weight"].dtype == torch.float32
    assert state["weight"].tolist() == [1.5, -2.25]


def test_names_must_be_exactly_the_modules() -> None:
    with pytest.raises(InputError, match=r"missing \['bias'\], unknown \['scale'\]"):
        loading.load_named(
            torch.nn.Linear(2, 2), {"weight": torch.zeros(2, 2), "scale": torch.zeros(1)}, "projector.bin"
        )


def test_a_vision_encoder_is_loaded_from_a_whole_clip_folder(tmp_path: Path) -> None:
    """As OpenAI's is published: both towers, projections, and numbered places that are no weights."""
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    whole = CLIPModel(
        CLIPConfig(
            text_config=CLIPTextConfig(vocab_size=64, **sizes).to_dict(),
            vision_config=CLIPVisionConfig(image_size=16, patch_size=8, **sizes).to_dict(),
        )
    )
    whole.save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    state = load_file(file)
    places = {f"{tower}_model.embeddings.position_ids": torch.arange(5)[None] for tower in ("vision", "text")}
    save_file({**state, **places}, file, metadata={"format": "pt"})
    tower = loading.load_pretrained(CLIPVisionModel, tmp_path, leave_out=loading.REST_OF_CLIP)
    assert all(torch.equal(one, state[name]) for name, one in tower.state_dict().items())
    save_file({**state, "vision_model.adapter": torch.zeros(1)}, file, metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"unexpected keys vision_model\.adapter$"):
        loading.load_pretrained(CLIPVisionModel, tmp_path, leave_out=loading.REST_OF_CLIP)


@pytest.mark.parametrize("model", FAMILIES)
def test_a_tokenizer_without_a_padding_token_gives_the_same_loss(cache: Path, tmp_path: Path, compose, model) -> None:
    from hydra.utils import instantiate

    from vlit.data.dataset import collate
    from vlit.data.sample import Rejects
    from vlit.models.forward import token_loss
    from vlit.tuning import setup

    folder = shutil.copytree(cache / "weights" / "tokenizer", tmp_path / "tokenizer")
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        if (folder / name).exists():
            settings = json.loads((folder / name).read_text())
            settings.pop("pad_token", None)
            (folder / name).write_text(json.dumps(settings))
    assert AutoTokenizer.from_pretrained(folder).pad_token is None
    losses = []
    for tokenizer in (cache / "weights" / "tokenizer", folder):
        cfg = compose(f"model={model}", "data=llava", f"model.build.tokenizer={tokenizer}")
        built = setup.model(cfg)
        data = setup.dataset(cfg, built, instantiate(cfg.data).load(Rejects())[:3], Rejects())
        batch = collate([data[place] for place in range(3)], built.tokenizer.pad_token_id)
        assert not bool(batch.attention_mask.all())  # there is padding
        losses.append(float(token_loss(built(batch), batch.labels).total))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
