"""Tuned LLaVA and BLIP-2 as ordinary transformers folders, which `from_pretrained` loads without this project."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import Any

from torch import nn

from vlit.errors import InputError
from vlit.models.blip2 import Blip2
from vlit.models.llava import Llava
from vlit.models.lora import merge_lora


def export(model: Llava | Blip2, folder: Path) -> None:
    """Write network and tokenizer; adapters are merged into the model first.

    Raises:
        InputError: if the folder exists.
    """
    if folder.exists():
        raise InputError(f"{folder} exists: choose another folder to export to")
    if "lora" in model.policy.parts:
        merge_lora(model)
    network: Any = _with_published_projector(model) if isinstance(model, Llava) else model.network
    temporary = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    network.save_pretrained(str(temporary))
    model.tokenizer.save_pretrained(str(temporary))
    temporary.replace(folder)


def _with_published_projector(model: Llava) -> Any:
    """LLaVA with the class's own two-layer projector: our one layer, no activation, and the identity."""
    network = copy.copy(model.network)  # shares all weights
    network._modules = dict(network._modules)
    network.config = copy.deepcopy(network.config)
    network.config.projector_hidden_act = "linear"
    network._modules["model"] = copy.copy(network.model)
    network.model._modules = dict(network.model._modules)
    linear = model.network.model.multi_modal_projector
    projector = nn.Module()
    projector.linear_1 = linear
    projector.linear_2 = nn.Linear(linear.out_features, linear.out_features)
    nn.init.eye_(projector.linear_2.weight)
    nn.init.zeros_(projector.linear_2.bias)
    projector.to(device=linear.weight.device, dtype=linear.weight.dtype)
    network.model._modules["multi_modal_projector"] = projector
    return network
