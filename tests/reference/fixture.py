"""A tiny BLIP-2 OPT as LAVIS names, saves and computes it: what ordinary tests compare with, without LAVIS.

`python -m tests.reference.fixture` writes it anew; `test_lavis.py` holds the committed file against LAVIS.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import torch
from safetensors.torch import save_file

FOLDER = Path(__file__).resolve().parents[1] / "models" / "fixtures"
FILE = FOLDER / "lavis_blip2.safetensors"


class Words:
    """Stands where LAVIS wants a tokenizer: texts are fixed ids."""

    pad_token_id = 0

    def __call__(self, text: object, **options: object) -> SimpleNamespace:
        ids = torch.tensor([[1, 9, 33, 7, 5, 2], [1, 40, 12, 2, 0, 0]])
        words = SimpleNamespace(input_ids=ids, attention_mask=(ids != 0).long())
        words.to = lambda device: words
        return words


def build() -> dict[str, torch.Tensor]:
    """Weights by LAVIS's names (`weights.`), inputs, and what LAVIS makes of them: logits, loss, some gradients."""
    from transformers import OPTForCausalLM

    from vlit.models.lavis_blip2 import blip2_opt
    from vlit.models.skeleton import configuration

    config = configuration(str(FOLDER / "blip2.json"))
    torch.manual_seed(0)
    network = blip2_opt(config, OPTForCausalLM(config.text_config), Words()).eval()
    for name, parameter in network.named_parameters():
        torch.nn.init.normal_(parameter, mean=float(parameter.ndim == 1 and "orm" in name), std=0.3)
        parameter.data = parameter.data.half().float()  # kept in half precision
    pixels = torch.randn(2, 3, 16, 16).half().float()
    found = {}
    hook = network.opt_model.register_forward_hook(lambda module, args, output: found.update(logits=output.logits))
    loss = network({"image": pixels, "text_input": ["", ""]})["loss"]
    hook.remove()
    loss.backward()
    weights = {f"weights.{name}": tensor for name, tensor in network.state_dict().items()}
    gradients = {
        f"gradients.{name}": parameter.grad
        for name, parameter in network.named_parameters()
        if parameter.grad is not None and name.startswith(("query_tokens", "visual_encoder.blocks.0", "opt_proj"))
    }
    words = Words()("")
    out = {"pixels": pixels, "input_ids": words.input_ids, "logits": found["logits"], "loss": loss}
    return {name: tensor.detach().clone().contiguous() for name, tensor in {**out, **weights, **gradients}.items()}


def write() -> None:
    """Write the file; weights in half precision, which they were rounded to."""
    halved = {
        name: tensor.half() if name.startswith("weights.") and tensor.is_floating_point() else tensor
        for name, tensor in build().items()
    }
    save_file(halved, str(FILE))


if __name__ == "__main__":
    import vlit.compat  # noqa: F401

    write()
