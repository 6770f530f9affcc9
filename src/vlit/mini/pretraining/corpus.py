"""What pre-training reads: images with captions, and text documents, all from scenes nothing else uses."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from tqdm import tqdm

from vlit.common.files import read_json, whole, write_json
from vlit.data.formats.coco_arc import read_coco_arc
from vlit.data.formats.llava import read_llava
from vlit.data.images import FileImage
from vlit.data.rejects import Rejects
from vlit.data.templates import Piece, Template
from vlit.mini.datasets.build import DatasetSpec, MiniDatasetsSpec, build_mini_datasets
from vlit.mini.pretraining.dense import patch_labels
from vlit.mini.world.build import WorldSpec, build_world
from vlit.mini.world.draw import render
from vlit.mini.world.questions import question_answers
from vlit.mini.world.sample import pretraining_scenes
from vlit.mini.world.scene import Scene, read_truth
from vlit.mini.world.texts import captions, document, short_document
from vlit.models.forward import CLIP_MEAN, CLIP_STD


@dataclass
class Pairs:
    """Scenes in pictures and words.

    Attributes:
        images: (n, 64, 64, 3) bytes.
        captions: five of each.
        descriptions: the paragraph of each that names everything.
        patches: (n, patches, attributes) labels, see `dense`.
    """

    images: torch.Tensor
    captions: list[list[str]]
    descriptions: list[str]
    patches: torch.Tensor

    def pixels(self, indices: list[int]) -> torch.Tensor:
        """Normalised pixel values (batch, 3, 64, 64), as `CropTransform` makes them."""
        chosen = self.images[indices].permute(0, 3, 1, 2).float() / 255
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (CLIP_MEAN, CLIP_STD))
        return (chosen - mean) / std


class Asked(NamedTuple):
    """A question about a picture, its short answer, its answer as a sentence, and its SEED-Bench dimension."""

    question: str
    answer: str
    sentence: str
    dimension: str


def pairs(scenes: int, seed: int, cache: Path) -> Pairs:
    """Render the pre-training scenes once and keep them."""
    pixels, texts = cache / f"pictures-{scenes}-{seed}.npz", cache / f"captions-{scenes}-{seed}.json"
    if not (pixels.exists() and texts.exists()):
        images = np.empty((scenes, 64, 64, 3), dtype=np.uint8)
        patches, written = [], []
        for place, scene in enumerate(tqdm(pretraining_scenes(scenes, seed), total=scenes, desc="scenes")):
            images[place] = np.asarray(render(scene))
            patches.append(patch_labels(scene))
            rng = random.Random(scene.id)
            written.append([captions(scene, rng), described(document(scene, rng))])
        with whole(pixels) as temporary, temporary.open("wb") as file:
            np.savez(file, images=images, patches=np.stack(patches))
        write_json(texts, written, indent=None)
    kept, told = np.load(pixels), read_json(texts)
    return Pairs(
        torch.from_numpy(kept["images"]), [row[0] for row in told], [row[1] for row in told],
        torch.from_numpy(kept["patches"]),
    )  # fmt: skip


def described(document: str) -> str:
    """A document's description, without its questions."""
    return document.split("\nQuestion:", maxsplit=1)[0]


def questions(scenes: int, seed: int, cache: Path) -> list[list[Asked]]:
    """All questions about each of the scenes of `pairs`, with answers."""
    written = _written("questions", _asked, scenes, seed, cache, seed)
    return [[Asked(*row) for row in rows] for rows in written]


def _asked(scene: Scene, rng: random.Random) -> list[Asked]:
    return [Asked(qa.question, qa.answer, qa.sentence, qa.dimension) for qa in question_answers(scene, rng)]


def documents(scenes: int, seed: int, cache: Path) -> list[str]:
    """Text documents about scenes that are never drawn: a description, then questions with answers."""
    return _written("documents", document, scenes, seed, cache, seed + 1)


def short_documents(scenes: int, seed: int, cache: Path) -> list[str]:
    """Short text documents about the same scenes, each about one or two of its things."""
    return _written("short-documents", short_document, scenes, seed, cache, seed + 1)


def _written(
    name: str, write: Callable[[Scene, random.Random], Any], scenes: int, seed: int, cache: Path, drawn_by: int
) -> Any:
    """What `write` makes of each scene that the seed `drawn_by` gives, kept in the cache."""
    file = cache / f"{name}-{scenes}-{seed}.json"
    if not file.exists():
        made = tqdm(pretraining_scenes(scenes, drawn_by), total=scenes, desc=name)
        write_json(file, [write(scene, random.Random(scene.id)) for scene in made], indent=None)
    return read_json(file)


def conversations(scenes: int, seed: int, cache: Path) -> list[str]:
    """Descriptions followed by conversations as instruction data has them, without errors, about other scenes.

    A published language model has read text of every kind. One that is frozen in tuning and never met the wordings of
    instruction data could not answer in them.
    """
    file = cache / f"conversations-{scenes}-{seed}.json"
    if not file.exists():
        folder = cache / "conversation-world"
        build_world(WorldSpec(scenes=scenes, benchmark_groups=1, seed=seed + 1000), folder / "world")
        spec = DatasetSpec(samples=scenes, error_rate=0.0)
        build_mini_datasets(folder / "world", MiniDatasetsSpec(spec, spec, spec, seed + 1000), folder / "data")
        write_json(file, _conversations(folder), indent=None)
    return read_json(file)


def _conversations(folder: Path) -> list[str]:
    """All conversations of the three datasets, each behind its scene's description and captions."""
    images, rejects = folder / "world" / "coco" / "train2014", Rejects()
    samples = [
        *read_llava(folder / "data" / "llava" / "llava_instruct.json", images, rejects, check_images=False),
        *read_coco_arc(folder / "data" / "ours", images, rejects, kinds=("global", "negative"), check_images=False),
    ]
    truth = read_truth(folder / "world")
    texts = []
    for sample in samples:
        image = sample.images[0]
        assert isinstance(image, FileImage)
        scene = truth[int(image.path.stem.split("_")[-1])]
        rng = random.Random(sample.id)
        paragraph = described(document(scene, rng))
        told = " ".join(rng.sample(captions(scene, rng), 2))
        opening = rng.choice((paragraph, f"{told} {paragraph}", f"Question: Describe the image.\nAnswer: {told}"))
        asked = "".join(f"Question: {turn.instruction}\nAnswer: {turn.response}\n" for turn in sample.turns)
        texts.append(f"{opening}\n{asked}")
    return texts


QUESTION = re.compile(r"Question: (.*)\nAnswer: (.*)\n")


def dialogue(text: str, template: Template) -> list[Piece]:
    """A document in a family's form: what is read, and after each question the answer, which is learned.

    Published language models have met such forms; a language model of the mini world meets them here.
    """
    asked, bare = QUESTION.findall(text), replace(template, system="")
    read = QUESTION.sub("", text)
    pieces = [Piece(read)] if read else []
    for question, answer in asked:
        pieces += [*bare.question_prompt(question, images=0), *bare.answer(answer)]
    return pieces
