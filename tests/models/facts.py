"""Known facts of each family, in one table: a new family adds its row here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Facts:
    """What tests compare a family with.

    Attributes:
        trained: parts that learn (Tables 6-8).
        trained_with_lora: parts that learn when the language model has adapters.
        frozen_modules, trained_modules: paths of some modules in evaluation and in training mode during tuning.
        end: token that ends an answer.
        learns: fragment of a full-size network's parameter names -> whether these learn; each name has one fragment.
    """

    trained: set[str]
    trained_with_lora: set[str]
    frozen_modules: tuple[str, ...]
    trained_modules: tuple[str, ...]
    end: str
    learns: dict[str, bool]


FACTS = {
    "llava": Facts(
        trained={"projector", "language_model"},
        trained_with_lora={"projector", "lora"},
        frozen_modules=("network.model.vision_tower",),
        trained_modules=("network.lm_head",),
        end="</s>",
        learns={
            "network.model.vision_tower": False,
            "network.model.multi_modal_projector": True,
            "network.model.language_model": True,
            "network.lm_head": True,
        },
    ),
    "blip2": Facts(
        trained={"vision_encoder", "ln_vision", "q_former", "query_tokens", "projection"},
        trained_with_lora={"q_former", "query_tokens", "projection", "lora"},
        frozen_modules=("network.language_model",),
        trained_modules=("network.qformer",),
        end="Ċ",
        learns={
            "network.vision_model": True,
            "network.query_tokens": True,
            "network.qformer": True,
            "network.language_projection": True,
            "network.language_model": False,
        },
    ),
    "openflamingo": Facts(
        trained={"perceiver", "cross_attention"},
        trained_with_lora={"perceiver", "cross_attention", "lora"},
        frozen_modules=("network.lang_encoder.old_decoder_blocks.0",),
        trained_modules=("network.perceiver", "network.lang_encoder.gated_cross_attn_layers.0"),
        end="<|endofchunk|>",
        learns={
            "network.vision_encoder": False,
            "network.perceiver": True,
            ".gated_cross_attn_layer.": True,
            ".decoder_layer.": False,
            "network.lang_encoder.transformer.wte": False,
            "network.lang_encoder.transformer.norm_f": False,
        },
    ),
}
