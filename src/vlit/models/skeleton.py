"""The three families at any size without their weights, on torch's `meta` device: shapes, names, freeze policies.

A skeleton is built by the same classes as the model itself, from configuration files in `conf/architecture`, in a
second and without memory. It can be counted and traced, not run. What it is for: the plan of a run before anything is
loaded, and checking parameter counts against the published ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_flamingo import Flamingo
from open_flamingo.src.flamingo_lm import FlamingoLMMixin
from open_flamingo.src.utils import extend_instance
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, Blip2ForConditionalGeneration, CLIPVisionModel

from vlit.common.errors import InputError
from vlit.common.files import read_json
from vlit.models import mpt
from vlit.models.blip2 import Blip2
from vlit.models.llava import Llava, assemble
from vlit.models.openflamingo import OpenFlamingo

DECODER_BLOCKS = {"mpt": "transformer.blocks", "opt": "model.decoder.layers"}


def configuration(path: str) -> Any:
    """A transformers configuration from a local JSON file.

    Raises:
        InputError: if the file is missing, broken, or of a type transformers does not know.
    """
    values = read_json(Path(path))
    kind = values.pop("model_type", None)
    try:
        return AutoConfig.for_model(kind, **values)
    except ValueError:
        raise InputError(f"{path}: transformers knows no model_type {kind!r}") from None


def llava(
    vision: str, language: str, select_layer: int, trained: Sequence[str], gradient_checkpointing: bool = False
) -> Llava:
    """LLaVA from the configurations of its vision encoder and language model."""
    with torch.device("meta"):
        tower = CLIPVisionModel(configuration(vision))
        decoder = AutoModelForCausalLM.from_config(configuration(language))
        projector = nn.Linear(tower.config.hidden_size, decoder.config.hidden_size)
        network = assemble(tower, decoder, projector, decoder.config.vocab_size - 1, select_layer)
    if gradient_checkpointing:
        network.model.language_model.gradient_checkpointing_enable({"use_reentrant": False})
    return Llava(network, None, trained)


def blip2(network: str, trained: Sequence[str], gradient_checkpointing: bool = False) -> Blip2:
    """BLIP-2 from its one configuration."""
    with torch.device("meta"):
        model = Blip2ForConditionalGeneration(configuration(network))
    if gradient_checkpointing:
        model.vision_model.gradient_checkpointing_enable({"use_reentrant": False})
    return Blip2(model, None, trained)


def openflamingo(
    vision_model: str, language: str, trained: Sequence[str], cross_attn_every_n_layers: int = 1
) -> OpenFlamingo:
    """OpenFlamingo from an open_clip model name and the configuration of a language model (MPT or OPT).

    Raises:
        InputError: if the vision model or the kind of language model is unknown.
    """
    vision = open_clip.get_model_config(vision_model)
    if vision is None:
        raise InputError(f"open_clip has no model {vision_model!r}: see open_clip.list_models()")
    text = configuration(language)
    if text.model_type not in DECODER_BLOCKS:
        raise InputError(f"{language}: no OpenFlamingo over {text.model_type!r}, only {', '.join(DECODER_BLOCKS)}")
    with torch.device("meta"):
        clip = open_clip.CLIP(**vision)
        clip.visual.output_tokens = True
        decoder = AutoModelForCausalLM.from_config(text)
        if text.model_type == "mpt":
            mpt.add_query_key_norms(decoder)
        extend_instance(decoder, FlamingoLMMixin)
        decoder.set_decoder_layers_attr_name(DECODER_BLOCKS[text.model_type])
        network = Flamingo(
            clip,
            decoder,
            eoc_token_id=text.vocab_size - 2,
            media_token_id=text.vocab_size - 1,
            vis_dim=vision["vision_cfg"]["width"],
            cross_attn_every_n_layers=cross_attn_every_n_layers,
        )
    return OpenFlamingo(network, None, vision["vision_cfg"]["image_size"], trained)
