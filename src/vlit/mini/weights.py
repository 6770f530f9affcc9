"""The shipped mini weights: parts in half precision, unpacked into the layouts in which checkpoints are published.

BLIP-2 and OpenFlamingo share one OPT, and LLaVA's vision encoder is CLIP's; each is shipped once. Unpacking writes what
the loaders of both scales read: transformers folders, an open_clip file, a projector file, a connector checkpoint.
open_clip's vision transformer is converted to the two layouts of transformers; a tensor without a place, or a place
without a tensor, is an error.

Every command of the mini scale calls `unpack`, which mostly finds its work done. torch and transformers are imported
where they are used, so that a command that needs no model does not wait for them.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from vlit.common.digest import SUMS, checksum_of, damage, is_whole, write_sums
from vlit.common.errors import InputError
from vlit.common.files import is_replaceable, replaced_folder, write_json

if TYPE_CHECKING:
    from torch import nn
    from transformers import PretrainedConfig

    from vlit.models.loading import StateDict

_UNPACKED = ".unpacked"  # digest of the shipped parts that were unpacked
_SOURCE = "the repository, or make them with `python -m vlit.mini.pretraining`"


def unpack(parts: str, folder: str) -> None:
    """Write the mini checkpoints, unless they are there, whole, and of these shipped parts.

    Args:
        parts: folder of the shipped parts.
        folder: folder that the loaders read (`paths.weights`).

    Raises:
        InputError: if a part is absent, damaged or does not fit, or `folder` contains something else.
    """
    source, target = Path(parts), Path(folder)
    if not source.is_dir():
        raise InputError(f"no mini weights in {source}: get them from {_SOURCE}")
    if (wrong := damage(source)) is not None:
        raise InputError(f"{wrong}; get it again from {_SOURCE}")
    made_from = {"parts": checksum_of(source / SUMS)}
    if is_replaceable(target, _UNPACKED, mend="set paths.weights") and is_whole(target, _UNPACKED, made_from):
        return
    with replaced_folder(target, _UNPACKED, what="unpacking of the mini weights", mend="set paths.weights") as fresh:
        shutil.copytree(source / "tokenizer", fresh / "tokenizer")
        shutil.copytree(source / "open_clip", fresh / "open_clip")
        for name in ("clip", "llava", "openflamingo"):
            shipped_part(source, name)  # a broken file is found here and not by a run
            shutil.copy(source / f"{name}.safetensors", fresh / f"{name}.safetensors")
        vision = mini_configuration(source, "clip-vit")
        tower = to_clip_vision_model(vision_tower(shipped_part(source, "clip")), vision.num_hidden_layers)
        write_model(vision, tower, fresh / "clip-vit")
        write_model(mini_configuration(source, "llama"), shipped_part(source, "llama"), fresh / "llama")
        write_model(mini_configuration(source, "opt"), shipped_part(source, "opt"), fresh / "opt")
        _write_blip2(source, fresh / "blip2")
        write_json(fresh / _UNPACKED, made_from)
        write_sums(fresh)


def mini_configuration(parts: Path, name: str) -> PretrainedConfig:
    """Return the transformers configuration `configs/{name}.json` of a mini model."""
    import vlit.common.torchvision_shim  # noqa: F401  (before transformers looks for torchvision)

    # isort: split
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(parts / "configs" / f"{name}.json")


def shipped_part(parts: Path, name: str) -> StateDict:
    """Return the tensors of a shipped part as float32."""
    from vlit.models.loading import load_float, require

    return load_float(require(parts / f"{name}.safetensors", _SOURCE))


def write_model(config: PretrainedConfig, state: StateDict, folder: Path) -> None:
    """Write a transformers folder.

    Raises:
        InputError: if the tensors are not exactly those of the model.
    """
    import transformers

    architectures = config.architectures or []
    model_class = getattr(transformers, architectures[0]) if architectures else transformers.AutoModel
    model = model_class(config)
    load_exactly(model, state, folder.name)
    model.save_pretrained(str(folder))


def _write_blip2(parts: Path, folder: Path) -> None:
    """Write BLIP-2 from its own tensors and the shared OPT."""
    from transformers import Blip2ForConditionalGeneration, OPTForCausalLM

    model = Blip2ForConditionalGeneration(mini_configuration(parts, "blip2"))
    language = OPTForCausalLM(mini_configuration(parts, "opt"))
    load_exactly(language, shipped_part(parts, "opt"), "opt")
    shared = {f"language_model.{name}": tensor for name, tensor in stored_state(language).items()}
    load_exactly(model, {**shipped_part(parts, "blip2"), **shared}, folder.name)
    model.save_pretrained(str(folder))


def stored_state(model: nn.Module) -> StateDict:
    """Return a model's persistent tensors, tied ones once."""
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    persistent = set(model.state_dict())
    return {name: tensor for name, tensor in tensors.items() if name in persistent}


