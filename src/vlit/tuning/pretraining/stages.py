"""The stages in order. A stage whose output is there is done; an interrupted one goes on from its last save."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from vlit.data.templates import BLIP2, FLAMINGO, VICUNA_V1, Template
from vlit.errors import InputError
from vlit.models import loading, mini
from vlit.tuning.pretraining import alignment, clip, corpus, language, tokenizer


@dataclass(frozen=True)
class Budget:
    """How long a stage trains."""

    steps: int
    batch_size: int
    rate: float


@dataclass(frozen=True)
class Pretraining:
    """The plan in `conf/pretrain.yaml`.

    Attributes:
        parts: the folder of mini weights; its `configs` and `open_clip` are the architectures.
        cache: rendered scenes, documents, states of interrupted stages.
        stages: which to run, in order.
        force: run a stage even if its output is there.
        seed: of everything.
        scenes: pictures for CLIP and alignment.
        asked: pictures of these that alignment asks questions about.
        documents: texts for the language models.
        conversations: scenes of the world that OPT's conversations are about.
        vocabulary: tokens.
        length: most tokens of a document.
        threads: of torch.
        budgets: stage -> `Budget`.
    """

    parts: Path
    cache: Path
    stages: tuple[str, ...]
    force: bool
    seed: int
    scenes: int
    asked: int
    documents: int
    conversations: int
    vocabulary: int
    length: int
    threads: int
    budgets: dict[str, Budget]

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", Path(self.parts))  # Hydra gives strings
        object.__setattr__(self, "cache", Path(self.cache))

    def run(self) -> None:
        """Run the stages.

        Raises:
            InputError: for a stage that does not exist.
        """
        torch.set_num_threads(self.threads)
        for stage in self.stages:
            if stage not in STAGES:
                raise InputError(f"no stage {stage!r}: stages are {', '.join(STAGES)}")
            output = self.output(stage)
            if output.exists() and not self.force:
                print(f"{stage}: {output} is there already")
                continue
            STAGES[stage](self, stage)
            print(f"{stage}: wrote {output}")

    def output(self, stage: str) -> Path:
        """What a stage writes."""
        if stage == "tokenizer":
            return self.parts / "tokenizer" / "tokenizer.json"
        if stage.endswith("_captions"):
            return self.cache / "captions" / f"{stage.removesuffix('_captions')}.safetensors"
        # What goes on into a later stage is not shipped itself.
        folder = self.cache if stage in ("clip_first", "eva", "opt_text", "vicuna") else self.parts
        return folder / f"{stage}.safetensors"

    def saved(self, stage: str) -> Path:
        """The state of an interrupted stage."""
        return self.cache / f"{stage}.pt"

    def pairs(self) -> corpus.Pairs:
        """Pictures with captions."""
        return corpus.pairs(self.scenes, self.seed, self.cache)

    def texts(self) -> list[str]:
        """Documents."""
        return corpus.documents(self.documents, self.seed, self.cache)


def _tokenizer(plan: Pretraining, stage: str) -> None:
    texts = plan.texts()[:4000]
    forms = (BLIP2, VICUNA_V1, FLAMINGO)
    pieces = [corpus.dialogue(text, forms[place % 3]) for place, text in enumerate(texts)]
    chats = ["".join(piece.text for piece in row if not piece.special) for row in pieces]
    tokenizer.train(
        [*chats, *[VICUNA_V1.system + alignment.INSTRUCTION] * 200], plan.vocabulary, plan.parts / "tokenizer"
    )


def _clip(plan: Pretraining, stage: str) -> None:
    names = {"clip_first": "clip-mini", "eva": "eva-mini", "clip": "clip-mini"}
    clip.train(
        names[stage],
        plan.parts / "open_clip",
        plan.pairs(),
        loading.tokenizer(plan.parts / "tokenizer"),
        plan.output(stage),
        plan.saved(stage),
        seed=plan.seed,
        start=None if stage == "clip_first" else plan.output("clip_first"),
        **vars(plan.budgets[stage]),
    )


def _language(plan: Pretraining, stage: str) -> None:
    name, templates = {"opt_text": ("opt", (BLIP2, FLAMINGO)), "vicuna": ("llama", (VICUNA_V1,))}[stage]
    _read(plan, stage, name, plan.texts(), templates)


def _conversation(plan: Pretraining, stage: str) -> None:
    """OPT goes on with conversations, and every third text a document, so that it forgets nothing."""
    spoken = corpus.conversations(plan.conversations, plan.seed, plan.cache)
    texts = [*spoken, *plan.texts()[: len(spoken) // 2]]
    random.Random(plan.seed).shuffle(texts)
    _read(plan, stage, "opt", texts, (BLIP2, FLAMINGO), start=plan.output("opt_text"))


def _read(
    plan: Pretraining,
    stage: str,
    name: str,
    texts: list[str],
    templates: tuple[Template, ...],
    start: Path | None = None,
) -> None:
    language.train(
        stage,
        mini.configuration(plan.parts, name),
        texts,
        templates,
        loading.tokenizer(plan.parts / "tokenizer"),
        plan.output(stage),
        plan.saved(stage),
        seed=plan.seed,
        length=plan.length,
        start=start,
        **vars(plan.budgets[stage]),
    )


def _captioning(plan: Pretraining, stage: str) -> None:
    _align(plan, stage, None, None)


def _questions(plan: Pretraining, stage: str) -> None:
    asked = corpus.questions(plan.asked, plan.seed, plan.cache)
    _align(plan, stage, asked, plan.output(f"{stage}_captions").parent)


def _align(plan: Pretraining, stage: str, asked: alignment.Questions | None, start: Path | None) -> None:
    alignment.train(
        stage.removesuffix("_captions"),
        plan.parts,
        plan.cache,
        plan.pairs(),
        asked,
        start,
        plan.output(stage).parent,
        plan.saved(stage),
        plan.seed,
        **vars(plan.budgets[stage]),
    )


STAGES: dict[str, Callable[[Pretraining, str], None]] = {
    "tokenizer": _tokenizer,
    "clip_first": _clip,
    "eva": _clip,
    "clip": _clip,
    "opt_text": _language,
    "opt": _conversation,
    "vicuna": _language,
    "llava_captions": _captioning,
    "blip2_captions": _captioning,
    "openflamingo_captions": _captioning,
    "llava": _questions,
    "blip2": _questions,
    "openflamingo": _questions,
}
