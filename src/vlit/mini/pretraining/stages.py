"""The stages in order. A stage whose output is there is done; an interrupted one goes on from its last save."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from vlit.common.errors import InputError
from vlit.data.templates import BLIP2, FLAMINGO, VICUNA_V1
from vlit.mini import weights
from vlit.mini.pretraining import alignment, clip, connector, corpus, language
from vlit.models import loading

ROUNDS = ("connector", "captions")  # of alignment before the last, kept in the cache
UNSHIPPED = ("clip_first", "clip_second", "eva", "opt_short", "opt_text", "vicuna_short", "vicuna")


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
        asked_for: dimension -> how often alignment asks for it, relative to the others that a picture can be asked for.
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
    asked_for: dict[str, float]
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
        family, _, round = stage.partition("_")
        if round in ROUNDS:
            return self.cache / round / f"{family}.safetensors"
        folder = self.cache if stage in UNSHIPPED else self.parts
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
    language.train_tokenizer(
        [*chats, *[VICUNA_V1.system + alignment.INSTRUCTION] * 200], plan.vocabulary, plan.parts / "tokenizer"
    )


def _clip(plan: Pretraining, stage: str) -> None:
    before = {"clip_second": "clip_first", "eva": "clip_second", "clip": "clip_second"}
    clip.train(
        "eva-mini" if stage == "eva" else "clip-mini",
        plan.parts / "open_clip",
        plan.pairs(),
        loading.load_tokenizer(plan.parts / "tokenizer"),
        plan.output(stage),
        plan.saved(stage),
        seed=plan.seed,
        start=plan.output(before[stage]) if stage in before else None,
        **vars(plan.budgets[stage]),
    )


def _short(plan: Pretraining, stage: str) -> None:
    texts = corpus.short_documents(plan.documents, plan.seed, plan.cache)
    _read(plan, stage, texts)


def _opt(plan: Pretraining, stage: str) -> None:
    """OPT goes on with long documents and conversations."""
    spoken = corpus.conversations(plan.conversations, plan.seed, plan.cache)
    texts = [*spoken, *plan.texts()[: len(spoken)]]
    random.Random(plan.seed).shuffle(texts)
    _read(plan, stage, texts, start=plan.output("opt_short"))


def _vicuna(plan: Pretraining, stage: str) -> None:
    """LLaMA goes on with long documents; it meets conversations in tuning, in which it learns."""
    _read(plan, stage, plan.texts(), start=plan.output("vicuna_short"))


def _read(plan: Pretraining, stage: str, texts: list[str], start: Path | None = None) -> None:
    name, templates = ("opt", (BLIP2, FLAMINGO)) if stage.startswith("opt") else ("llama", (VICUNA_V1,))
    language.train(
        stage,
        weights.configuration(plan.parts, name),
        texts,
        templates,
        loading.load_tokenizer(plan.parts / "tokenizer"),
        plan.output(stage),
        plan.saved(stage),
        seed=plan.seed,
        length=plan.length,
        start=start,
        **vars(plan.budgets[stage]),
    )


def _connector(plan: Pretraining, stage: str) -> None:
    family = stage.partition("_")[0]
    model = _started(plan, family, None)
    replace(model.policy, trained=connector.LEARNS[family]).apply(model)
    connector.train(stage, model, plan.pairs(), plan.saved(stage), plan.seed, **vars(plan.budgets[stage]))
    alignment.write(family, model, plan.output(stage).parent)


def _captions(plan: Pretraining, stage: str) -> None:
    _align(plan, stage, None if stage == "llava_captions" else "connector", None)


def _questions(plan: Pretraining, stage: str) -> None:
    asked = alignment.Questions(corpus.questions(plan.asked, plan.seed, plan.cache), plan.asked_for)
    spoken = corpus.conversations(plan.conversations, plan.seed, plan.cache) if stage == "blip2" else None
    _align(plan, stage, "captions", asked, spoken)


def _align(
    plan: Pretraining,
    stage: str,
    before: str | None,
    asked: alignment.Questions | None,
    spoken: list[str] | None = None,
) -> None:
    """Train a round from the round `before` and write it."""
    family = stage.partition("_")[0]
    model = _started(plan, family, before)
    budget = vars(plan.budgets[stage])
    alignment.align(family, model, plan.pairs(), asked, spoken, plan.saved(stage), plan.seed, **budget)
    alignment.write(family, model, plan.output(stage).parent)


def _started(plan: Pretraining, family: str, before: str | None) -> Any:
    text = {
        "llava": plan.output("vicuna"),
        "blip2": plan.output("opt_text"),
        "openflamingo": plan.parts / "opt.safetensors",  # as BLIP-2's alignment leaves it
    }[family]
    start = plan.cache / before if before else None
    return alignment.started(family, plan.parts, plan.cache, text, start, plan.seed)


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
    "llava": _questions,
    "blip2_connector": _connector,
    "blip2_captions": _captions,
    "blip2": _questions,
    "openflamingo_connector": _connector,
    "openflamingo_captions": _captions,
    "openflamingo": _questions,
}
