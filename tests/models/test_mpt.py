"""MPT-1B in transformers' modules against what MosaicML's own code computed, alone and inside OpenFlamingo.

The fixture was written once by `MosaicGPT` of github.com/mosaicml/examples at 3fb17e9e (of April 2023, when MPT-1B was
published) with `attn_impl=torch`: random weights of a tiny size, logits of two texts, one of them padded on the left,
the loss, and the first block's gradients.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from tests.models.test_families import batch_of
from vlit.common.errors import InputError
from vlit.data.dataset import Batch
from vlit.data.encode import IGNORED, Encoder
from vlit.evaluation.encoding import QuestionBatch
from vlit.evaluation.ranking import choice_scores
from vlit.models import mpt, openflamingo
from vlit.models.lora import add_lora, merge_lora

FILE = Path(__file__).parent / "fixtures" / "mosaic_gpt.safetensors"
CONFIG = {
    "model_type": "mosaic_gpt", "d_model": 32, "n_heads": 4, "n_layers": 2, "mlp_ratio": 4, "max_seq_len": 64,
    "vocab_size": 48, "alibi": True, "alibi_bias_max": 8, "attn_qk_ln": True, "attn_clip_qkv": None, "no_bias": True,
    "softmax_scale": None, "logit_scale": None, "prefix_lm": False, "embedding_fraction": 1.0,
}  # fmt: skip
CLOSE = {"rtol": 1e-4, "atol": 1e-4}


def write(folder: Path, weights: dict[str, torch.Tensor], **changes: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({**CONFIG, **changes}))
    torch.save(weights, folder / "pytorch_model.bin")
    return folder


@pytest.fixture(scope="module")
def stored() -> dict[str, torch.Tensor]:
    return load_file(FILE)


@pytest.fixture(scope="module")
def weights(stored) -> dict[str, torch.Tensor]:
    return {name.removeprefix("weights."): one for name, one in stored.items() if name.startswith("weights.")}


def test_logits_loss_and_gradients_are_those_of_the_original_code(stored, weights, tmp_path: Path) -> None:
    network = mpt.load_mosaic_mpt(write(tmp_path / "mpt", weights)).eval()
    ids, mask = stored["input_ids"], stored["attention_mask"]
    logits = network(input_ids=ids, attention_mask=mask).logits
    real = mask.bool()
    torch.testing.assert_close(logits[real], stored["logits"][real], **CLOSE)
    predicting = real[:, :-1]
    loss = functional.cross_entropy(logits[:, :-1][predicting], ids[:, 1:][predicting])
    torch.testing.assert_close(loss, stored["loss"], **CLOSE)
    loss.backward()
    expected = mpt.mpt_state({n.removeprefix("gradients."): one for n, one in stored.items() if "gradients." in n})
    found = {name: one.grad for name, one in network.transformer.named_parameters()}
    assert len(expected) == 8
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, **CLOSE)


def test_every_tensor_and_every_setting_is_accounted_for(weights, tmp_path: Path) -> None:
    for name in weights:
        with pytest.raises(InputError, match="missing"):
            mpt.load_mosaic_mpt(
                write(tmp_path / "mpt", {other: one for other, one in weights.items() if other != name})
            )
    with pytest.raises(InputError, match=r"unknown .*wpe"):
        mpt.load_mosaic_mpt(write(tmp_path / "mpt", {**weights, "transformer.wpe.weight": torch.zeros(64, 32)}))
    with pytest.raises(InputError, match="prefix_lm=True"):
        mpt.load_mosaic_mpt(write(tmp_path / "mpt", weights, prefix_lm=True))
    write(tmp_path / "mpt", weights)
    (tmp_path / "mpt" / "pytorch_model.bin").unlink()
    with pytest.raises(InputError, match="no weights"):
        mpt.load_mosaic_mpt(tmp_path / "mpt")


@pytest.fixture
def flamingo(cache: Path, tmp_path: Path, weights):
    """OpenFlamingo over a folder in MPT-1B's format, with the mini tokenizer and open gates."""
    parts = cache / "weights"
    folder = tmp_path / "mpt-1b-redpajama-200b"  # the package looks for this name
    shutil.copytree(parts / "tokenizer", folder)
    torch.manual_seed(0)
    wide = {**weights, "transformer.wte.weight": torch.randn(1024, 32) * 0.3}
    write(folder, wide, vocab_size=1024, max_seq_len=512)
    model = openflamingo.build_openflamingo(
        "clip-mini", str(parts / "clip.safetensors"), str(parts / "open_clip"), str(folder), str(folder), None,
        dict.fromkeys(("vision", "language", "checkpoint"), ""), ["perceiver", "cross_attention"],
        connectors={"latents": 4, "depth": 1, "heads": 2, "head_width": 8, "feed_forward": 2},
    )  # fmt: skip
    for name, parameter in model.named_parameters():
        if name.endswith("_gate"):
            nn.init.constant_(parameter, 0.5)
    return model.eval()


def test_openflamingo_ranks_over_it_as_one_full_forward_a_choice_does(flamingo) -> None:
    prompt = torch.randint(10, 500, (2, 7), generator=torch.Generator().manual_seed(0))
    prompt[:, 1] = flamingo.image_token_id
    mask = torch.ones_like(prompt)
    prompt[1, 0], mask[1, 0] = flamingo.tokenizer.pad_token_id, 0  # padded on the left
    pixels = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    ones = torch.ones(2, dtype=torch.long)
    prompts = Batch(["0", "1"], prompt, mask, torch.full_like(prompt, IGNORED), pixels, ones)
    choices = torch.randint(10, 500, (8, 3), generator=torch.Generator().manual_seed(2))
    sums, _ = choice_scores(flamingo, QuestionBatch([], prompts, torch.arange(2), choices, torch.ones_like(choices)))
    for row in range(2):
        for place in range(4):
            choice = choices[4 * row + place]
            ids = torch.cat([prompt[row, int(mask[row, 0] == 0) :], choice])[None]
            with torch.inference_mode():
                logits = flamingo.network(pixels[row : row + 1, None, None], ids, torch.ones_like(ids)).logits
            expected = logits[0, -4:-1].log_softmax(dim=-1).gather(1, choice[:, None]).sum()
            torch.testing.assert_close(sums[row, place], expected, **CLOSE)


def test_openflamingo_generates_over_it_and_adapters_merge(flamingo, compose) -> None:
    cfg = compose("model=openflamingo")
    encoder = Encoder(flamingo.tokenizer, flamingo.image_token_id, 1, 512, False)
    batch = batch_of(cfg, flamingo, encoder, ["Red", "Blue"])
    assert len(flamingo.generate(batch, 3)) == 2
    add_lora(flamingo, rank=2, alpha=4, dropout=0.0, half=False)
    for name, parameter in flamingo.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, std=0.1)
    flamingo.eval()
    with torch.inference_mode():
        adapted = flamingo(batch)
        merge_lora(flamingo)
        torch.testing.assert_close(flamingo(batch), adapted, **CLOSE)
