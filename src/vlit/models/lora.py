"""LoRA adapters in the language model (Hu et al., 2022): what fits a single GPU instead of Tables 6-8."""

from __future__ import annotations

import dataclasses

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import nn

from vlit.common.errors import InputError
from vlit.models.family import VisionLanguageModel
from vlit.models.freeze import halve

PART = "lora"  # the adapters' part in the freeze policy
ADAPTER = ("lora_A", "lora_B", "lora_dropout")


def has_lora(model: VisionLanguageModel) -> bool:
    """Return whether a model has adapters."""
    return PART in model.policy.parts


def add_lora(model: VisionLanguageModel, rank: int, alpha: float, dropout: float, half: bool) -> None:
    """Add adapters to all linear layers of the language model, in place; its own weights and the vision encoder freeze.

    Args:
        model: a model without adapters, on the `meta` device or not.
        rank: rank of each adapter.
        alpha: scale; an adapter's output counts `alpha / rank`.
        dropout: probability on an adapter's input.
        half: keep frozen matrices in float16, for training with `16-mixed` only.

    Raises:
        InputError: if the model has adapters already.
    """
    if has_lora(model):
        raise InputError("the model has LoRA adapters already")
    path = model.policy.parts["language_model"][0]
    language = model.get_submodule(path)
    owners = model.policy.owners(model)
    targets = [
        name
        for name, module in language.named_modules()
        if isinstance(module, nn.Linear)
        and owners[id(module.weight)] == "language_model"
        and not name.endswith("lm_head")  # tied to the embeddings in OPT and MPT, apart in LLaMA
    ]
    config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=targets)
    with torch.device(next(language.parameters()).device):
        inject_adapter_in_model(config, language)
    adapters = tuple(
        f"{path}.{name}.{inner}.default"
        for name, module in language.named_modules()
        if isinstance(module, LoraLayer)
        for inner in ADAPTER
    )
    kept = (part for part in model.policy.trained if part != "language_model" and "vision" not in part)
    model.policy = dataclasses.replace(
        model.policy, parts={**model.policy.parts, PART: adapters}, trained=(*kept, PART)
    )
    model.policy.apply(model)
    if half:
        halve(model)


def merge_lora(model: VisionLanguageModel) -> None:
    """Add the adapters to the weights they adapt and remove them, in place; outputs stay the same."""
    for name, module in list(model.named_modules()):
        if isinstance(module, LoraLayer):
            module.merge()
            parent, _, own = name.rpartition(".")
            setattr(model.get_submodule(parent), own, module.get_base_layer())
    parts = {part: paths for part, paths in model.policy.parts.items() if part != PART}
    trained = tuple(part for part in model.policy.trained if part != PART)
    model.policy = dataclasses.replace(model.policy, parts=parts, trained=trained)
