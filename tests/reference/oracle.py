"""Run LAVIS under its own pins, in the environment that `make oracle` builds, on a case."""

from __future__ import annotations

import itertools
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import Blip2ForConditionalGeneration, GPT2Tokenizer

from tests.conftest import ROOT
from vlit.models.checkpoints import LAVIS_POSITIONS, lavis_blip2_state
from vlit.models.loading import read_architecture

PYTHON = ROOT / ".venv-oracle" / "bin" / "python"
CHARACTERS = "abcdefghijklmnopqrstuvwxyz.\u0120\u010a"  # the last two are space and newline in byte-level BPE
WORDS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "</s>", "pad_token": "<pad>", "add_bos_token": True}
Case = dict[str, Any]


def case_of(config: Path, std: float) -> Case:
    """Return a case for a BLIP-2 configuration, with fixed random weights that half precision can store."""
    torch.manual_seed(0)
    network = Blip2ForConditionalGeneration(read_architecture(config))
    weights = lavis_blip2_state(network.state_dict())
    for name, tensor in weights.items():
        torch.nn.init.normal_(tensor, mean=float(tensor.ndim == 1 and "orm" in name and "weight" in name), std=std)
        weights[name] = tensor.half().float()
    weights["opt_model.lm_head.weight"] = weights["opt_model.model.decoder.embed_tokens.weight"]  # tied
    vision = network.config.vision_config
    text, image = network.config.text_config, network.config.image_token_index
    special = {text.pad_token_id: "<pad>", text.bos_token_id: "<s>", text.eos_token_id: "</s>", image: "<image>"}
    # Without merges a text becomes characters only; the other tokens can be generated.
    rest = itertools.chain(CHARACTERS, ("".join(pair) for pair in itertools.product(CHARACTERS[:-2], repeat=3)))
    vocabulary = {special.get(place) or next(rest): place for place in range(text.vocab_size)}
    return {
        "config": json.loads(config.read_text()),
        "weights": {**weights, LAVIS_POSITIONS: torch.arange(512).expand(1, -1).clone()},
        "vocabulary": vocabulary,
        "pixels": torch.randn(2, 3, vision.image_size, vision.image_size).half().float(),
        "texts": ["the cup is blue", "a red ball."],
        "prompt": "what color is it",
        "choices": [" red", " dark blue", " a", " green."],
        "tokens": 8,
    }


def tokenizer(case: Case, folder: Path) -> GPT2Tokenizer:
    """Return the oracle's tokenizer, written into a folder."""
    (folder / "vocab.json").write_text(json.dumps(case["vocabulary"]))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return GPT2Tokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), **WORDS)


def lavis_outcome(case: Case) -> dict[str, Any]:
    """Return what LAVIS computes of a case; `oracle_lavis.py` lists the entries."""
    if not PYTHON.exists():
        pytest.fail(f"{PYTHON} is missing: `make oracle` builds it")
    with tempfile.TemporaryDirectory() as folder:
        case_file, out_file = Path(folder) / "case.pt", Path(folder) / "out.pt"
        torch.save(case, case_file)
        script = Path(__file__).with_name("oracle_lavis.py")
        # Isolated: no path of this environment may reach that one.
        command = [str(PYTHON), "-I", "-W", "ignore", str(script), str(case_file), str(out_file)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-2000:]
        out: dict[str, Any] = torch.load(out_file, weights_only=True)
    return out
