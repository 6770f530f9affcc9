"""Translate tensor names between published checkpoints and ours; a name without a counterpart is an error.

Three layouts: LAVIS's BLIP-2 OPT, OpenFlamingo's `checkpoint.pt`, the projector file of the original LLaVA.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from vlit.common.errors import InputError
from vlit.models.loading import StateDict, load_float, load_named

if TYPE_CHECKING:  # an import of it takes seconds, and only its own family needs it
    from open_flamingo import Flamingo

# (LAVIS, transformers); a name that ends with a dot is a prefix
BLIP2_NAMES = (
    ("visual_encoder.cls_token", "vision_model.embeddings.class_embedding"),
    ("visual_encoder.pos_embed", "vision_model.embeddings.position_embedding"),
    ("visual_encoder.patch_embed.proj.", "vision_model.embeddings.patch_embedding."),
    ("ln_vision.", "vision_model.post_layernorm."),
    ("Qformer.bert.embeddings.LayerNorm.", "qformer.layernorm."),
    ("opt_proj.", "language_projection."),
    ("opt_model.", "language_model."),
    ("query_tokens", "query_tokens"),
)
BLOCK_NAMES = (
    ("norm1.", "layer_norm1."),
    ("norm2.", "layer_norm2."),
    ("attn.qkv.weight", "self_attn.qkv.weight"),
    ("attn.proj.", "self_attn.projection."),
    ("mlp.", "mlp."),
)
Q_FORMER_NAMES = (
    ("attention.self.", "attention.attention."),
    ("crossattention.self.", "crossattention.attention."),
    ("attention.output.", "attention.output."),
    ("crossattention.output.", "crossattention.output."),
    ("intermediate_query.", "intermediate_query."),
    ("output_query.", "output_query."),
)
LAVIS_BLOCK, OUR_BLOCK = "visual_encoder.blocks.", "vision_model.encoder.layers."
LAVIS_LAYER, OUR_LAYER = "Qformer.bert.encoder.layer.", "qformer.encoder.layer."
LAVIS_BIAS = re.compile(rf"{re.escape(LAVIS_BLOCK)}(\d+)\.attn\.[qv]_bias")
OUR_BIAS = re.compile(rf"{re.escape(OUR_BLOCK)}(\d+)\.self_attn\.qkv\.bias")
LAVIS_POSITIONS = "Qformer.bert.embeddings.position_ids"  # a buffer 0, 1, 2, ...; no weight

PROJECTOR = "model.mm_projector."


def transformers_blip2_state(lavis: Mapping[str, torch.Tensor]) -> StateDict:
    """Translate a state of LAVIS's `Blip2OPT` for transformers' `Blip2ForConditionalGeneration`.

    LAVIS has no bias on keys, transformers has one: it becomes zeros.

    Raises:
        InputError: naming tensors without a counterpart.
    """
    biases = {name: found for name in lavis if (found := LAVIS_BIAS.fullmatch(name))}
    for layer in {name.split(".")[2] for name in lavis if name.startswith(LAVIS_BLOCK)}:
        kinds = [kind for kind in "qv" if f"{LAVIS_BLOCK}{layer}.attn.{kind}_bias" not in biases]
        if kinds:
            raise InputError(f"the LAVIS checkpoint is without {LAVIS_BLOCK}{layer}.attn.{kinds[0]}_bias: get it again")
    plain = {name: tensor for name, tensor in lavis.items() if name not in biases and name != LAVIS_POSITIONS}
    out = _translated(plain, 0, "LAVIS's BLIP-2")
    for layer in {found[1] for found in biases.values()}:
        query, value = (lavis[f"{LAVIS_BLOCK}{layer}.attn.{kind}_bias"] for kind in "qv")
        out[f"{OUR_BLOCK}{layer}.self_attn.qkv.bias"] = torch.cat([query, torch.zeros_like(query), value])
    return out


def lavis_blip2_state(ours: Mapping[str, torch.Tensor]) -> StateDict:
    """Translate a state of transformers' `Blip2ForConditionalGeneration` for LAVIS's `Blip2OPT`.

    The bias on keys, which LAVIS lacks, is left out: it adds the same to all attention scores of a query and so changes
    nothing.

    Raises:
        InputError: naming tensors without a counterpart.
    """
    biases = {name: found for name in ours if (found := OUR_BIAS.fullmatch(name))}
    plain = {name: tensor for name, tensor in ours.items() if name not in biases}
    out = _translated(plain, 1, "transformers' BLIP-2")
    for name, found in biases.items():
        query, _, value = ours[name].chunk(3)
        out[f"{LAVIS_BLOCK}{found[1]}.attn.q_bias"] = query.clone()
        out[f"{LAVIS_BLOCK}{found[1]}.attn.v_bias"] = value.clone()
    return out


def flamingo_state(published: Mapping[str, torch.Tensor]) -> StateDict:
    """Give each tensor of an OpenFlamingo checkpoint one name, `lang_encoder.gated_cross_attn_layers.N` for a block.

    The package registers each cross-attention block under two names, and files use one, the other or both (its training
    writes `lang_encoder.{decoder blocks}.N.gated_cross_attn_layer`). The `module.` of a parallel run is removed.

    Raises:
        InputError: if two names of one tensor have different values.
    """
    out: StateDict = {}
    for name, tensor in published.items():
        plain = name.removeprefix("module.")
        plain = re.sub(
            r"^lang_encoder\..*\.(\d+)\.gated_cross_attn_layer\.", r"lang_encoder.gated_cross_attn_layers.\1.", plain
        )
        if plain in out and not torch.equal(out[plain], tensor):
            raise InputError(f"the checkpoint has two different tensors for {plain}: it is damaged, get it again")
        out[plain] = tensor
    return out


def projector_state(published: Mapping[str, torch.Tensor]) -> StateDict:
    """Translate the projector file of the original LLaVA to the `weight` and `bias` of a linear layer.

    Names are `model.mm_projector.*`, in some files without one or both prefixes.

    Raises:
        InputError: naming what is no part of a linear projector, e.g. the tokens of `mm_use_im_start_end`.
    """
    out: StateDict = {}
    unknown = []
    for name, tensor in published.items():
        plain = re.sub(r"^(?:(?:module|base_model|model)\.)*(?:mm_projector\.)?", "", name)
        if plain in ("weight", "bias") and plain not in out:
            out[plain] = tensor
        else:
            unknown.append(name)
    _refuse(unknown, "a linear projector")
    return out


def published_projector_state(projector: nn.Linear) -> StateDict:
    """Return the tensors of a projector under the names of the original LLaVA."""
    return {f"{PROJECTOR}{name}": tensor.detach() for name, tensor in projector.state_dict().items()}


def flamingo_connector_state(network: Flamingo) -> StateDict:
    """Return the tensors that every OpenFlamingo checkpoint contains: perceiver and gated cross-attention."""
    state = {f"perceiver.{name}": tensor for name, tensor in network.perceiver.state_dict().items()}
    layers = network.lang_encoder.gated_cross_attn_layers.state_dict()
    state.update({f"lang_encoder.gated_cross_attn_layers.{name}": tensor for name, tensor in layers.items()})
    return state


def published_flamingo_state(network: Flamingo, language: bool = False) -> StateDict:
    """Return what open_flamingo saves, under its names: perceiver, cross-attention, input embeddings.

    Embeddings are saved though frozen, since those of `<image>` and `<|endofchunk|>` start from random numbers.

    Args:
        network: the network.
        language: include the language model, for one whose weights have changed.
    """
    embeddings = network.lang_encoder.get_input_embeddings().weight
    return {
        name: parameter.detach().cpu()
        for name, parameter in network.named_parameters()
        if name.startswith("perceiver.")
        or "gated_cross_attn" in name
        or parameter is embeddings
        or (language and name.startswith("lang_encoder."))
    }


def load_flamingo_connectors(network: Flamingo, path: Path) -> None:
    """Load perceiver and cross-attention, and embeddings if the checkpoint has them, with every name accounted for.

    Raises:
        InputError: naming the tensors that are missing or unknown.
    """
    state = flamingo_state(load_float(path))
    load_named(network, state, str(path), required=flamingo_connector_state(network).keys())


def _translated(state: Mapping[str, torch.Tensor], side: int, what: str) -> StateDict:
    """Rename all tensors of a BLIP-2 state; `side` as in `_renamed`."""
    targets = {name: _renamed(name, side) for name in state}
    _refuse([name for name, target in targets.items() if target is None], what)
    return {target: state[name] for name, target in targets.items() if target is not None}


def _renamed(name: str, side: int) -> str | None:
    """Return the counterpart of a BLIP-2 name, if any; `side` is 0 for LAVIS's names, 1 for transformers'."""
    layers = ((LAVIS_BLOCK, OUR_BLOCK, BLOCK_NAMES), (LAVIS_LAYER, OUR_LAYER, Q_FORMER_NAMES))
    for *prefixes, names in layers:
        if name.startswith(prefixes[side]):
            number, _, rest = name.removeprefix(prefixes[side]).partition(".")
            inner = _replaced(rest, names, side)
            return None if inner is None else f"{prefixes[1 - side]}{number}.{inner}"
    return _replaced(name, BLIP2_NAMES, side)


def _replaced(name: str, pairs: Iterable[tuple[str, str]], side: int) -> str | None:
    for pair in pairs:
        whole = not pair[side].endswith(".")
        if name == pair[side] if whole else name.startswith(pair[side]):
            return pair[1 - side] + name[len(pair[side]) :]
    return None


def _refuse(unknown: list[str], what: str) -> None:
    if unknown:
        raise InputError(f"{len(unknown)} tensors that {what} does not have: {', '.join(sorted(unknown)[:5])}")