def load_exactly(model: nn.Module, state: StateDict, name: str) -> None:
    """Load every tensor of a model, tied ones once.

    Args:
        model: the model to fill.
        state: its tensors, by the names of `stored_state`.
        name: name of the model, for the message.

    Raises:
        InputError: if a tensor is missing or unknown.
    """
    own = set(stored_state(model))
    missing, unknown = sorted(own - set(state)), sorted(set(state) - own)
    if missing or unknown:
        raise InputError(
            f"mini weights for {name} do not fit: missing {missing[:5]}, unknown {unknown[:5]}; get them from {_SOURCE}"
        )
    model.load_state_dict(state, strict=False)


def vision_tower(clip: StateDict) -> StateDict:
    """Return the vision tower of an open_clip state, without the prefix `visual.`."""
    return {name.removeprefix("visual."): tensor for name, tensor in clip.items() if name.startswith("visual.")}


_BLOCK_NAMES = (  # of a block: (open_clip, transformers)
    ("ln_1", "layer_norm1"),
    ("ln_2", "layer_norm2"),
    ("mlp.c_fc", "mlp.fc1"),
    ("mlp.c_proj", "mlp.fc2"),
)


def to_clip_vision_model(tower: StateDict, layers: int) -> StateDict:
    """Return an open_clip tower of `layers` blocks by the names of `CLIPVisionModel`, without the joint projection."""
    out = {
        "vision_model.embeddings.class_embedding": tower["class_embedding"],
        "vision_model.embeddings.patch_embedding.weight": tower["conv1.weight"],
        "vision_model.embeddings.position_embedding.weight": tower["positional_embedding"],
    }
    for name, target in (("ln_pre", "pre_layrnorm"), ("ln_post", "post_layernorm")):
        for kind in ("weight", "bias"):
            out[f"vision_model.{target}.{kind}"] = tower[f"{name}.{kind}"]
    for layer in range(layers):
        source, target = f"transformer.resblocks.{layer}", f"vision_model.encoder.layers.{layer}"
        for kind in ("weight", "bias"):
            query, key, value = tower[f"{source}.attn.in_proj_{kind}"].chunk(3)
            out[f"{target}.self_attn.q_proj.{kind}"] = query
            out[f"{target}.self_attn.k_proj.{kind}"] = key
            out[f"{target}.self_attn.v_proj.{kind}"] = value
            out[f"{target}.self_attn.out_proj.{kind}"] = tower[f"{source}.attn.out_proj.{kind}"]
            for theirs, ours in _BLOCK_NAMES:
                out[f"{target}.{ours}.{kind}"] = tower[f"{source}.{theirs}.{kind}"]
    return out


def to_blip2_vision_model(tower: StateDict, layers: int) -> StateDict:
    """Return an open_clip tower without `ln_pre` (as EVA-CLIP has none) by the names of `Blip2VisionModel`.

    `ln_post` becomes the layer norm that BLIP-2 puts over all tokens (LAVIS calls it `ln_vision`).
    """
    patches = tower["conv1.weight"]
    out = {
        "embeddings.class_embedding": tower["class_embedding"].reshape(1, 1, -1),
        "embeddings.patch_embedding.weight": patches,
        "embeddings.patch_embedding.bias": patches.new_zeros(patches.shape[0]),
        "embeddings.position_embedding": tower["positional_embedding"].unsqueeze(0),
    }
    for kind in ("weight", "bias"):
        out[f"post_layernorm.{kind}"] = tower[f"ln_post.{kind}"]
        for layer in range(layers):
            source, target = f"transformer.resblocks.{layer}", f"encoder.layers.{layer}"
            for theirs, ours in (*_BLOCK_NAMES, ("attn.out_proj", "self_attn.projection")):
                out[f"{target}.{ours}.{kind}"] = tower[f"{source}.{theirs}.{kind}"]
            out[f"{target}.self_attn.qkv.{kind}"] = tower[f"{source}.attn.in_proj_{kind}"]
    return out
