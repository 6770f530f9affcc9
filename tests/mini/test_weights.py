"""Shipped weights unpack once, and open_clip's tower computes the same in its two transformers layouts."""

from __future__ import annotations

import shutil
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Blip2VisionModel, CLIPVisionModel

from tests.conftest import ROOT
from vlit.common.digest import write_sums
from vlit.common.errors import InputError
from vlit.mini.weights import load_exactly, mini_configuration, to_blip2_vision_model, to_clip_vision_model, unpack

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
    config = mini_configuration(PARTS, "clip-vit")
    model = CLIPVisionModel(config).eval()
    load_exactly(model, to_clip_vision_model(visual.state_dict(), config.num_hidden_layers), "clip-vit")
    pixels = torch.randn(3, 3, 64, 64)
    with torch.inference_mode():
        expected = tokens_before_pooling(visual, pixels)
        torch.testing.assert_close(model(pixels).last_hidden_state, expected, rtol=1e-5, atol=1e-5)


def test_blip2_vision_model_equals_open_clip_with_its_last_norm_over_all_tokens() -> None:
    visual = open_clip_model("eva-mini").visual
    config = mini_configuration(PARTS, "blip2").vision_config
    model = Blip2VisionModel(config).eval()
    load_exactly(model, to_blip2_vision_model(visual.state_dict(), config.num_hidden_layers), "eva")
    pixels = torch.randn(3, 3, 64, 64)
    with torch.inference_mode():
        expected = visual.ln_post(tokens_before_pooling(visual, pixels))
        torch.testing.assert_close(model(pixels).last_hidden_state, expected, rtol=1e-5, atol=1e-5)


def test_a_missing_tensor_is_named() -> None:
    visual = open_clip_model("clip-mini").visual
    config = mini_configuration(PARTS, "clip-vit")
    state = to_clip_vision_model(visual.state_dict(), config.num_hidden_layers)
    del state["vision_model.post_layernorm.bias"]
    with pytest.raises(InputError, match=r"post_layernorm\.bias"):
        load_exactly(CLIPVisionModel(config), state, "clip-vit")


def test_shipped_weights_are_at_most_25_megabytes() -> None:
    assert sum(path.stat().st_size for path in PARTS.rglob("*") if path.is_file()) <= 25_000_000


def test_unpacking_twice_changes_nothing(tmp_path: Path) -> None:
    unpack(str(PARTS), str(tmp_path / "weights"))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "weights").rglob("*")}
    unpack(str(PARTS), str(tmp_path / "weights"))
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "weights").rglob("*")}


def test_a_damaged_part_is_refused_and_a_new_one_unpacked(tmp_path: Path) -> None:
    parts = shutil.copytree(PARTS, tmp_path / "parts")
    unpack(str(parts), str(tmp_path / "weights"))
    before = (tmp_path / "weights/llava.safetensors").read_bytes()
    tensors = load_file(parts / "llava.safetensors")
    save_file({name: tensor + 1 for name, tensor in tensors.items()}, parts / "llava.safetensors")
    with pytest.raises(InputError, match=r"llava\.safetensors is damaged.*python -m vlit\.mini\.pretraining"):
        unpack(str(parts), str(tmp_path / "weights"))
    assert (tmp_path / "weights/llava.safetensors").read_bytes() == before
    write_sums(parts)
    unpack(str(parts), str(tmp_path / "weights"))
    assert (tmp_path / "weights/llava.safetensors").read_bytes() != before


def test_a_missing_part_is_an_error_that_says_how_to_make_it(tmp_path: Path) -> None:
    parts = shutil.copytree(PARTS, tmp_path / "parts")
    (parts / "opt.safetensors").unlink()
    with pytest.raises(InputError, match=r"opt\.safetensors.*python -m vlit\.mini\.pretraining"):
        unpack(str(parts), str(tmp_path / "weights"))
    assert not (tmp_path / "weights").exists()
    with pytest.raises(InputError, match=r"no mini weights in .*python -m vlit\.mini\.pretraining"):
        unpack(str(tmp_path / "absent"), str(tmp_path / "weights"))


def test_a_folder_with_other_files_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"paths\.weights"):
        unpack(str(PARTS), str(tmp_path))
    assert (tmp_path / "notes.txt").read_text() == "mine"
