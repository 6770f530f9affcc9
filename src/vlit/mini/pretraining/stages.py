"""The stages in order. A stage whose output exists is done; an interrupted one resumes from its last save."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from vlit.common.digest import write_sums
from vlit.common.errors import InputError
from vlit.data.templates import BLIP2, FLAMINGO, VICUNA_V1
from vlit.mini.pretraining import corpus, documents
from vlit.mini.pretraining.alignment import BEFORE_ALIGNMENT, INSTRUCTION, align, start_model, write_trained
from vlit.mini.pretraining.language import train_language_model, train_tokenizer
from vlit.mini.pretraining.vision import train_clip, train_connector
from vlit.mini.weights import mini_configuration
from vlit.models.family import VisionLanguageModel, find_family
from vlit.models.loading import load_tokenizer

_ROUNDS = ("connector", "captions")  # of alignment before the last, kept in the cache
_ALIGNED_FROM = ("eva", "opt_text", "vicuna")  # shipped, so that alignment alone can be made again
_UNSHIPPED = ("clip_first", "clip_second", "opt_short", "vicuna_short")


@dataclass(frozen=True)
class StageBudget:
    """How long a stage trains.

    Attributes:
        steps: optimiser steps.
        batch_size: images or documents per step.
        rate: peak learning rate.
    """

    steps: int
    batch_size: int
    rate: float


@dataclass(frozen=True)
class Pretraining:
    """The plan in `conf/pretrain.yaml`.

    Attributes:
        parts: folder of the mini weights; its `configs` and `open_clip` are the architectures.
        cache: folder of drawn scenes, documents and states of interrupted stages.
        stages: stages to run, in order.
        force: run a stage even if its output exists.
        seed: seed of everything random.
        scenes: number of images for CLIP and alignment.
        statement_scenes: number of these about which alignment reads statements.
        statement_weights: dimension -> how often alignment draws its statements, relative to others about an image.
        documents: number of texts for the language models, about whole scenes and again about a few things.
        conversations: number of conversations that OPT reads, and of texts that LLaVA reads in alignment.
        vocabulary: tokens of the tokenizer.
        length: most tokens of a document.
        threads: threads of torch.
        budgets: stage -> how long it trains.
    """

    parts: Path
    cache: Path
    stages: tuple[str, ...]
    force: bool
    seed: int
    scenes: int
    statement_scenes: int
    statement_weights: dict[str, float]
    documents: int
    conversations: int
    vocabulary: int
    length: int
    threads: int
    budgets: dict[str, StageBudget]

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", Path(self.parts))  # Hydra gives strings
        object.__setattr__(self, "cache", Path(self.cache))

    def run(self) -> None:
        """Run the stages.

        Raises:
            InputError: if there is no such stage.
        """
        for stage in self.stages:
            if stage not in STAGES:
                raise InputError(f"stages={stage}: there is no such stage, choose from {', '.join(STAGES)}")
        torch.set_num_threads(self.threads)
        for stage in self.stages:
            output = self.output(stage)
            if output.exists() and not self.force:
                print(f"{stage}: {output} exists")
                continue
            STAGES[stage](self, stage)
            write_sums(self.parts)
            print(f"{stage}: wrote {output}")

    def output(self, stage: str) -> Path:
        """Return the file that a stage writes."""
        if stage == "tokenizer":
            return self.parts / "tokenizer" / "tokenizer.json"
        family, _, name = stage.partition("_")
        if name in _ROUNDS:
            return self.cache / name / f"{family}.safetensors"
        if stage in _ALIGNED_FROM:
            return self.parts / BEFORE_ALIGNMENT / f"{stage}.safetensors"
        folder = self.cache if stage in _UNSHIPPED else self.parts
        return folder / f"{stage}.safetensors"

    def saved(self, stage: str) -> Path:
        """Return the file with the state of an interrupted stage."""
        return self.cache / f"{stage}.pt"

    def images(self) -> corpus.CaptionedImages:
        """Return the images with captions."""
        return corpus.captioned_images(self.scenes, self.seed, self.cache)

    def texts(self) -> list[str]:
        """Return documents of all lengths."""
        made = (documents.documents, documents.short_documents)
        return _shuffled(self, [text for make in made for text in make(self.documents, self.seed, self.cache)])


def _tokenizer(plan: Pretraining, stage: str) -> None:
    texts = plan.texts()[:4000]
    forms = (BLIP2, VICUNA_V1, FLAMINGO)
    rows = [documents.document_pieces(text, forms[index % 3]) for index, text in enumerate(texts)]
    chats = ["".join(piece.text for piece in row if not piece.special) for row in rows]
    train_tokenizer([*chats, *[VICUNA_V1.system + INSTRUCTION] * 200], plan.vocabulary, plan.parts / "tokenizer")


def _clip(plan: Pretraining, stage: str) -> None:
    before = {"clip_second": "clip_first", "eva": "clip_second", "clip": "clip_second"}
    train_clip(
        "eva-mini" if stage == "eva" else "clip-mini",
        plan.parts / "open_clip",
        plan.images(),
        load_tokenizer(plan.parts / "tokenizer"),
        plan.output(stage),
        plan.saved(stage),
        seed=plan.seed,
        start=plan.output(before[stage]) if stage in before else None,
        **vars(plan.budgets[stage]),
    )


def _short(plan: Pretraining, stage: str) -> None:
    _read(plan, stage, documents.short_documents(plan.documents, plan.seed, plan.cache))


def _opt(plan: Pretraining, stage: str) -> None:
    """Continue OPT with documents of all lengths and conversations."""
    conversations = documents.conversations(plan.conversations, plan.seed, plan.cache)
    _read(plan, stage, _shuffled(plan, [*plan.texts(), *conversations]), start=plan.output("opt_short"))


def _vicuna(plan: Pretraining, stage: str) -> None:
    """Continue LLaMA with documents of all lengths; conversations come in tuning, in which it is trained."""
    _read(plan, stage, plan.texts(), start=plan.output("vicuna_short"))


def _shuffled(plan: Pretraining, texts: list[str]) -> list[str]:
    return random.Random(plan.seed).sample(texts, len(texts))


def _read(plan: Pretraining, stage: str, texts: list[str], start: Path | None = None) -> None:
    name, templates = ("opt", (BLIP2, FLAMINGO)) if stage.startswith("opt") else ("llama", (VICUNA_V1,))
    train_language_model(
        stage,
        mini_configuration(plan.parts, name),
        texts,
        templates,
        load_tokenizer(plan.parts / "tokenizer"),
        plan.output(stage),
        plan.saved(stage),
        seed=plan.seed,
        length=plan.length,
        start=start,
        **vars(plan.budgets[stage]),
    )


def _connector(plan: Pretraining, stage: str) -> None:
    family = stage.partition("_")[0]
    model = _start(plan, family, None)
    # The encoder stays frozen, whose features a new Q-Former would spoil at first.
    replace(model.policy, trained=find_family(family).resampler).apply(model)
    train_connector(stage, model, plan.images(), plan.saved(stage), plan.seed, **vars(plan.budgets[stage]))
    write_trained(family, model, plan.output(stage).parent)


def _captions(plan: Pretraining, stage: str) -> None:
    _align(plan, stage, None if stage == "llava_captions" else "connector", None)


def _statements(plan: Pretraining, stage: str) -> None:
    known = corpus.image_statements(plan.statement_scenes, plan.seed, plan.cache)
    read = {
        "llava": lambda: plan.texts()[: plan.conversations],
        "blip2": lambda: documents.conversations(plan.conversations, plan.seed, plan.cache),
        "openflamingo": lambda: None,  # its language model stays frozen
    }[stage]()
    _align(plan, stage, "captions", corpus.Statements(known, plan.statement_weights), read)


def _align(
    plan: Pretraining,
    stage: str,
    before: str | None,
    statements: corpus.Statements | None,
    read: list[str] | None = None,
) -> None:
    """Train a round that starts from the round `before`, and write it."""
    family = stage.partition("_")[0]
    model = _start(plan, family, before)
    budget = vars(plan.budgets[stage])
    align(family, model, plan.images(), statements, read, plan.saved(stage), plan.seed, **budget)
    write_trained(family, model, plan.output(stage).parent)


def _start(plan: Pretraining, family: str, before: str | None) -> VisionLanguageModel:
    text = {
        "llava": plan.output("vicuna"),
        "blip2": plan.output("opt_text"),
        "openflamingo": plan.parts / "opt.safetensors",  # as BLIP-2's alignment leaves it
    }[family]
    start = plan.cache / before if before else None
    return start_model(family, plan.parts, plan.cache, text, start, plan.seed)


STAGES: dict[str, Callable[[Pretraining, str], None]] = {
    "tokenizer": _tokenizer,
    "clip_first": _clip,
    "clip_second": _clip,
    "clip": _clip,
    "eva": _clip,
    "opt_short": _short,
    "opt_text": _opt,
    "vicuna_short": _short,
    "vicuna": _vicuna,
    "llava_captions": _captions,
    "llava": _statements,
    "blip2_connector": _connector,
    "blip2_captions": _captions,
    "blip2": _statements,
    "openflamingo_connector": _connector,
    "openflamingo_captions": _captions,
    "openflamingo": _statements,
}
