"""Read weights so that no tensor is missing or left over in silence; and the tokenizers and architectures with them.

`from_pretrained` fills what a checkpoint lacks with random numbers and a warning; here that is an error that names the
tensors. `paths.weights` contains the folders; the error for a missing one names where to get it.
"""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoConfig, AutoTokenizer, PretrainedConfig, PreTrainedTokenizerBase

from vlit.common.errors import InputError
from vlit.common.files import read_json

StateDict = dict[str, torch.Tensor]

# What OpenAI's published CLIP folder contains besides the vision encoder: the text tower, projections, numbered places.
REST_OF_CLIP = (
    "text_model.",
    "text_projection.",
    "visual_projection.",
    "logit_scale",
    "vision_model.embeddings.position_ids",
)


def require(path: str | Path, source: str) -> Path:
    """Return the path of weights that exist.

    Args:
        path: file or folder.
        source: where to get it, for the error message.

    Raises:
        InputError: if nothing is there.
    """
    found = Path(path)
    if not found.exists():
        raise InputError(f"no weights at {found}: get them from {source}, or set paths.weights")
    return found


def load_pretrained(model_class: Any, folder: Path, leave_out: tuple[str, ...] = (), **options: Any) -> Any:
    """Load `model_class.from_pretrained(folder)` in float32, with every tensor accounted for.

    Args:
        model_class: a transformers model class.
        folder: checkpoint folder.
        leave_out: prefixes of tensors that the checkpoint may contain and the model does not have.
        options: further options of `from_pretrained`.

    Raises:
        InputError: if the checkpoint lacks a tensor of the model, or contains another that the model does not have.
    """
    if not (Path(folder) / "config.json").is_file():  # without it transformers builds a model of its defaults: 7B
        raise InputError(
            f"{folder} has no config.json, and so no architecture: get it from where the weights came from"
        )
    try:
        model, info = model_class.from_pretrained(
            folder, dtype=torch.float32, local_files_only=True, output_loading_info=True, **options
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError, TypeError) as error:
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(f"{folder} can't be loaded as {model_class.__name__} ({first}): get it again") from None
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        allowed = leave_out if what == "unexpected_keys" else ()
        wrong = sorted(str(key) for key in info[what] if not str(key).startswith(allowed))
        if wrong:
            names = ", ".join(wrong[:5])
            raise InputError(f"{folder} does not fit {model_class.__name__}: {what.replace('_', ' ')} {names}")
    return model


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Load a tokenizer from a local folder; never from the network, where a name can load as something else.

    One without a padding token (GPT-2, Llama 3) pads with its unknown token, or else its end token: padding is masked
    and its labels are ignored, so that which token it is makes no difference.
    """
    words = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if words.pad_token is None:
        words.pad_token = words.unk_token or words.eos_token
    return words


def read_architecture(source: Mapping[str, Any] | str | Path) -> PretrainedConfig:
    """Return a transformers configuration.

    Args:
        source: its values with `model_type`, or a JSON file of them (a published `config.json`, say).

    Raises:
        InputError: if the file is missing or broken, or transformers does not know the `model_type`.
    """
    is_file = isinstance(source, str | Path)
    values: dict[str, Any] = dict(read_json(Path(source)) if is_file else source)  # type: ignore[arg-type]
    kind = values.pop("model_type", None)
    try:
        return AutoConfig.for_model(kind, **values)
    except ValueError:
        where = source if is_file else "model.architecture"
        raise InputError(f"{where}: transformers knows no model_type {kind!r}") from None


def read_torch(path: Path, mmap: bool = False) -> dict[str, Any]:
    """Read a torch file of tensors and plain values. It is a pickle, in which nothing else is made and nothing called.

    Args:
        path: the file.
        mmap: read tensors only where they are used.

    Raises:
        InputError: if it is missing, cut off, names code, or is no torch file of values by name.
    """
    try:
        content = torch.load(path, map_location="cpu", mmap=mmap, weights_only=True)
    except FileNotFoundError:
        raise InputError(f"no file {path}: check the path") from None
    except pickle.UnpicklingError as error:
        # torch's message advises to read the file unsafely; what it names is what matters.
        named = str(error).partition("GLOBAL ")[2].split(" ")[0]
        what = f"names code ({named})" if named else "is no torch file"
        raise InputError(f"{path} {what}: only tensors and plain values are read, get the file elsewhere") from None
    except (RuntimeError, EOFError, ValueError, KeyError, AttributeError, TypeError, IndexError, OSError) as error:
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(f"{path} is no whole torch file ({first}): get or write it again") from None
    if not isinstance(content, dict):
        raise InputError(f"{path} holds {type(content).__name__}, not values by name: it is no checkpoint of a model")
    return content


def read_checkpoint(path: Path, mmap: bool = False) -> StateDict:
    """Read the trained parameters of a run's checkpoint.

    Raises:
        InputError: as `read_torch` does, or if it is damaged or the checkpoint of something else.
    """
    if zipfile.is_zipfile(path):  # as torch writes it, with a checksum of each part that reading does not compare
        try:
            with zipfile.ZipFile(path) as parts:
                damaged = parts.testzip()
        except (zipfile.BadZipFile, OSError, EOFError) as error:
            raise InputError(f"{path} is no whole torch file ({error}): get or write it again") from None
        if damaged is not None:
            raise InputError(f"{path} is damaged (the checksum of {damaged} differs): get or write it again")
    state = read_torch(path, mmap).get("state_dict")
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise InputError(f"{path} has no `state_dict` of tensors: it is no checkpoint of a run")
    return state


def load_float(path: Path) -> StateDict:
    """Read the tensors of a safetensors or torch file in float32.

    Raises:
        InputError: if the file is missing, broken, or holds anything but tensors.
    """
    if path.suffix == ".safetensors":
        try:
            state: dict[str, Any] = load_file(str(path))
        except (SafetensorError, OSError) as error:
            raise InputError(f"{path} is no whole safetensors file ({error}): get or write it again") from None
    else:
        state = read_torch(path)
        for wrapper in ("model", "model_state_dict"):  # LAVIS and open_flamingo save optimiser and epoch next to it
            state = state[wrapper] if isinstance(state.get(wrapper), dict) else state
    other = next((name for name, value in state.items() if not isinstance(value, torch.Tensor)), None)
    if other is not None:
        raise InputError(f"{path}: {other} is no tensor: it is no file of a model's weights")
    return {name: tensor.float() for name, tensor in state.items()}


def save_half(tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    """Write tensors to a safetensors file in half precision, which suffices to start from and halves what ships."""
    half = {name: tensor.detach().cpu().half().contiguous().clone() for name, tensor in tensors.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(half, str(path), metadata={"format": "pt"})


def load_named(
    module: nn.Module,
    state: Mapping[str, torch.Tensor],
    origin: str,
    leave_out: tuple[str, ...] = (),
    required: Collection[str] | None = None,
) -> None:
    """Load a state whose names and shapes are exactly the module's.

    Args:
        module: the module to load into.
        state: its tensors by name.
        origin: where they come from, for the error message.
        leave_out: prefixes of the module's tensors that come from elsewhere.
        required: names that must be there; None for all.

    Raises:
        InputError: naming tensors that are missing, unknown or of another shape.
    """
    own = {name: tensor for name, tensor in module.state_dict().items() if not name.startswith(leave_out)}
    needed = set(own if required is None else required)
    missing, unknown = sorted(needed - state.keys()), sorted(state.keys() - own.keys())
    if missing or unknown:
        raise InputError(f"{origin} does not fit: missing {missing[:5]}, unknown {unknown[:5]}")
    for name, tensor in state.items():
        if tensor.shape != own[name].shape:
            raise InputError(f"{origin} does not fit: {name} is {tuple(tensor.shape)}, not {tuple(own[name].shape)}")
    module.load_state_dict(dict(state), strict=False)
