"""BLIP-2 in LAVIS's own classes: `model=blip2 model.library=lavis`. Weights come from the same transformers folder.

Vision encoder, Q-Former, queries and projection are LAVIS's modules, put together by LAVIS's own constructor. It takes
three of them from the network and at fixed sizes, so that a subclass makes them at the sizes of the configuration.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import nn
from transformers import BertConfig, Blip2Config, Blip2ForConditionalGeneration, PreTrainedTokenizerBase

from vlit.models import lavis_shims
from vlit.models.blip2 import Blip2
from vlit.models.checkpoints import lavis_blip2_state, load_named

PARTS: dict[str, tuple[str, ...]] = {
    "vision_encoder": ("network.visual_encoder",),
    "ln_vision": ("network.ln_vision",),
    "q_former": ("network.Qformer",),
    "query_tokens": ("network.query_tokens",),
    "projection": ("network.opt_proj",),
    "language_model": ("network.opt_model",),
}


class LavisBlip2(Blip2):
    """BLIP-2 as a `VisionLanguageModel`, over LAVIS's `Blip2OPT`."""

    parts = PARTS

    @property
    def language_model(self) -> Any:
        """OPT."""
        return self.network.opt_model

    def encode_images(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """What the queries read from each image, in the language model's width: (images, queries, hidden)."""
        patches = self.network.ln_vision(self.network.visual_encoder(pixel_values))
        read = self.network.Qformer.bert(
            query_embeds=self.network.query_tokens.expand(len(patches), -1, -1),
            encoder_hidden_states=patches,
            encoder_attention_mask=torch.ones(patches.shape[:-1], dtype=torch.long, device=patches.device),
            return_dict=True,
        ).last_hidden_state
        return self.network.opt_proj(read)


def from_transformers(
    source: Blip2ForConditionalGeneration,
    tokenizer: PreTrainedTokenizerBase,
    trained: Sequence[str],
    gradient_checkpointing: bool = False,
) -> LavisBlip2:
    """Move a transformers BLIP-2 into LAVIS's modules; OPT itself is taken over, not copied."""
    network = blip2_opt(source.config, source.language_model, tokenizer, gradient_checkpointing)
    own = {name: tensor for name, tensor in source.state_dict().items() if not name.startswith("language_model.")}
    load_named(network, lavis_blip2_state(own), "the transformers model", apart=("opt_model.",))
    return LavisBlip2(network, tokenizer, trained, source.config)


def blip2_opt(
    config: Blip2Config, language: Any, tokenizer: PreTrainedTokenizerBase, gradient_checkpointing: bool = False
) -> Any:
    """LAVIS's `Blip2OPT` at the sizes of a transformers configuration, in float32; random weights but in `language`."""
    module = lavis_shims.blip2_opt()
    from lavis.models.blip2_models.blip2 import LayerNorm
    from lavis.models.blip2_models.Qformer import BertLMHeadModel
    from lavis.models.eva_vit import VisionTransformer

    class Given:
        """Stands where LAVIS calls `from_pretrained` on a name: what is given is there already."""

        def __init__(self, value: Any) -> None:
            self.value = value

        def from_pretrained(self, *names: Any, **options: Any) -> Any:
            return self.value

    class SizedBlip2OPT(module.Blip2OPT):  # type: ignore[name-defined]
        """`Blip2OPT` without downloads."""

        @classmethod
        def init_tokenizer(cls) -> None:
            """Of BERT, which `Blip2OPT` never uses."""

        @classmethod
        def init_vision_encoder(cls, *names: Any) -> tuple[nn.Module, nn.Module]:
            vision = config.vision_config
            encoder = VisionTransformer(
                img_size=vision.image_size,
                patch_size=vision.patch_size,
                use_mean_pooling=False,
                embed_dim=vision.hidden_size,
                depth=vision.num_hidden_layers,
                num_heads=vision.num_attention_heads,
                mlp_ratio=vision.intermediate_size / vision.hidden_size,
                qkv_bias=True,
                norm_layer=partial(nn.LayerNorm, eps=vision.layer_norm_eps),
                use_checkpoint=gradient_checkpointing,
            )
            return encoder, LayerNorm(vision.hidden_size)

        @classmethod
        def init_Qformer(cls, queries: int, width: int, cross_attention_freq: int = 2) -> tuple[Any, nn.Parameter]:  # noqa: N802
            sizes = config.qformer_config.to_dict()
            bert = BertConfig(**{name: sizes[name] for name in sizes.keys() & BertConfig().to_dict().keys()})
            bert.encoder_width = width
            bert.add_cross_attention = True
            bert.cross_attention_freq = config.qformer_config.cross_attention_frequency
            bert.query_length = queries
            return BertLMHeadModel(bert), nn.Parameter(torch.zeros(1, queries, bert.hidden_size))

    kept = module.OPTForCausalLM, module.AutoTokenizer
    module.OPTForCausalLM, module.AutoTokenizer = Given(language), Given(tokenizer)
    try:
        network = SizedBlip2OPT(
            img_size=config.vision_config.image_size,
            vit_precision="fp32",
            freeze_vit=False,
            num_query_token=config.num_query_tokens,
        )
    finally:
        module.OPTForCausalLM, module.AutoTokenizer = kept
    return network.float()
