"""The shipped mini weights: parts in half precision, unpacked into the layouts in which checkpoints are published.

BLIP-2 and OpenFlamingo share one OPT, and LLaVA's vision encoder is CLIP's; each is shipped once. Unpacking writes what
the loaders of both scales read: transformers folders, an open_clip file, a projector file, a connector checkpoint.
"""

from __future__ import annotations

import vlit.common.torchvision_shim  # noqa: F401  (before transformers looks for torchvision)

# isort: split

import shutil
from pathlib import Path

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, Blip2ForConditionalGeneration, OPTForCausalLM, PretrainedConfig

from vlit.common.errors import InputError
from vlit.common.files import replaced_folder
from vlit.models import loading

UNPACKED = ".unpacked"  # written last; older than a shipped part: to be unpacked again
PARTS = ("clip", "opt", "llama", "llava", "blip2", "openflamingo")


def configuration(parts: Path, name: str) -> PretrainedConfig:
    """The transformers configuration `configs/{name}.json` of a mini model."""
    return AutoConfig.from_pretrained(parts / "configs" / f"{name}.json")


def part(parts: Path, name: str) -> dict[str, torch.Tensor]:
    """The tensors of a shipped part."""
    return loading.load_float(loading.require(parts / f"{name}.safetensors", "the repository, or `python pretrain.py`"))


def unpack(parts: str, folder: str) -> None:
    """Write the mini checkpoints under `folder`, anew where a shipped part is newer.

    Args:
        parts: the shipped folder.
        folder: where the loaders look (`paths.weights`).
    """
    source, target = Path(parts), Path(folder)
    newest = max(
        (path.stat().st_mtime for path in source.rglob("*") if path.is_file()),
        default=None,
    )
    if newest is None:
        raise InputError(f"no mini weights in {source}: they come with the repository, or run `python pretrain.py`")
    done = target / UNPACKED
    if done.exists() and done.stat().st_mtime >= newest:
        return
    with replaced_folder(target, UNPACKED, what="unpacking of the mini weights", mend="set paths.weights") as fresh:
        shutil.copytree(source / "tokenizer", fresh / "tokenizer")
        shutil.copytree(source / "open_clip", fresh / "open_clip")
        for name in ("clip", "llava", "openflamingo"):
            part(source, name)
            shutil.copy(source / f"{name}.safetensors", fresh / f"{name}.safetensors")
        vision = configuration(source, "clip-vit")
        tower = clip_vision_model(visual(part(source, "clip")), vision.num_hidden_layers)
        write_model(vision, tower, fresh / "clip-vit")
        write_model(configuration(source, "llama"), part(source, "llama"), fresh / "llama")
        write_model(configuration(source, "opt"), part(source, "opt"), fresh / "opt")
        write_blip2(source, part(source, "blip2"), fresh / "blip2")
        (fresh / UNPACKED).touch()


def write_model(config: PretrainedConfig, state: dict[str, torch.Tensor], folder: Path) -> None:
    """Write a transformers folder; every tensor must fit."""
    model_class = _class_of(config)
    model = model_class(config)
    load(model, state, folder.name)
    model.save_pretrained(str(folder))


def write_blip2(parts: Path, connectors: dict[str, torch.Tensor], folder: Path) -> None:
    """Write BLIP-2 from its own tensors and the shared OPT."""
    config = configuration(parts, "blip2")
    model = Blip2ForConditionalGeneration(config)
    language = OPTForCausalLM(configuration(parts, "opt"))
    load(language, part(parts, "opt"), "opt")
    shared = {f"language_model.{name}": tensor for name, tensor in stored_state(language).items()}
    load(model, {**connectors, **shared}, folder.name)
    model.save_pretrained(str(folder))


def stored_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """A model's tensors, tied ones once."""
    names = dict(model.named_parameters())
    buffers = dict(model.named_buffers())
    persistent = set(model.state_dict())
    return {name: tensor for name, tensor in {**names, **buffers}.items() if name in persistent}


