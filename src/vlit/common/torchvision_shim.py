"""Import this before anything that imports torchvision: it declares two operators that a CPU torch may lack.

PyPI's torchvision has compiled operators for one build of torch. With another (the CPU build of the same release) they
do not load, and `import torchvision` stops at "operator torchvision::nms does not exist", which open_clip, lightning,
peft and transformers then report in ways of their own. Declaring the two operators is enough: transforms never call
them. Where they exist nothing is done.
"""

from __future__ import annotations

import torch


def declare_missing_torchvision_operators() -> None:
    """Declare `torchvision::nms` and `torchvision::qnms`, without kernels, where torch does not know them."""
    for name, signature in (
        ("nms", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"),
        ("qnms", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"),
    ):
        if not _declared(name):
            torch.library.define(f"torchvision::{name}", signature)


def _declared(name: str) -> bool:
    try:
        getattr(torch.ops.torchvision, name)
    except AttributeError:
        return False
    return True


def _load_torchvision_operators() -> None:
    # The compiled operators are registered by torchvision's own extension module, if it loads at all.
    import importlib.util
    import pathlib

    specification = importlib.util.find_spec("torchvision")
    if specification is None or specification.origin is None:
        return
    for library in pathlib.Path(specification.origin).parent.glob("_C*.so"):
        try:
            torch.ops.load_library(str(library))
        except (OSError, RuntimeError):
            return


_load_torchvision_operators()
declare_missing_torchvision_operators()
