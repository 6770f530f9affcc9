"""The stages in order. A stage whose output is there is done; an interrupted one goes on from its last save."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from vlit.data.templates import VICUNA_V1
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
    """All of `conf/pretrain.yaml`.

    Attributes:
        parts: the folder of mini weights; its `configs` and `open_clip` are the architectures.
        cache: rendered scenes, documents, states of interrupted stages.
        stages: which to run, in order.
        force: run a stage even if its output is there.
        seed: of everything.
        scenes: pictures for CLIP and alignment.
        documents: texts for the language models.
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
    documents: int
    vocabulary: int
    length: int
    threads: int
    budgets: dict[str, Budget]

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
        # The EVA-like tower and the text-only LLaMA go on into BLIP-2 and LLaVA and are not shipped themselves.
        folder = self.cache if stage in ("eva", "vicuna") else self.parts
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
    styles = ("question", "vicuna", "otter")
    chats = [corpus.as_dialogue(text, styles[place % 3]).replace("</s>", "") for place, text in enumerate(texts)]
    tokenizer.train([*chats, *[VICUNA_V1.system + alignment.INSTRUCTION] * 200], plan.vocabulary, plan.parts / "tokenizer")


def _clip(plan: Pretraining, stage: str) -> None:
    names = {"clip": "clip-mini", "eva": "eva-mini"}
    clip.train(
        names[stage],
        plan.parts / "open_clip",
        plan.pairs(),
        loading.tokenizer(plan.parts / "tokenizer"),
        plan.output(stage),
        plan.saved(stage),
        seed=plan.seed,
        **vars(plan.budgets[stage]),
    )


def _language(plan: Pretraining, stage: str) -> None:
    styles = {"opt": ("question", "otter"), "vicuna": ("vicuna",)}
    language.train(
        stage,
        mini.configuration(plan.parts, {"opt": "opt", "vicuna": "llama"}[stage]),
        plan.texts(),
        styles[stage],
        loading.tokenizer(plan.parts / "tokenizer"),
        plan.output(stage),
        plan.saved(stage),
        seed=plan.seed,
        length=plan.length,
        **vars(plan.budgets[stage]),
    )


def _alignment(plan: Pretraining, stage: str) -> None:
    budget = vars(plan.budgets[stage])
    alignment.train(stage, plan.parts, plan.cache, plan.pairs(), plan.saved(stage), plan.seed, **budget)


STAGES: dict[str, Callable[[Pretraining, str], None]] = {
    "tokenizer": _tokenizer,
    "clip": _clip,
    "eva": _clip,
    "opt": _language,
    "vicuna": _language,
    "llava": _alignment,
    "blip2": _alignment,
    "openflamingo": _alignment,
}
