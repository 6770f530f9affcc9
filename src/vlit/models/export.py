"""Tuned models as others load them, without this project.

LLaVA and BLIP-2 become ordinary transformers folders, OpenFlamingo a `checkpoint.pt` for its own package.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import Blip2ForConditionalGeneration, PreTrainedModel

from vlit.common.files import replaced_folder
from vlit.models.blip2 import Blip2
from vlit.models.checkpoints import load_named, published_projector_state, transformers_blip2_state
from vlit.models.freeze import merge_lora
from vlit.models.llava import Llava
from vlit.models.openflamingo import OpenFlamingo, published_state


def export(model: Llava | Blip2 | OpenFlamingo, folder: Path) -> None:
    """Write network and tokenizer; adapters are merged into the model first.

    Beside LLaVA's folder stands `mm_projector.bin`, as the original LLaVA has it. OpenFlamingo's file is for
    `load_state_dict(torch.load(file), strict=False)`, as its published one.

    Raises:
        InputError: if the folder exists.
    """
    with replaced_folder(folder, mend="choose another folder to export to") as fresh:
        adapted = "lora" in model.policy.parts
        if adapted:
            merge_lora(model)
        if isinstance(model, OpenFlamingo):
            torch.save(published_state(model.network, language=adapted), fresh / "checkpoint.pt")
        else:
            _transformers_network(model).save_pretrained(str(fresh))
        if isinstance(model, Llava):
            projector = model.network.model.multi_modal_projector
            torch.save(published_projector_state(projector), fresh / "mm_projector.bin")
        model.tokenizer.save_pretrained(str(fresh))


def _transformers_network(model: Llava | Blip2) -> Any:
    if isinstance(model, Llava):
        return _with_published_projector(model)
    if not isinstance(model.network, PreTrainedModel):  # LAVIS's modules
        network = Blip2ForConditionalGeneration(model.config)
        load_named(network, transformers_blip2_state(model.network.state_dict()), "LAVIS's network")
        return network
    return model.network


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
