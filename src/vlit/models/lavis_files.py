"""LAVIS's BLIP-2 checkpoint files from and to transformers folders.

A LAVIS file holds `{"model": ...}` with what its training trained. OPT, which it freezes, is not in it and comes from
its own folder.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, Blip2ForConditionalGeneration

from vlit.errors import InputError
from vlit.models import loading
from vlit.models.checkpoints import LAVIS_POSITIONS, lavis_blip2_state, load_named, transformers_blip2_state
from vlit.models.skeleton import configuration


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
    if folder.exists():
        raise InputError(f"{folder} exists: choose another folder")
    state = transformers_blip2_state(loading.load_float(loading.require(checkpoint, "LAVIS's model zoo")))
    if not any(name.startswith("language_model.") for name in state):
        decoder = loading.pretrained(AutoModelForCausalLM, loading.require(language, "huggingface.co/facebook"))
        state |= {f"language_model.{name}": tensor for name, tensor in decoder.state_dict().items()}
    network = Blip2ForConditionalGeneration(configuration(str(config)))
    load_named(network, state, str(checkpoint))
    temporary = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    network.save_pretrained(str(temporary))
    temporary.replace(folder)


def to_lavis(folder: Path, checkpoint: Path) -> None:
    """Write a LAVIS checkpoint from a transformers folder, without OPT, as LAVIS saves one.

    Raises:
        InputError: if the folder is no complete BLIP-2 OPT.
    """
    network = loading.pretrained(Blip2ForConditionalGeneration, folder)
    own = {name: tensor for name, tensor in network.state_dict().items() if not name.startswith("language_model.")}
    state = lavis_blip2_state(own)
    state[LAVIS_POSITIONS] = torch.arange(512).expand(1, -1).clone()  # a buffer of BERT's, always the same
    temporary = checkpoint.with_name(f".{checkpoint.name}.part")
    torch.save({"model": state}, temporary)
    temporary.replace(checkpoint)
