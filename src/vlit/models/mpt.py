"""MPT-1B, the language model of OpenFlamingo-3B, in transformers' MPT modules.

The published folder (mosaicml/mpt-1b-redpajama-200b) has the `model_type` mosaic_gpt, which brings its own code of
2023. That code has no cache object and no `logits_to_keep`, so it could not rank answers from a prompt read once, and
it would be run from a download. Transformers' MPT computes the same but for one thing: MPT-1B normalises queries and
keys (`attn_qk_ln`). `tests/models/test_mpt.py` compares it with what the original code computed.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import nn
from transformers import MptConfig, MptForCausalLM

from vlit.common.errors import InputError
from vlit.common.files import read_json
from vlit.models.loading import StateDict, load_float, load_named

MODEL_TYPE = "mosaic_gpt"
NAMES = (
    (r"\.attn\.Wqkv\.", ".attn.Wqkv.projection."),
    (r"\.attn\.q_ln\.", ".attn.Wqkv.query_norm."),
    (r"\.attn\.k_ln\.", ".attn.Wqkv.key_norm."),
    (r"\.ln_([12])\.", r".norm_\1."),
    (r"\.ln_f\.", ".norm_f."),
    (r"\.mlp\.mlp_(up|down)\.", r".ffn.\1_proj."),
)
# Settings without a counterpart in transformers' MPT, with the value that it computes with.
FIXED = {
    "alibi": True, "attn_qk_ln": True, "no_bias": True, "prefix_lm": False, "attn_uses_sequence_id": False,
    "attn_clip_qkv": None, "logit_scale": None, "embedding_fraction": 1.0, "mlp_ratio": 4,
}  # fmt: skip


class NormalisedProjection(nn.Module):
    """Projection to queries, keys and values, of which queries and keys are normalised over their whole width."""

    def __init__(self, projection: nn.Linear) -> None:
        super().__init__()
        self.projection = projection
        place = {"device": projection.weight.device, "dtype": projection.weight.dtype}
        self.query_norm = nn.LayerNorm(projection.in_features, bias=False, **place)  # type: ignore[arg-type]
        self.key_norm = nn.LayerNorm(projection.in_features, bias=False, **place)  # type: ignore[arg-type]

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Project (..., width) to (..., 3 * width)."""
        query, key, value = self.projection(hidden).chunk(3, dim=-1)
        return torch.cat([self.query_norm(query).to(value.dtype), self.key_norm(key).to(value.dtype), value], dim=-1)


def add_query_key_norms(decoder: MptForCausalLM) -> None:
    """Add MPT-1B's norms of queries and keys to every layer of a transformers MPT, in place."""
    for block in decoder.transformer.blocks:
        block.attn.Wqkv = NormalisedProjection(block.attn.Wqkv)


def is_mosaic(folder: Path) -> bool:
    """Return whether a folder contains a model in MosaicML's format, as MPT-1B is published."""
    file = folder / "config.json"
    return file.exists() and read_json(file).get("model_type") == MODEL_TYPE


def load_mosaic_mpt(folder: Path) -> MptForCausalLM:
    """Load a folder in MosaicML's format in float32, with every tensor accounted for.

    Raises:
        InputError: if a setting has no counterpart, a file is missing, or a tensor is missing or unknown.
    """
    values = read_json(folder / "config.json")
    for name, value in FIXED.items():
        if values.get(name, value) != value:
            raise InputError(f"{folder / 'config.json'}: {name}={values[name]}, but only {value} can be loaded")
    sizes = ("d_model", "n_heads", "n_layers", "vocab_size", "max_seq_len")
    attention = {"alibi": True, "alibi_bias_max": values.get("alibi_bias_max", 8), "attn_pdrop": 0.0}
    attention["softmax_scale"] = values.get("softmax_scale")
    config = MptConfig(**{name: values[name] for name in sizes}, no_bias=True, attn_config=attention)
    network = MptForCausalLM(config)
    add_query_key_norms(network)
    load_named(network.transformer, mpt_state(_tensors(folder)), str(folder))
    return network


def mpt_state(mosaic: StateDict) -> StateDict:
    """Translate tensor names of MosaicML's code to those of `MptForCausalLM.transformer` with the added norms."""
    out = {}
    for name, tensor in mosaic.items():
        own = name.removeprefix("transformer.")
        for pattern, ours in NAMES:
            own = re.sub(pattern, ours, f".{own}").removeprefix(".")
        out[own] = tensor
    return out


def _tensors(folder: Path) -> StateDict:
    files = sorted([*folder.glob("*.safetensors"), *folder.glob("pytorch_model*.bin")])
    if not files:
        raise InputError(f"no weights in {folder}: it needs *.safetensors or pytorch_model*.bin")
    kind = files[0].suffix  # a folder may contain the same weights in both formats
    return {name: tensor for file in files if file.suffix == kind for name, tensor in load_float(file).items()}
