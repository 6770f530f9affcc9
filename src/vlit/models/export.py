"""Write checkpoints that other projects load, and convert BLIP-2's between LAVIS and transformers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, Blip2ForConditionalGeneration

from vlit.common.files import replaced_folder, whole
from vlit.models.checkpoints import LAVIS_POSITIONS, lavis_blip2_state, transformers_blip2_state
from vlit.models.family import VisionLanguageModel
from vlit.models.loading import load_float, load_named, load_pretrained, read_architecture, require
from vlit.models.lora import has_lora, merge_lora


def export(model: VisionLanguageModel, folder: Path, card: str | None = None) -> None:
    """Write a model's network and tokenizer as its upstream project loads them, without this package.

    Adapters are merged into the model first. LLaVA and BLIP-2 become transformers folders with processor and chat
    template, LLaVA's with the original LLaVA's `mm_projector.bin`. OpenFlamingo becomes a `checkpoint.pt` for
    `load_state_dict(torch.load(file), strict=False)`, like the published one.

    Args:
        model: the model.
        folder: the folder to write.
        card: text of the folder's `README.md`.

    Raises:
        InputError: if the folder exists.
    """
    with replaced_folder(folder, mend="choose another folder") as fresh:
        adapted = has_lora(model)
        if adapted:
            merge_lora(model)
        model.tokenizer.save_pretrained(str(fresh))
        model.save_published(fresh, whole_language_model=adapted)
        if card is not None:
            (fresh / "README.md").write_text(card, encoding="utf-8")


def convert_lavis_checkpoint(
    checkpoint: Path, language: Path, architecture: Mapping[str, Any] | Path, folder: Path
) -> None:
    """Write a transformers folder from a LAVIS checkpoint of BLIP-2 OPT, without a tokenizer (OPT's fits).

    Args:
        checkpoint: LAVIS's `.pth` file.
        language: folder of the OPT it was trained with; not read if the file contains OPT itself.
        architecture: the network's transformers configuration: its values, or a JSON file.
        folder: the folder to write.

    Raises:
        InputError: if something is missing, unknown or does not fit; or if the folder exists.
    """
    with replaced_folder(folder, mend="choose another folder") as fresh:
        state = transformers_blip2_state(load_float(require(checkpoint, "LAVIS's model zoo")))
        if not any(name.startswith("language_model.") for name in state):
            decoder = load_pretrained(AutoModelForCausalLM, require(language, "huggingface.co/facebook"))
            state |= {f"language_model.{name}": tensor for name, tensor in decoder.state_dict().items()}
        network = Blip2ForConditionalGeneration(read_architecture(architecture))
        load_named(network, state, str(checkpoint))
        network.save_pretrained(str(fresh))


def write_lavis_checkpoint(folder: Path, checkpoint: Path) -> None:
    """Write a LAVIS checkpoint from a transformers folder of BLIP-2 OPT, without OPT, as LAVIS saves one.

    Raises:
        InputError: if the folder is not a complete BLIP-2 OPT.
    """
    network = load_pretrained(Blip2ForConditionalGeneration, folder)
    own = {name: tensor for name, tensor in network.state_dict().items() if not name.startswith("language_model.")}
    state = lavis_blip2_state(own)
    state[LAVIS_POSITIONS] = torch.arange(512).expand(1, -1).clone()  # a buffer of BERT's, always the same
    with whole(checkpoint) as temporary:
        torch.save({"model": state}, temporary)
