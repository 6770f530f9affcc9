"""Tensor names of published checkpoints and of ours, both ways. No name is guessed and none is dropped in silence.

Three layouts: LAVIS's BLIP-2 OPT, OpenFlamingo's `checkpoint.pt`, the projector file of the original LLaVA. A name that
no rule knows, and one that the target lacks, is an error that says which.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

import torch
from torch import nn

from vlit.common.errors import InputError

State = dict[str, torch.Tensor]

# (LAVIS, transformers), longest first where one begins another
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


def transformers_blip2_state(lavis: Mapping[str, torch.Tensor]) -> State:
    """LAVIS `Blip2OPT` -> transformers `Blip2ForConditionalGeneration`.

    LAVIS has no bias on keys, transformers has one: zeros take its place.

    Raises:
        InputError: naming the tensors that have no place.
    """
    biases = {name: found for name in lavis if (found := LAVIS_BIAS.fullmatch(name))}
    for layer in {name.split(".")[2] for name in lavis if name.startswith(LAVIS_BLOCK)}:
        kinds = [kind for kind in "qv" if f"{LAVIS_BLOCK}{layer}.attn.{kind}_bias" not in biases]
        if kinds:
            raise InputError(f"a LAVIS checkpoint without {LAVIS_BLOCK}{layer}.attn.{kinds[0]}_bias")
    plain = {name: tensor for name, tensor in lavis.items() if name not in biases and name != LAVIS_POSITIONS}
    out = _translated(plain, 0, "LAVIS's BLIP-2")
    for layer in {found[1] for found in biases.values()}:
        query, value = (lavis[f"{LAVIS_BLOCK}{layer}.attn.{kind}_bias"] for kind in "qv")
        out[f"{OUR_BLOCK}{layer}.self_attn.qkv.bias"] = torch.cat([query, torch.zeros_like(query), value])
    return out


def lavis_blip2_state(ours: Mapping[str, torch.Tensor]) -> State:
    """Transformers `Blip2ForConditionalGeneration` -> LAVIS `Blip2OPT`.

    The bias on keys, which LAVIS lacks, is left out: it adds the same to all of a query's attention scores, so that it
    changes nothing.

    Raises:
        InputError: naming the tensors that have no place.
    """
    biases = {name: found for name in ours if (found := OUR_BIAS.fullmatch(name))}
    plain = {name: tensor for name, tensor in ours.items() if name not in biases}
    out = _translated(plain, 1, "transformers' BLIP-2")
    for name, found in biases.items():
        query, _, value = ours[name].chunk(3)
        out[f"{LAVIS_BLOCK}{found[1]}.attn.q_bias"] = query.clone()
        out[f"{LAVIS_BLOCK}{found[1]}.attn.v_bias"] = value.clone()
    return out


def flamingo_state(published: Mapping[str, torch.Tensor]) -> State:
    """An OpenFlamingo checkpoint -> one name a tensor: `lang_encoder.gated_cross_attn_layers.N` for cross-attention.

    The package holds each cross-attention block under two names, and files have one, the other or both (its training
    writes `lang_encoder.{decoder blocks}.N.gated_cross_attn_layer`). `module.` of a parallel run is taken off.

    Raises:
        InputError: if two names of one tensor hold different values.
    """
    out: State = {}
    for name, tensor in published.items():
        plain = name.removeprefix("module.")
        plain = re.sub(
            r"^lang_encoder\..*\.(\d+)\.gated_cross_attn_layer\.", r"lang_encoder.gated_cross_attn_layers.\1.", plain
        )
        if plain in out and not torch.equal(out[plain], tensor):
            raise InputError(f"the checkpoint holds two different tensors for {plain}")
        out[plain] = tensor
    return out


def projector_state(published: Mapping[str, torch.Tensor]) -> State:
    """The projector file of the original LLaVA (`model.mm_projector.*`; also without prefixes) -> `weight`, `bias`.

    Raises:
        InputError: naming what is no part of a linear projector, e.g. the tokens of `mm_use_im_start_end`.
    """
    out: State = {}
    unknown = []
    for name, tensor in published.items():
        plain = re.sub(r"^(?:(?:module|base_model|model)\.)*(?:mm_projector\.)?", "", name)
        if plain in ("weight", "bias") and plain not in out:
            out[plain] = tensor
        else:
            unknown.append(name)
    _refuse(unknown, "a linear projector")
    return out


def published_projector_state(projector: nn.Linear) -> State:
    """A projector as the original LLaVA saves it."""
    return {f"{PROJECTOR}{name}": tensor.detach() for name, tensor in projector.state_dict().items()}


def load_named(
    module: nn.Module,
    state: Mapping[str, torch.Tensor],
    origin: str,
    apart: tuple[str, ...] = (),
    required: Collection[str] | None = None,
) -> None:
    """Load a state whose names and shapes are exactly the module's, except those that begin with one of `apart`.

    Args:
        module: what to load into.
        state: its tensors.
        origin: said when they do not fit.
        apart: beginnings of names that come from elsewhere.
        required: names that must be there; None: all.

    Raises:
        InputError: naming what is missing, unknown or of another shape.
    """
    own = {name: tensor for name, tensor in module.state_dict().items() if not name.startswith(apart or ("\0",))}
    own.pop(LAVIS_POSITIONS, None)
    needed = set(own if required is None else required)
    missing, unknown = sorted(needed - state.keys()), sorted(state.keys() - own.keys())
    if missing or unknown:
        raise InputError(f"{origin} does not fit: missing {missing[:5]}, unknown {unknown[:5]}")
    for name, tensor in state.items():
        if tensor.shape != own[name].shape:
            raise InputError(f"{origin} does not fit: {name} is {tuple(tensor.shape)}, not {tuple(own[name].shape)}")
    module.load_state_dict(dict(state), strict=False)


def _translated(state: Mapping[str, torch.Tensor], side: int, what: str) -> State:
    """A BLIP-2 state under the other side's names, each of which must have one; `side` as in `_renamed`."""
    targets = {name: _renamed(name, side) for name in state}
    _refuse([name for name, target in targets.items() if target is None], what)
    return {target: state[name] for name, target in targets.items() if target is not None}


def _renamed(name: str, side: int) -> str | None:
    """A BLIP-2 name on the other side; `side` is 0 for LAVIS's names, 1 for transformers'."""
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
