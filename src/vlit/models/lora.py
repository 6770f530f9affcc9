"""Low-rank adapters (LoRA, Hu et al., 2022) through peft, one switch for all families: `lora=language_model`.

All linear layers of the language model get adapters; its own weights and the vision encoder freeze, and what else the
family trains (projector, Q-Former, perceiver, cross-attention) goes on learning. Adapters can be merged away again.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import nn

from vlit.errors import InputError
from vlit.models.freeze import halve

FROZEN = ("language_model", "vision_encoder", "ln_vision")
ADAPTER = ("lora_A", "lora_B", "lora_dropout")


def add_lora(model: Any, rank: int, alpha: float, dropout: float, half: bool) -> None:
    """Give a `VisionLanguageModel` adapters, and a freeze policy by which they learn, in place.

    Args:
        model: without adapters; on the `meta` device or not.
        rank: of each adapter.
        alpha: its output counts `alpha / rank`.
        dropout: on its input.
        half: keep frozen matrices in float16, for training with `16-mixed` only.

    Raises:
        InputError: if the model has adapters already.
    """
    if "lora" in model.policy.parts:
        raise InputError("the model has LoRA adapters already")
    place = model.policy.parts["language_model"][0]
    language = model.get_submodule(place)
    targets = [
        name
        for name, module in language.named_modules()
        if isinstance(module, nn.Linear) and "gated_cross_attn" not in name and not name.endswith("lm_head")
    ]
    config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=targets)
    with torch.device(next(language.parameters()).device):
        inject_adapter_in_model(config, language)
    adapters = tuple(
        f"{place}.{name}.{inner}.default"
        for name, module in language.named_modules()
        if isinstance(module, LoraLayer)
        for inner in ADAPTER
    )
    trained = (*(part for part in model.policy.trained if part not in FROZEN), "lora")
    model.policy = dataclasses.replace(model.policy, parts={**model.policy.parts, "lora": adapters}, trained=trained)
    model.policy.apply(model)
    if half:
        halve(model)


def merge_lora(model: Any) -> None:
    """Add the adapters into the weights they adapt and take them out, in place; outputs stay the same."""
    for name, module in list(model.named_modules()):
        if isinstance(module, LoraLayer):
            module.merge()
            parent, _, own = name.rpartition(".")
            setattr(model.get_submodule(parent), own, module.get_base_layer())
    parts = {part: places for part, places in model.policy.parts.items() if part != "lora"}
    trained = tuple(part for part in model.policy.trained if part != "lora")
    model.policy = dataclasses.replace(model.policy, parts=parts, trained=trained)
