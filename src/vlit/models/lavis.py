"""BLIP-2's network in LAVIS's own classes (`model=blip2 model.library=lavis`), with the weights of a transformers one.

Vision encoder, Q-Former, queries and projection are LAVIS's modules, assembled by LAVIS's own constructor. It downloads
three of them and builds them at fixed sizes; a subclass builds them at the sizes of the configuration instead. LAVIS is
written for older libraries: the shims at the end of this file let its modules import here. `tests/reference` fails when
one of them is no longer needed.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
import types
import warnings
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import transformers.modeling_utils
import transformers.pytorch_utils
from torch import nn
from transformers import (
    BertConfig,
    Blip2Config,
    Blip2ForConditionalGeneration,
    OPTForCausalLM,
    PreTrainedTokenizerBase,
)

from vlit.common.errors import InputError
from vlit.models.checkpoints import LAVIS_POSITIONS, lavis_blip2_state
from vlit.models.loading import load_named


def lavis_network(
    source: Blip2ForConditionalGeneration, tokenizer: PreTrainedTokenizerBase, gradient_checkpointing: bool = False
) -> Any:
    """Return LAVIS's `Blip2OPT` with the weights of a transformers network, whose OPT itself becomes part of it.

    Args:
        source: the transformers network.
        tokenizer: OPT's tokenizer.
        gradient_checkpointing: compute the vision encoder's activations again in the backward pass.

    Raises:
        InputError: if LAVIS is not installed, or the weights do not fit.
    """
    network = _blip2_opt(source.config, source.language_model, tokenizer, gradient_checkpointing)
    own = {name: tensor for name, tensor in source.state_dict().items() if not name.startswith("language_model.")}
    load_named(network, lavis_blip2_state(own), "the transformers network", leave_out=("opt_model.", LAVIS_POSITIONS))
    return network


def _blip2_opt(
    config: Blip2Config, language: OPTForCausalLM, tokenizer: PreTrainedTokenizerBase, gradient_checkpointing: bool
) -> Any:
    """Build `Blip2OPT` at the sizes of a transformers configuration, in float32; only `language` has its weights."""
    module = import_blip2_opt()
    from lavis.models.blip2_models.blip2 import LayerNorm
    from lavis.models.blip2_models.Qformer import BertLMHeadModel
    from lavis.models.eva_vit import VisionTransformer

    class Loaded:
        """Stands for a class on which LAVIS calls `from_pretrained`, and gives what is loaded already."""

        def __init__(self, value: Any) -> None:
            self.value = value

        def from_pretrained(self, *names: Any, **options: Any) -> Any:
            return self.value

    class SizedBlip2OPT(module.Blip2OPT):  # type: ignore[name-defined]
        """`Blip2OPT` without downloads."""

        @classmethod
        def init_tokenizer(cls) -> None:
            """Load no tokenizer: LAVIS asks for BERT's here, and `Blip2OPT` never uses it."""

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
    module.OPTForCausalLM, module.AutoTokenizer = Loaded(language), Loaded(tokenizer)
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


def import_blip2_opt() -> Any:
    """Import and return `lavis.models.blip2_models.blip2_opt`.

    Raises:
        InputError: if LAVIS is not installed.
    """
    if find_spec("lavis") is None:
        raise InputError("model.library=lavis needs salesforce-lavis: `make install`, or model.library=transformers")
    register_empty_packages()
    restore_moved_functions()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # timm's old module names, which still work
        sys.modules["lavis.models"].BaseModel = importlib.import_module("lavis.models.base_model").BaseModel  # type: ignore[attr-defined]
        module = importlib.import_module("lavis.models.blip2_models.blip2_opt")
    # LAVIS carries a copy of OPT from transformers 4.26, which calls what later versions have removed.
    module.OPTForCausalLM = OPTForCausalLM  # type: ignore[attr-defined]
    return module


def register_empty_packages() -> None:
    """Register `lavis` and `lavis.models` as empty packages whose modules can still be found.

    `import lavis` imports every model and dataset, with decord, cv2 and webdataset; one model needs none of them.
    LAVIS's registry looks for `BaseModel` in the second package.
    """
    for name in ("lavis", "lavis.models"):
        if name not in sys.modules:
            specification = find_spec("lavis")
            assert specification is not None and specification.submodule_search_locations
            root = Path(next(iter(specification.submodule_search_locations)))
            package = types.ModuleType(name)
            package.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
            package.__spec__ = importlib.machinery.ModuleSpec(name, None, is_package=True)
            package.__spec__.submodule_search_locations = package.__path__
            sys.modules[name] = package


def restore_moved_functions() -> None:
    """Give `transformers.modeling_utils` the three functions that LAVIS's Q-Former imports from it.

    They moved to `transformers.pytorch_utils`.
    """
    for name in ("apply_chunking_to_forward", "find_pruneable_heads_and_indices", "prune_linear_layer"):
        if not hasattr(transformers.modeling_utils, name):
            setattr(transformers.modeling_utils, name, getattr(transformers.pytorch_utils, name))
