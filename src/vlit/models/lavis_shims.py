"""What LAVIS 1.0.2 needs to run beside current libraries: each shim with its reason, and nothing else.

`tests/reference/test_lavis.py` fails for a shim that is no longer needed.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
import types
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vlit.errors import InputError

MOVED = ("apply_chunking_to_forward", "find_pruneable_heads_and_indices", "prune_linear_layer")


def blip2_opt() -> Any:
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
