"""Tensor names of open_clip's vision transformer in the two layouts of transformers.

Every tensor of the source must find a place in the target and every place must be filled: `mini.load` sees to it.
"""

from __future__ import annotations

import torch

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
