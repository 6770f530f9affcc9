"""Reading weights so that nothing is missing or left over without a word.

`from_pretrained` fills what a checkpoint lacks with random numbers and a warning; here that is an error that names the
tensors. `paths.weights` holds the folders; a missing one is named with where to get it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from vlit.common.errors import InputError


def require(path: str | Path, source: str) -> Path:
    """Return an existing path, or say where what should be there can be had.

    Raises:
        InputError: if nothing is there.
    """
    found = Path(path)
    if not found.exists():
        raise InputError(f"no weights at {found}: get them from {source}, or set paths.weights")
    return found


# What OpenAI's published folder holds beside the vision encoder: the other tower, projections, numbered places.
REST_OF_CLIP = (
    "text_model.",
    "text_projection.",
    "visual_projection.",
    "logit_scale",
    "vision_model.embeddings.position_ids",
)


def pretrained(model_class: Any, folder: Path, beside: tuple[str, ...] = (), **options: Any) -> Any:
    """`model_class.from_pretrained(folder)` in float32, with every tensor accounted for.

    Args:
        model_class: of transformers.
        folder: of the checkpoint.
        beside: beginnings of names that the checkpoint may hold besides the model.
        options: for `from_pretrained`.

    Raises:
        InputError: if the checkpoint lacks a tensor of the model or holds one the model does not have.
    """
    model, info = model_class.from_pretrained(
        folder, dtype=torch.float32, local_files_only=True, output_loading_info=True, **options
    )
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        wrong = [str(key) for key in info[what] if what != "unexpected_keys" or not str(key).startswith(beside or "\0")]
        if wrong:
            names = ", ".join(sorted(wrong)[:5])
            raise InputError(f"{folder} does not fit {model_class.__name__}: {what.replace('_', ' ')} {names}")
    return model


def tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Load a tokenizer from a local folder; never from the network, where a name can load as something else."""
    return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def save_half(tensors: dict[str, torch.Tensor], path: Path) -> None:
    """Save tensors in half precision: the mini weights are shipped, and half the digits are plenty to start from."""
    half = {name: tensor.detach().cpu().half().contiguous().clone() for name, tensor in tensors.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(half, str(path), metadata={"format": "pt"})


def load_float(path: Path) -> dict[str, torch.Tensor]:
    """Load a safetensors or torch file as float32 tensors."""
    if path.suffix == ".safetensors":
        state = load_file(str(path))
    else:
        state = torch.load(path, map_location="cpu", weights_only=True)
        for wrapper in ("model", "model_state_dict"):  # LAVIS, open_flamingo: beside optimiser and epoch
            state = state[wrapper] if isinstance(state.get(wrapper), dict) else state
    return {name: tensor.float() for name, tensor in state.items()}
