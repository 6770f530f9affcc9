"""What a cut takes away is noted by sample: tokens, and images that are never shown."""

from __future__ import annotations

from pathlib import Path

import torch

from vlit.data.dataset import InstructionDataset
from vlit.data.encode import Encoder
from vlit.data.formats.llava import read_llava
from vlit.data.sample import Rejects
from vlit.data.templates import TEMPLATES

CASE = Path(__file__).resolve().parents[1] / "cases" / "train_cut_conversations"


def test_cut_conversations_and_unseen_images_are_noted(llama_legacy) -> None:
    rejects = Rejects()
    samples = read_llava(CASE / "data.json", CASE / "images", rejects)
    encoder = Encoder(llama_legacy, llama_legacy.convert_tokens_to_ids("<image>"), 8, max_length=120, add_bos=True)
    dataset = InstructionDataset(samples, TEMPLATES["vicuna_v1"], encoder, lambda image: torch.zeros(3, 2, 2), rejects)
    notes = [row for row in rejects.rows if row.sample_kept]
    assert dataset.truncated == len(notes) > 0
    assert all(row.reason == "cut to max_length=120" and row.place.startswith("data.json[") for row in notes)
    assert any("images are not shown" in row.detail for row in notes)
    assert len(dataset) + len(rejects) == len(samples)
