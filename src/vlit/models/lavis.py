"""BLIP-2 in LAVIS's own classes: `model=blip2 model.library=lavis`. Weights come from the same transformers folder.

Vision encoder, Q-Former, queries and projection are LAVIS's modules, put together by LAVIS's own constructor. It takes
three of them from the network and at fixed sizes, so that a subclass makes them at the sizes of the configuration.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
import types
import warnings
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    BertConfig,
    Blip2Config,
    Blip2ForConditionalGeneration,
    PreTrainedTokenizerBase,
)

from vlit.common.errors import InputError
from vlit.common.files import replaced_folder, whole
from vlit.models import loading
from vlit.models.blip2 import Blip2
from vlit.models.checkpoints import LAVIS_POSITIONS, lavis_blip2_state, load_named, transformers_blip2_state
from vlit.models.skeleton import configuration

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
    module = lavis_module()
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


MOVED = ("apply_chunking_to_forward", "find_pruneable_heads_and_indices", "prune_linear_layer")


def lavis_module() -> Any:
    """The module `lavis.models.blip2_models.blip2_opt`.

    Raises:
        InputError: if LAVIS is not installed.
    """
    if find_spec("lavis") is None:
        raise InputError("model.library=lavis needs salesforce-lavis: `make install`, or model.library=transformers")
    bare_packages()
    moved_functions()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # timm's old module names, which still work
        sys.modules["lavis.models"].BaseModel = importlib.import_module("lavis.models.base_model").BaseModel  # type: ignore[attr-defined]
        module = importlib.import_module("lavis.models.blip2_models.blip2_opt")
    current_opt(module)
    return module


def bare_packages() -> None:
    """`import lavis` imports every model and dataset, with decord, cv2 and webdataset; one model needs none of them.

    The package and `lavis.models` are therefore registered as empty packages whose modules can still be found; the
    registry of LAVIS looks for `BaseModel` in the second.
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


def moved_functions() -> None:
    """LAVIS's Q-Former takes three functions from `transformers.modeling_utils`; they moved to `pytorch_utils`."""
    import transformers.modeling_utils
    import transformers.pytorch_utils

    for name in MOVED:
        if not hasattr(transformers.modeling_utils, name):
            setattr(transformers.modeling_utils, name, getattr(transformers.pytorch_utils, name))


def current_opt(module: Any) -> None:
    """LAVIS carries a copy of OPT from transformers 4.26, which calls what later versions have taken away."""
    from transformers import OPTForCausalLM

    module.OPTForCausalLM = OPTForCausalLM


def from_lavis(checkpoint: Path, language: Path, config: Path, folder: Path) -> None:
    """Write a transformers folder from a LAVIS checkpoint.

    Args:
        checkpoint: LAVIS's `.pth` file.
        language: folder of the OPT it was trained with; not read if the file holds OPT itself.
        config: configuration of the network (`conf/architecture/blip2-opt-2.7b-coco.json`).
        folder: to write; the tokenizer is OPT's.

    Raises:
        InputError: if something is missing, is unknown, or does not fit; or if the folder exists.
    """
    with replaced_folder(folder, mend="choose another folder") as fresh:
        state = transformers_blip2_state(loading.load_float(loading.require(checkpoint, "LAVIS's model zoo")))
        if not any(name.startswith("language_model.") for name in state):
            decoder = loading.pretrained(AutoModelForCausalLM, loading.require(language, "huggingface.co/facebook"))
            state |= {f"language_model.{name}": tensor for name, tensor in decoder.state_dict().items()}
        network = Blip2ForConditionalGeneration(configuration(str(config)))
        load_named(network, state, str(checkpoint))
        network.save_pretrained(str(fresh))


def to_lavis(folder: Path, checkpoint: Path) -> None:
    """Write a LAVIS checkpoint from a transformers folder, without OPT, as LAVIS saves one.

    Raises:
        InputError: if the folder is no complete BLIP-2 OPT.
    """
    network = loading.pretrained(Blip2ForConditionalGeneration, folder)
    own = {name: tensor for name, tensor in network.state_dict().items() if not name.startswith("language_model.")}
    state = lavis_blip2_state(own)
    state[LAVIS_POSITIONS] = torch.arange(512).expand(1, -1).clone()  # a buffer of BERT's, always the same
    with whole(checkpoint) as temporary:
        torch.save({"model": state}, temporary)
