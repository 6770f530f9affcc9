"""Counted activations against the memory by which a process grows, and against counting by hand."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from tests.conftest import FAMILIES, ROOT
from vlit.models.activations import _Kernels, saved_bytes
from vlit.models.llava import llava_skeleton

# In a process of its own: memory that other tests have freed would be used again.
MEASURE = """
import ctypes, gc, sys, tempfile
from pathlib import Path
import psutil, torch
sys.path.insert(0, "benchmarks")
import ranking_speed
from vlit.data.dataset import Batch
from vlit.models.activations import saved_bytes
from vlit.models.forward import token_loss

torch.manual_seed(0)
with tempfile.TemporaryDirectory() as folder:
    model = ranking_speed.BUILD[sys.argv[1]](ranking_speed.Size(512, 6, 8192), Path(folder))
model.policy.set_modes(model)
ids = torch.randint(10, 1000, (2, 400))
ids[:, : model.tokens_per_image] = model.image_token_id
pixels = torch.randn(2, 3, 224, 224)
batch = Batch(["", ""], ids, torch.ones_like(ids), ids.clone(), pixels, torch.ones(2, dtype=torch.long))
libc = ctypes.CDLL("libc.so.6")
libc.mallopt(-3, 4096)  # M_MMAP_THRESHOLD: what is freed goes back at once

def resident():
    gc.collect()
    libc.malloc_trim(0)
    return psutil.Process().memory_info().rss

token_loss(model(batch), batch.labels).total.backward()  # libraries load, gradients take their place
before = resident()
loss = token_loss(model(batch), batch.labels).total
measured = resident() - before
print("ratio", saved_bytes(model.to("meta"), 2, 400, half=False) / measured)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_activations_agree_with_measured_memory(name: str) -> None:
    done = subprocess.run([sys.executable, "-c", MEASURE, name], cwd=ROOT, capture_output=True, text=True, check=True)
    assert float(done.stdout.split("ratio")[1]) == pytest.approx(1.0, abs=0.15)


def test_a_linear_layer_keeps_its_input_and_autocast_a_half_copy_of_its_weight() -> None:
    with torch.device("meta"):
        layer, x = nn.Linear(64, 32), torch.zeros(8, 64, requires_grad=True)
        with _Kernels(half=True) as kernels:
            out = layer(x)
    assert out.dtype == torch.float16
    assert {one.dtype for one in kernels.cache.values()} == {torch.float16}
    assert sum(one.numel() for one in kernels.cache.values()) == 64 * 32 + 32


def llava(trained=("projector", "language_model"), gradient_checkpointing=False):
    """LLaVA over CLIP ViT-L/14 and a small LLaMA, without weights."""
    vision = {
        "model_type": "clip_vision_model", "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
        "num_attention_heads": 16, "image_size": 224, "patch_size": 14, "projection_dim": 768,
    }  # fmt: skip
    language = {
        "model_type": "llama", "vocab_size": 512, "hidden_size": 256, "intermediate_size": 512,
        "num_hidden_layers": 6, "num_attention_heads": 4,
    }  # fmt: skip
    return llava_skeleton(vision, language, -2, trained, gradient_checkpointing)


def test_gradient_checkpointing_keeps_less() -> None:
    whole = saved_bytes(llava(), 2, 512, half=True)
    assert saved_bytes(llava(gradient_checkpointing=True), 2, 512, half=True) < 0.5 * whole


def test_a_frozen_language_model_keeps_less() -> None:
    assert saved_bytes(llava(("projector",)), 2, 512, half=False) < saved_bytes(llava(), 2, 512, half=False)


def test_activations_grow_in_proportion_to_the_batch() -> None:
    one, two, three = (saved_bytes(llava(), size, 512, half=False) for size in (1, 2, 3))
    assert three - two == pytest.approx(two - one, rel=1e-3)