def load(model: nn.Module, state: dict[str, torch.Tensor], name: str) -> None:
    """Load every tensor of a model, tied ones once.

    Raises:
        InputError: naming tensors that are missing or unknown.
    """
    own = set(stored_state(model))
    missing, unknown = sorted(own - set(state)), sorted(set(state) - own)
    if missing or unknown:
        raise InputError(f"mini weights for {name} do not fit: missing {missing[:5]}, unknown {unknown[:5]}")
    model.load_state_dict(state, strict=False)


def visual(clip: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The vision tower of an open_clip state, without the prefix."""
    return {name.removeprefix("visual."): tensor for name, tensor in clip.items() if name.startswith("visual.")}


def _class_of(config: PretrainedConfig) -> type:
    import transformers

    architectures = config.architectures or []
    return getattr(transformers, architectures[0]) if architectures else AutoModel


State = dict[str, torch.Tensor]


def clip_vision_model(visual: State, layers: int) -> State:
    """open_clip `visual.*` (without the prefix) -> `CLIPVisionModel`; the projection to the joint space is dropped."""
    out = {
        "vision_model.embeddings.class_embedding": visual["class_embedding"],
        "vision_model.embeddings.patch_embedding.weight": visual["conv1.weight"],
        "vision_model.embeddings.position_embedding.weight": visual["positional_embedding"],
    }
    for name, target in (("ln_pre", "pre_layrnorm"), ("ln_post", "post_layernorm")):
        for kind in ("weight", "bias"):
            out[f"vision_model.{target}.{kind}"] = visual[f"{name}.{kind}"]
    for layer in range(layers):
        source, target = f"transformer.resblocks.{layer}", f"vision_model.encoder.layers.{layer}"
        for kind in ("weight", "bias"):
            query, key, value = visual[f"{source}.attn.in_proj_{kind}"].chunk(3)
            out[f"{target}.self_attn.q_proj.{kind}"] = query
            out[f"{target}.self_attn.k_proj.{kind}"] = key
            out[f"{target}.self_attn.v_proj.{kind}"] = value
            out[f"{target}.self_attn.out_proj.{kind}"] = visual[f"{source}.attn.out_proj.{kind}"]
            for theirs, ours in (
                ("ln_1", "layer_norm1"),
                ("ln_2", "layer_norm2"),
                ("mlp.c_fc", "mlp.fc1"),
                ("mlp.c_proj", "mlp.fc2"),
            ):
                out[f"{target}.{ours}.{kind}"] = visual[f"{source}.{theirs}.{kind}"]
    return out


def blip2_vision_model(visual: State, layers: int) -> State:
    """open_clip `visual.*` of a tower without `ln_pre` (as EVA-CLIP has none) -> `Blip2VisionModel`.

    `ln_post` becomes the layer norm that BLIP-2 puts over all tokens (LAVIS calls it `ln_vision`).
    """
    out = {
        "embeddings.class_embedding": visual["class_embedding"].reshape(1, 1, -1),
        "embeddings.patch_embedding.weight": visual["conv1.weight"],
        "embeddings.patch_embedding.bias": torch.zeros(visual["conv1.weight"].shape[0]),
        "embeddings.position_embedding": visual["positional_embedding"].unsqueeze(0),
    }
    for kind in ("weight", "bias"):
        out[f"post_layernorm.{kind}"] = visual[f"ln_post.{kind}"]
        for layer in range(layers):
            source, target = f"transformer.resblocks.{layer}", f"encoder.layers.{layer}"
            for theirs, ours in (
                ("ln_1", "layer_norm1"),
                ("ln_2", "layer_norm2"),
                ("mlp.c_fc", "mlp.fc1"),
                ("mlp.c_proj", "mlp.fc2"),
                ("attn.out_proj", "self_attn.projection"),
            ):
                out[f"{target}.{ours}.{kind}"] = visual[f"{source}.{theirs}.{kind}"]
            out[f"{target}.self_attn.qkv.{kind}"] = visual[f"{source}.attn.in_proj_{kind}"]
    return out
