"""Matching degree against open_clip's bare forward passes: `encode_image` and `encode_text` of the same batches.

The bare passes start from pixels and token ids, matching degree from JPEG bytes and conversations: decoding, resizing,
splitting into sentences, tokenising and comparing are part of it. Both run with the same number of threads. Rounds
alternate, and the best of each counts.
"""

from __future__ import annotations

import base64
import io
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import Spent, spent
from PIL import Image
from synthetic_dataset import synthetic_samples

from vlit.data.images import Base64Image
from vlit.data.sample import Sample
from vlit.mini.weights import unpack
from vlit.models import clip as clips
from vlit.models.forward import CropTransform
from vlit.quality.image_features import ImageFeatures
from vlit.quality.indicators.matching_degree import matching_degrees, texts_of

ROOT = Path(__file__).resolve().parents[1]
BATCH = 256
ROUNDS = 4


class Loaded:
    """A CLIP that has been loaded, as a source of features."""

    name = key = "benchmark"

    def __init__(self, clip: clips.Clip) -> None:
        self.clip = clip

    def load(self) -> clips.Clip:
        """Return the model."""
        return self.clip


def mini(cache: Path) -> clips.Clip:
    """Return the mini CLIP."""
    weights = cache / "weights"
    if not (weights / "clip.safetensors").is_file():
        unpack(str(ROOT / "weights" / "mini"), str(weights))
    return clips.load_clip("clip-mini", str(weights / "clip.safetensors"), str(weights / "open_clip"),
                      str(weights / "tokenizer"), "python train.py")  # fmt: skip


def published(name: str = "ViT-B-32") -> clips.Clip:
    """Return a published architecture with random weights, which take as long."""
    import open_clip  # after `vlit`, which names the operators it asks for

    model = open_clip.create_model(name).float().eval()
    size = open_clip.get_model_config(name)["vision_cfg"]["image_size"]
    return clips.Clip(model, CropTransform(size), open_clip.get_tokenizer(name))


def measure(clip: clips.Clip, images: int) -> dict[str, Any]:
    """Measure both on so many images, and the share of the bare passes in ours."""
    samples = [
        Sample(one.id, (picture(place),), one.turns) for place, one in enumerate(synthetic_samples(images, seed=1))
    ]
    texts = sorted({text for one in samples for turn in one.turns for text in texts_of(turn)})
    pixels = torch.stack([clip.image_transform(one.images[0].load()) for one in samples])
    ids = clip.tokenize(texts)

    @torch.inference_mode()
    def bare() -> None:
        for start in range(0, len(pixels), BATCH):
            clip.model.encode_image(pixels[start : start + BATCH])
        for start in range(0, len(ids), BATCH):
            clip.model.encode_text(ids[start : start + BATCH])

    features = ImageFeatures(Loaded(clip), None, BATCH)
    bare()
    forward: list[Spent] = []
    ours: list[Spent] = []
    for _ in range(ROUNDS):
        forward.append(spent(bare)[0])
        ours.append(spent(lambda: matching_degrees(samples, features))[0])
    ratio = {
        kind: min(getattr(one, kind) for one in forward) / min(getattr(one, kind) for one in ours)
        for kind in ("wall", "cpu")
    }
    return {
        "images": len(pixels), "texts": len(ids), "threads": torch.get_num_threads(), "share_of_bare_forward": ratio,
        "ours": [asdict(one) for one in ours], "bare": [asdict(one) for one in forward],
    }  # fmt: skip


def picture(seed: int) -> Base64Image:
    """Return a JPEG of the mini world's size, smooth like a photograph."""
    rng = np.random.default_rng(seed)
    image = Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)).resize((64, 64), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return Base64Image(base64.b64encode(buffer.getvalue()).decode())
