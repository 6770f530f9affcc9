"""The registry of model families: what a file registers can be tuned and scored, and nothing else has to know of it.

The toy family below is all that a family needs: a model class, two functions that build it, and a configuration.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import DynamicCache, OPTConfig, OPTForCausalLM

from tests.conftest import FAMILIES, ROOT, tiny_overrides
from vlit.common.errors import InputError
from vlit.common.files import read_jsonl
from vlit.data.dataset import Batch
from vlit.models.activations import saved_bytes
from vlit.models.family import (
    Family,
    PromptCache,
    VisionLanguageModel,
    build_model,
    build_skeleton,
    find_family,
    register,
)
from vlit.models.forward import CropTransform, insert_features, last_logits
from vlit.models.freeze import FreezePolicy
from vlit.models.loading import load_tokenizer

PARTS = {"vision_encoder": ("vision",), "language_model": ("language",)}
SIDE = 16  # pixels


class Toy(VisionLanguageModel):
    """One linear layer over the pixels, one image token, one layer of OPT."""

    tokens_per_image = 1

    def __init__(self, tokenizer, vocabulary: int, width: int, trained: Sequence[str]) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.image_token_id = 3 if tokenizer is None else tokenizer.convert_tokens_to_ids("<image>")
        self.image_transform = CropTransform(SIDE)
        self.vision = nn.Linear(3 * SIDE * SIDE, width)
        self.language = OPTForCausalLM(
            OPTConfig(
                vocab_size=vocabulary, hidden_size=width, word_embed_proj_dim=width, ffn_dim=2 * width,
                num_hidden_layers=1, num_attention_heads=1, max_position_embeddings=512,
            )
        )  # fmt: skip
        self.policy = FreezePolicy(PARTS, tuple(trained))
        self.policy.apply(self)

    def encode_images(self, pixel_values: torch.Tensor) -> torch.Tensor:
        return self.vision(pixel_values.flatten(1))[:, None]

    def _embed(self, batch: Batch, features: torch.Tensor | None) -> torch.Tensor:
        features = self.encode_images(batch.pixel_values) if features is None else features
        embeddings = self.language.get_input_embeddings()(batch.input_ids)
        return insert_features(embeddings, batch.input_ids, self.image_token_id, features)

    def forward(self, batch: Batch, features: torch.Tensor | None = None, skip: int = 0) -> torch.Tensor:
        keep = batch.input_ids.shape[1] - skip
        embeddings = self._embed(batch, features)
        return last_logits(self.language, keep, inputs_embeds=embeddings, attention_mask=batch.attention_mask)

    def prefill(self, batch: Batch, features: torch.Tensor | None = None) -> PromptCache:
        keys_values, mask = DynamicCache(), batch.attention_mask
        embeddings = self._embed(batch, features)
        logits = last_logits(
            self.language, 1, inputs_embeds=embeddings, attention_mask=mask, past_key_values=keys_values
        )
        return PromptCache(keys_values, mask, logits[:, 0])

    def extend(self, cache: PromptCache, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        mask = torch.cat([cache.attention_mask, attention_mask], dim=1)
        return self.language(input_ids=input_ids, attention_mask=mask, past_key_values=cache.keys_values).logits

    def generate(self, batch: Batch, max_new_tokens: int, num_beams: int = 1) -> list[str]:
        raise NotImplementedError

    def trace(self, batch_size: int, length: int) -> torch.Tensor:
        features = self.encode_images(torch.zeros(batch_size, 3, SIDE, SIDE))
        text = self.language.get_input_embeddings()(torch.zeros(batch_size, length - 1, dtype=torch.long))
        return self.language(inputs_embeds=torch.cat([features, text], dim=1), use_cache=False).logits

    def save_published(self, folder: Path, whole_language_model: bool) -> None:
        raise NotImplementedError


def build_toy(tokenizer: str, width: int, trained: Sequence[str]) -> Toy:
    words = load_tokenizer(Path(tokenizer))
    return Toy(words, len(words), width, trained)


def toy_skeleton(width: int, trained: Sequence[str]) -> Toy:
    with torch.device("meta"):
        return Toy(None, 1024, width, trained)


TOY = Family("toy", build_toy, toy_skeleton, template="blip2")
CONFIGURATION = """
name: toy
label: Toy
family: toy
template: blip2
add_bos: true
build: {tokenizer: "${paths.weights}/tokenizer", width: 16, trained: [vision_encoder, language_model]}
"""
COMMAND = """
from vlit.models.family import register
from tests.models.test_registry import TOY
register(TOY)
import train
train.main()
"""


def test_a_family_that_no_file_of_the_package_knows_is_tuned_and_scored(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "toy.yaml").write_text(CONFIGURATION)
    done = subprocess.run(
        [
            sys.executable, "-c", COMMAND, "model=toy", "tuning=mini/blip2", "data=llava", *tiny_overrides(cache),
            f"hydra.searchpath=[file://{tmp_path / 'conf'}]", f"paths.runs={tmp_path / 'runs'}",
            "tuning.batch_size=8", "tuning.max_steps=3",
        ],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    folder = tmp_path / "runs" / "mini" / "toy" / "llava" / "seed0"
    result = json.loads((folder / "result.json").read_text())
    assert (result["model"], result["counts"]["Overall"]) == ("toy", 36)
    assert len(read_jsonl(folder / "metrics.jsonl")) == 3
    assert len(read_jsonl(folder / "predictions.jsonl")) == 36


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Family:
    monkeypatch.setattr("vlit.models.family.FAMILIES", {})
    return register(TOY)


def test_a_registered_family_is_found_by_its_name(toy: Family, cache: Path) -> None:
    assert find_family("toy") is toy
    arguments = {"tokenizer": str(cache / "weights" / "tokenizer"), "width": 8, "trained": ["language_model"]}
    model = build_model("toy", arguments)
    assert {part: state for part, state, _ in model.policy.report(model)} == {
        "vision_encoder": "frozen",
        "language_model": "trained",
    }


def test_a_skeleton_is_traced_without_memory(toy: Family) -> None:
    model = build_skeleton("toy", {"width": 8, "trained": ["language_model"]})
    assert all(parameter.is_meta for parameter in model.parameters())
    assert saved_bytes(model, 2, 10, half=False) >= 2 * 9 * 1024 * 4  # the logits of nine next tokens in float32


def test_a_name_can_be_registered_once(toy: Family) -> None:
    with pytest.raises(ValueError, match="'toy'"):
        register(toy)


@pytest.mark.parametrize("name", ["nobody", "checkpoints", "no.body", ""])
def test_a_family_that_nothing_registers_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"model.family={name}: no such model family"):
        find_family(name)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 8}, r"model\.build: missing a required argument: 'tokenizer'; its keys are tokenizer, width"),
        ({"tokenizer": "x", "width": 8, "trained": [], "depth": 1}, r"model\.build: .*'depth'"),
    ],
)
def test_missing_and_unknown_keys_are_named(toy: Family, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_model("toy", arguments)


@pytest.mark.parametrize("name", FAMILIES)
def test_configuration_and_registered_family_agree(family, name: str) -> None:
    cfg, model, _ = family(name)
    found = find_family(cfg.model.family)
    assert found.name == cfg.model.family
    assert found.template == cfg.model.template
    assert {"vision_encoder", "language_model", *found.resampler} <= set(model.policy.parts)


def test_a_family_loads_no_library_of_another() -> None:
    code = (
        "import sys; from vlit.models.family import find_family; find_family('llava');"
        " sys.exit('open_flamingo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
