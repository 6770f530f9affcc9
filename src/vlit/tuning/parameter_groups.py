"""Which parameters the optimiser decays: each upstream project has its own rule."""

from __future__ import annotations

from typing import Any

from torch import nn


def matrices(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Decay matrices only: no biases, no norms (LAVIS; also Hugging Face's trainer, which LLaVA uses)."""
    return _split(model, weight_decay, lambda name, parameter: parameter.ndim >= 2)


def cross_attention(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Decay gated cross-attention only, its norms and gates included (open_flamingo's `get_grouped_params`)."""
    return _split(model, weight_decay, lambda name, parameter: "gated_cross_attn_layer" in name)


def _split(model: nn.Module, weight_decay: float, decays: Any) -> list[dict[str, Any]]:
    learning = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    decayed = [parameter for name, parameter in learning if decays(name, parameter)]
    rest = [parameter for name, parameter in learning if not decays(name, parameter)]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]
