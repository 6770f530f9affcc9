"""open_clip's tower and its two transformers layouts compute the same."""

from __future__ import annotations

from pathlib import Path

import open_clip
import pytest
import torch
from transformers import Blip2VisionModel, CLIPVisionModel

from tests.conftest import ROOT
from vlit.common.errors import InputError
from vlit.mini import weights

PARTS = ROOT / "weights" / "mini"


def open_clip_model(name: str) -> torch.nn.Module:
    open_clip.add_model_config(PARTS / "open_clip")
    torch.manual_seed(0)
    return open_clip.create_model(name).eval()


def tokens_before_pooling(visual: torch.nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    found = {}
    hook = visual.transformer.register_forward_hook(lambda module, args, output: found.update(value=output))
    visual(pixels)
    hook.remove()
    return found["value"]


def test_clip_vision_model_equals_open_clip() -> None:
    visual = open_clip_model("clip-mini").visual
    config = weights.configuration(PARTS, "clip-vit")
    model = CLIPVisionModel(config).eval()
    weights.load(model, weights.clip_vision_model(visual.state_dict(), config.num_hidden_layers), "clip-vit")
    pixels = torch.randn(3, 3, 64, 64)
    with torch.inference_mode():
        expected = tokens_before_pooling(visual, pixels)
        torch.testing.assert_close(model(pixels).last_hidden_state, expected, rtol=1e-5, atol=1e-5)


def test_blip2_vision_model_equals_open_clip_with_its_last_norm_over_all_tokens() -> None:
    visual = open_clip_model("eva-mini").visual
    config = weights.configuration(PARTS, "blip2").vision_config
    model = Blip2VisionModel(config).eval()
    weights.load(model, weights.blip2_vision_model(visual.state_dict(), config.num_hidden_layers), "eva")
    pixels = torch.randn(3, 3, 64, 64)
    with torch.inference_mode():
        expected = visual.ln_post(tokens_before_pooling(visual, pixels))
        torch.testing.assert_close(model(pixels).last_hidden_state, expected, rtol=1e-5, atol=1e-5)


def test_a_missing_tensor_is_named() -> None:
    visual = open_clip_model("clip-mini").visual
    config = weights.configuration(PARTS, "clip-vit")
    state = weights.clip_vision_model(visual.state_dict(), config.num_hidden_layers)
    del state["vision_model.post_layernorm.bias"]
    with pytest.raises(InputError, match=r"post_layernorm\.bias"):
        weights.load(CLIPVisionModel(config), state, "clip-vit")


def test_shipped_weights_are_under_ten_megabytes() -> None:
    assert sum(path.stat().st_size for path in PARTS.rglob("*") if path.is_file()) < 10_000_000


def test_unpacking_twice_changes_nothing(tmp_path: Path) -> None:
    weights.unpack(str(PARTS), str(tmp_path / "weights"))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "weights").rglob("*")}
    weights.unpack(str(PARTS), str(tmp_path / "weights"))
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "weights").rglob("*")}
