"""Freeze policies, which say by the names of a model's parts what learns, and half precision for the rest."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from vlit.common.errors import InputError


@dataclass(frozen=True)
class FreezePolicy:
    """The parts of a model, and which of them learn; all others are frozen.

    Every family has the parts `vision_encoder` and `language_model`; the names of further parts of a vision encoder
    contain `vision`.

    Attributes:
        parts: name of a part -> paths of the modules and parameters that make it up. Where two parts share parameters
            (cross-attention inside a language model), the smaller part owns them.
        trained: names of the parts that learn (paper Tables 6-8 and the upstream projects).
    """

    parts: dict[str, tuple[str, ...]]
    trained: tuple[str, ...]

    def apply(self, model: nn.Module) -> None:
        """Set `requires_grad` of every parameter.

        Raises:
            InputError: if a part to train does not exist, or a parameter belongs to no part.
        """
        for name in self.trained:
            if name not in self.parts:
                raise InputError(f"model.trained names {name!r}: this family has the parts {', '.join(self.parts)}")
        owners = self.owners(model)
        for name, parameter in model.named_parameters():
            if id(parameter) not in owners:
                raise InputError(f"parameter {name} belongs to none of the parts {', '.join(self.parts)}")
            parameter.requires_grad_(owners[id(parameter)] in self.trained)

    def report(self, model: nn.Module) -> list[tuple[str, str, int]]:
        """Return (part, "trained" or "frozen", number of parameters) of each part; shared parameters count once."""
        sizes = dict.fromkeys(self.parts, 0)
        owners = self.owners(model)
        for parameter in model.parameters():
            sizes[owners[id(parameter)]] += parameter.numel()
        return [(part, "trained" if part in self.trained else "frozen", size) for part, size in sizes.items()]

    def set_modes(self, model: nn.Module) -> None:
        """Set parts that learn to training mode, frozen ones to evaluation mode (no dropout)."""
        model.train()
        # Frozen parts first: one that learns may lie inside a frozen one (Flamingo's cross-attention in its LM).
        for part in sorted(self.parts, key=lambda part: part in self.trained):
            for path in self.parts[part]:
                found = _at(model, path)
                if isinstance(found, nn.Module):
                    found.train(part in self.trained)
        for module in model.modules():
            if getattr(module, "gradient_checkpointing", False):
                module.training = True  # transformers checkpoints a layer only then; its parts keep their modes

    def owners(self, model: nn.Module) -> dict[int, str]:
        """Return the part that owns each parameter, by the parameter's `id`."""
        members = {part: _parameters(model, paths) for part, paths in self.parts.items()}
        owners: dict[int, str] = {}
        for part in sorted(members, key=lambda part: -len(members[part])):
            owners.update(dict.fromkeys(members[part], part))
        return owners


def halve(model: nn.Module, trained: bool = False, dtype: torch.dtype = torch.float16) -> None:
    """Convert a model's matrices to half precision in place. Norms and biases stay in float32.

    For use under autocast, which otherwise makes the same half copies at each step.

    Args:
        model: the model.
        trained: convert matrices that learn too, and drop their gradients: for a model that is tuned no further.
        dtype: float16 or bfloat16.
    """
    for parameter in model.parameters():
        if trained:
            parameter.grad = None
        if parameter.ndim >= 2 and (trained or not parameter.requires_grad):
            parameter.data = parameter.data.to(dtype)


def _at(model: nn.Module, path: str) -> nn.Module | nn.Parameter:
    found: object = model
    for name in path.split("."):
        found = getattr(found, name)
    if not isinstance(found, nn.Module | nn.Parameter):
        raise TypeError(f"{path} is neither a module nor a parameter")
    return found


def _parameters(model: nn.Module, paths: tuple[str, ...]) -> set[int]:
    identities: set[int] = set()
    for path in paths:
        found = _at(model, path)
        identities.update([id(found)] if isinstance(found, nn.Parameter) else map(id, found.parameters()))
    return identities
