"""Matching degree (MD): how well the words of a sample fit its image, by CLIP (paper 4.2.3 "Correctness", Table 4).

The paper fixes the similarity of CLIP's image and text representations and prints it around 30, the usual cosine x 100.
It leaves open what the text of a sample is and how a long one is read. Here each response is a text, cut into sentences,
since CLIP's context is short and one wrong sentence must not drown among right ones; a response of one or two words means
nothing by itself and is read behind its instruction. A response's degree is the mean over its sentences; a sample's is the
mean over its responses (`mean`, Table 4) and the least of them (`least`, what the filter looks at).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional
from tqdm import tqdm

from vlit.data.sample import Sample, Turn
from vlit.models.clip import Clip

SHORT = 3  # words; a shorter response is read behind its instruction
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True)
class MatchingDegree:
    """Matching degree of one sample, x 100: over its responses, the mean and the least."""

    sample_id: str
    mean: float
    least: float


def texts_of(turn: Turn) -> list[str]:
    """The texts of a turn that are held against the image."""
    response = turn.response.strip()
    if len(response.split()) < SHORT:
        return [f"{turn.instruction.strip()} {response}"]
    return [sentence for sentence in _SENTENCE_END.split(response) if sentence]


@torch.inference_mode()
def matching_degrees(samples: Sequence[Sample], clip: Clip, batch_size: int) -> list[MatchingDegree]:
    """Score samples that have an image; each image and each text is encoded once.

    A sample's last image is the one its supervised turns speak of (earlier ones belong to in-context examples).
    """
    pictured = [sample for sample in samples if sample.images]
    images = _encode_images(pictured, clip, batch_size)
    spoken = {sample.id: [texts_of(turn) for turn in sample.turns if turn.supervised] for sample in pictured}
    texts = _encode_texts({text for turns in spoken.values() for turn in turns for text in turn}, clip, batch_size)
    degrees = []
    for sample in pictured:
        image = images[sample.images[-1].key]
        turns = [
            sum(float(image @ texts[text]) for text in turn) / len(turn) for turn in spoken[sample.id] if turn
        ]
        if turns:
            degrees.append(MatchingDegree(sample.id, 100 * sum(turns) / len(turns), 100 * min(turns)))
    return degrees


def _encode_images(samples: Sequence[Sample], clip: Clip, batch_size: int) -> dict[str, torch.Tensor]:
    sources = {sample.images[-1].key: sample.images[-1] for sample in samples}
    keys = list(sources)
    found: dict[str, torch.Tensor] = {}
    for start in tqdm(range(0, len(keys), batch_size), desc="matching degree: images"):
        some = keys[start : start + batch_size]
        pixels = torch.stack([clip.image_transform(sources[key].load()) for key in some])
        features = functional.normalize(clip.model.encode_image(pixels), dim=-1)  # type: ignore[operator]
        found.update(zip(some, features, strict=True))
    return found


def _encode_texts(texts: set[str], clip: Clip, batch_size: int) -> dict[str, torch.Tensor]:
    ordered = sorted(texts)
    found: dict[str, torch.Tensor] = {}
    for start in tqdm(range(0, len(ordered), batch_size), desc="matching degree: texts"):
        some = ordered[start : start + batch_size]
        features = functional.normalize(clip.model.encode_text(clip.tokenize(some)), dim=-1)  # type: ignore[operator]
        found.update(zip(some, features, strict=True))
    return found
