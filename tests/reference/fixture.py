"""A tiny BLIP-2 OPT as LAVIS names and computes it: what ordinary tests compare with, without LAVIS.

`python -m tests.reference.fixture` writes it again from the oracle; `test_oracle.py` compares the committed file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

FOLDER = Path(__file__).resolve().parents[1] / "models" / "fixtures"
CONFIG, FILE = FOLDER / "blip2.json", FOLDER / "lavis_blip2.safetensors"
GRADIENTS = ("query_tokens", "visual_encoder.blocks.0", "opt_proj")  # all would make the file twice as large


def stored(case: dict[str, Any], out: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Return the tensors of the file for a case and its outcome; weights in half precision, which is exact."""
    kept = ("input_ids", "attention_mask", "logits", "loss", "prompt_ids", "sums", "means")
    tensors = {"pixels": case["pixels"], **{name: out[name] for name in kept}}
    tensors |= {f"choice.{place}": ids for place, ids in enumerate(out["choice_ids"])}
    tensors |= {
        f"weights.{name}": one.half() if one.is_floating_point() else one for name, one in case["weights"].items()
    }
    tensors |= {f"gradients.{name}": one for name, one in out["gradients"].items() if name.startswith(GRADIENTS)}
    return {name: tensor.clone().contiguous() for name, tensor in tensors.items()}


def write() -> None:
    """Write the file."""
    from tests.reference.oracle import case_of, lavis_outcome

    case = case_of(CONFIG, std=0.3)
    save_file(stored(case, lavis_outcome(case)), str(FILE))


if __name__ == "__main__":
    import vlit.common.torchvision_shim  # noqa: F401

    write()
