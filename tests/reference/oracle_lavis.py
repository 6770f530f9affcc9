"""LAVIS 1.0.2 unmodified, under its own pins, as an oracle. Run by `.venv-oracle/bin/python`, never imported.

`python oracle_lavis.py CASE OUT` reads a case that torch saved and writes what LAVIS computes of it:

    case: config (of a transformers BLIP-2 OPT), weights (by LAVIS's names), vocabulary (of byte-level BPE), pixels,
        texts, prompt, choices, tokens (how many to generate)
    out: input_ids and attention_mask of the texts, logits, loss, gradients by name; prompt_ids, choice_ids, and sums
        and means of log-probabilities (images, choices); generated: what follows the prompt

All that LAVIS's constructor loads exists as a local folder of the name it looks for, so that none of its own loading
code is replaced. One exception: the vision encoder's sizes are fixed in `create_eva_vit_g`, next to a download, so
LAVIS's own class is called here at the sizes of the case.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import tempfile
from functools import partial
from pathlib import Path

import torch
from torch import nn

COMPAT = Path(__file__).resolve().parents[2] / "src" / "vlit" / "common" / "torchvision_shim.py"
runpy.run_path(str(COMPAT))  # for torchvision with a CPU torch; LAVIS is not touched

from lavis.models.blip2_models.blip2 import LayerNorm  # noqa: E402
from lavis.models.blip2_models.blip2_opt import Blip2OPT  # noqa: E402
from lavis.models.blip2_models.modeling_opt import OPTForCausalLM  # noqa: E402
from lavis.models.blip2_models.Qformer import BertLMHeadModel  # noqa: E402
from lavis.models.eva_vit import VisionTransformer  # noqa: E402
from transformers import BertConfig, OPTConfig  # noqa: E402


def write_folders(config: dict, vocabulary: dict[str, int]) -> None:
    """Write `bert-base-uncased` and `opt` into the working directory, at the sizes of the case."""
    sizes = config["qformer_config"]
    bert = BertConfig(**{name: value for name, value in sizes.items() if name in BertConfig().to_dict()})
    bert.encoder_width = config["vision_config"]["hidden_size"]
    bert.add_cross_attention, bert.query_length = True, config["num_query_tokens"]
    bert.cross_attention_freq = sizes["cross_attention_frequency"]
    BertLMHeadModel(bert).save_pretrained("bert-base-uncased")
    Path("bert-base-uncased", "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"]))
    OPTForCausalLM(OPTConfig(**config["text_config"])).save_pretrained("opt")
    Path("opt", "vocab.json").write_text(json.dumps(vocabulary))
    Path("opt", "merges.txt").write_text("#version: 0.2\n")
    words = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "</s>", "pad_token": "<pad>", "add_bos_token": True}
    Path("opt", "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "GPT2Tokenizer", **words}))


def build(config: dict, weights: dict[str, torch.Tensor]) -> Blip2OPT:
    """Build `Blip2OPT` by its own constructor and load the case's weights, every name accounted for."""

    class Sized(Blip2OPT):
        @classmethod
        def init_vision_encoder(cls, *names: object) -> tuple[nn.Module, nn.Module]:
            vision = config["vision_config"]
            encoder = VisionTransformer(
                img_size=vision["image_size"],
                patch_size=vision["patch_size"],
                use_mean_pooling=False,
                embed_dim=vision["hidden_size"],
                depth=vision["num_hidden_layers"],
                num_heads=vision["num_attention_heads"],
                mlp_ratio=vision["intermediate_size"] / vision["hidden_size"],
                qkv_bias=True,
                norm_layer=partial(nn.LayerNorm, eps=vision["layer_norm_eps"]),
            )
            return encoder, LayerNorm(vision["hidden_size"])

    network = Sized(
        img_size=config["vision_config"]["image_size"],
        vit_precision="fp32",
        freeze_vit=False,
        num_query_token=config["num_query_tokens"],
        opt_model="opt",
    )
    network.float()  # OPT is loaded in half precision, in which a CPU does not compute
    network.load_state_dict(weights, strict=True)
    return network.eval()


def forward(network: Blip2OPT, pixels: torch.Tensor, texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return loss and logits of LAVIS's own forward pass, which returns the loss only."""
    found = []
    hook = network.opt_model.register_forward_hook(lambda module, args, output: found.append(output.logits))
    loss = network({"image": pixels, "text_input": texts})["loss"]
    hook.remove()
    return loss, found[0]


def choice_scores(network: Blip2OPT, case: dict) -> dict[str, torch.Tensor]:
    """Return the log-probability of each choice after image and prompt, by one full forward pass for each choice."""
    ids = [network.opt_tokenizer(case["prompt"] + choice).input_ids for choice in case["choices"]]
    prompt = network.opt_tokenizer(case["prompt"]).input_ids
    start = case["config"]["num_query_tokens"] + len(prompt) - 1
    sums, means = [], []
    for choice, whole in zip(case["choices"], ids):  # noqa: B905
        answer = torch.tensor(whole[len(prompt) :])
        texts = [case["prompt"] + choice] * len(case["pixels"])  # LAVIS appends a newline, which is not scored
        logits = forward(network, case["pixels"], texts)[1][:, start : start + len(answer)]
        scores = logits.log_softmax(dim=-1).gather(2, answer.expand(len(logits), -1)[..., None])[..., 0]
        sums.append(scores.sum(dim=1))
        means.append(scores.mean(dim=1))
    return {
        "prompt_ids": torch.tensor(prompt),
        "choice_ids": [torch.tensor(whole[len(prompt) :]) for whole in ids],
        "sums": torch.stack(sums, dim=1),
        "means": torch.stack(means, dim=1),
    }


def outcome(case: dict) -> dict:
    """Compute everything that is compared."""
    write_folders(case["config"], case["vocabulary"])
    network = build(case["config"], case["weights"])
    loss, logits = forward(network, case["pixels"], case["texts"])
    loss.backward()
    words = network.opt_tokenizer([text + "\n" for text in case["texts"]], return_tensors="pt", padding="longest")
    with torch.no_grad():
        scores = choice_scores(network, case)
        samples = {"image": case["pixels"], "prompt": case["prompt"]}
        generated = network.generate(samples, num_beams=1, max_length=case["tokens"])
    return {
        "input_ids": words.input_ids,
        "attention_mask": words.attention_mask,
        "logits": logits.detach(),
        "loss": loss.detach(),
        "gradients": {name: one.grad for name, one in network.named_parameters() if one.grad is not None},
        "generated": generated,
        **scores,
    }


if __name__ == "__main__":
    case_file, out_file = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        torch.manual_seed(0)
        torch.save(outcome(torch.load(case_file, weights_only=True)), out_file)
        os.chdir(out_file.parent)
