"""An exported folder is used with transformers alone: processor, prompt, pixels, logits and generation are ours."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vlit.data.dataset import Item, collate
from vlit.data.sample import Turn
from vlit.data.templates import TEMPLATES
from vlit.models.export import export

SIZES = [(64, 64), (80, 64), (64, 99), (99, 64), (31, 45), (301, 64)]  # width and height
QUESTION = "What color is the cup?"
# What a user does, in a process of its own; nothing of this project is imported.
SCRIPT = """
import json, sys
import numpy as np, torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

folder, pictures, output = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
processor = AutoProcessor.from_pretrained(folder)
model = AutoModelForImageTextToText.from_pretrained(folder).eval()
chat = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What color is the cup?"}]}]
written = processor if processor.chat_template else processor.tokenizer  # BLIP-2's class loses its own on loading
prompt = written.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
found = {}
for place, picture in enumerate(pictures):
    inputs = processor(images=Image.open(picture), text=prompt, return_tensors="pt")
    with torch.inference_mode():
        found[f"logits{place}"] = model(**inputs).logits[0].numpy()
        produced = model.generate(**inputs, max_new_tokens=6, do_sample=False)
    length = inputs["input_ids"].shape[1]
    new = produced[0, length:] if produced.shape[1] > 6 else produced[0]
    found[f"ids{place}"] = inputs["input_ids"][0].numpy()
    found[f"pixels{place}"] = inputs["pixel_values"][0].numpy()
    found[f"text{place}"] = np.array(processor.decode(new, skip_special_tokens=True).strip())
np.savez(output, **found)
print(json.dumps([name for name in sys.modules if name.startswith("vlit.") and "torchvision" not in name]))
"""


@pytest.mark.parametrize("name", ["llava", "blip2"])
def test_transformers_alone_gives_our_prompt_pixels_logits_and_text(family, name: str, tmp_path: Path) -> None:
    cfg, model, encoder = family(name)
    model.eval()
    export(model, tmp_path / "exported", "# A card\n")
    assert (tmp_path / "exported/README.md").read_text() == "# A card\n"
    rng, pictures = np.random.default_rng(0), []
    for place, (width, height) in enumerate(SIZES):
        pictures.append(str(tmp_path / f"{place}.png"))
        Image.fromarray(rng.integers(0, 255, (height, width, 3), dtype=np.uint8)).save(pictures[-1])
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "exported"), json.dumps(pictures), str(tmp_path / "found.npz")],
        cwd=tmp_path, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert json.loads(ended.stdout.splitlines()[-1]) == ["vlit.common"]
    found = np.load(tmp_path / "found.npz")
    pieces = TEMPLATES[cfg.model.template].question_prompt(QUESTION)
    encoded = encoder(pieces, "")
    for place, picture in enumerate(pictures):
        pixels = model.image_transform(Image.open(picture).convert("RGB"))
        batch = collate(
            [Item("", encoded.input_ids, encoded.labels, pixels[None])], model.tokenizer.pad_token_id, "left"
        )
        assert found[f"ids{place}"].tolist() == encoded.input_ids
        np.testing.assert_allclose(found[f"pixels{place}"], pixels.numpy(), atol=1e-5)
        with torch.inference_mode():
            np.testing.assert_allclose(found[f"logits{place}"], model(batch)[0].numpy(), atol=1e-4, rtol=1e-4)
        assert str(found[f"text{place}"]) == model.generate(batch, max_new_tokens=6)[0]


@pytest.mark.parametrize("name", ["llava", "blip2"])
def test_the_chat_template_writes_what_the_prompt_template_writes(family, name: str, tmp_path: Path) -> None:
    from transformers import AutoProcessor

    cfg, model, _ = family(name)
    export(model, tmp_path / "exported")
    processor = AutoProcessor.from_pretrained(tmp_path / "exported")
    template = TEMPLATES[cfg.model.template]
    before, turn = [Turn(QUESTION, "It's red.", 1)], Turn("Where\nis it?", "", 0)
    ours = "".join(piece.text for piece in template.next_prompt(before, turn))
    chat = [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": QUESTION}]},
        {"role": "assistant", "content": [{"type": "text", "text": "It's red."}]},
        {"role": "user", "content": "Where\nis it?"},
    ]
    written = processor if name == "llava" else processor.tokenizer
    theirs = written.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    assert theirs == (ours if name == "llava" else ours.replace("<image>", ""))  # BLIP-2's processor adds the image
