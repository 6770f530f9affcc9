"""Which parameters learn: freeze policies as lists of names, half precision for frozen parts, and LoRA adapters."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import nn

from vlit.common.errors import InputError


@dataclass(frozen=True)
class FreezePolicy:
    """The parts of a model, and which of them learn; the rest is frozen.

    Attributes:
        parts: name for the reader -> the places in the model (module or parameter paths) that make it up. Where two
            parts share parameters (cross-attention inside a language model), the smaller part owns them.
        trained: the parts that learn (paper Tables 6-8 and the upstream projects).
    """

    parts: dict[str, tuple[str, ...]]
    trained: tuple[str, ...]

    def apply(self, model: nn.Module) -> None:
        """Set `requires_grad` of every parameter.

        Raises:
            InputError: if a name to train is no part of the family, or a parameter belongs to no part.
        """
        for name in self.trained:
            if name not in self.parts:
                raise InputError(f"model.trained names {name!r}: this family has the parts {', '.join(self.parts)}")
        owners = self._owners(model)
        for name, parameter in model.named_parameters():
            if id(parameter) not in owners:
                raise InputError(f"parameter {name} belongs to none of the parts {', '.join(self.parts)}")
            parameter.requires_grad_(owners[id(parameter)] in self.trained)

    def report(self, model: nn.Module) -> list[tuple[str, str, int]]:
        """Return a (part, "trained" or "frozen", number of parameters) row a part; shared parameters count once."""
        sizes = dict.fromkeys(self.parts, 0)
        owners = self._owners(model)
        for parameter in model.parameters():
            sizes[owners[id(parameter)]] += parameter.numel()
        return [(part, "trained" if part in self.trained else "frozen", size) for part, size in sizes.items()]

    def set_modes(self, model: nn.Module) -> None:
        """Training mode for parts that learn, evaluation mode (no dropout) for frozen ones."""
        model.train()
        # Frozen parts first: one that learns may lie inside a frozen one (Flamingo's cross-attention in its LM).
        for part in sorted(self.parts, key=lambda part: part in self.trained):
            for place in self.parts[part]:
                inner = _at(model, place)
                if isinstance(inner, nn.Module):
                    inner.train(part in self.trained)
        for module in model.modules():
            if getattr(module, "gradient_checkpointing", False):
                module.training = True  # transformers checkpoints a layer only then; its parts keep their modes

    def _owners(self, model: nn.Module) -> dict[int, str]:
        members = {part: _parameters(model, places) for part, places in self.parts.items()}
        owners: dict[int, str] = {}
        for part in sorted(members, key=lambda part: -len(members[part])):
            owners.update(dict.fromkeys(members[part], part))
        return owners


def halve(model: nn.Module, learning: bool = False, kind: torch.dtype = torch.float16) -> None:
    """Keep matrices in half precision, in place: those that are frozen or, where nothing learns any more, all of them.

    For use under autocast, which would make the same half copies at each step. Norms and biases stay in float32.
    """
    for parameter in model.parameters():
        if learning:
            parameter.grad = None
        if parameter.ndim >= 2 and (learning or not parameter.requires_grad):
            parameter.data = parameter.data.to(kind)


def _at(model: nn.Module, place: str) -> nn.Module | nn.Parameter:
    found: object = model
    for name in place.split("."):
        found = getattr(found, name)
    if not isinstance(found, nn.Module | nn.Parameter):
        raise TypeError(f"{place} is neither a module nor a parameter")
    return found


def _parameters(model: nn.Module, places: tuple[str, ...]) -> set[int]:
    identities: set[int] = set()
    for place in places:
        found = _at(model, place)
        identities.update([id(found)] if isinstance(found, nn.Parameter) else map(id, found.parameters()))
    return identities


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
