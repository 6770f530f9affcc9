"""An assessment from its configuration: which measures there are, and why the others are not."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig

from vlit.errors import InputError
from vlit.quality.answers import Answers
from vlit.quality.assess import Assessment, Tags
from vlit.quality.contrast import Contrast
from vlit.quality.correctness import Correctness
from vlit.quality.instruction_complexity import AskedComplexity, RuleComplexity
from vlit.quality.instruction_diversity import InstructionDiversity
from vlit.quality.objects import Objects
from vlit.quality.response_diversity import ResponseDiversity, ResponseEmbedding
from vlit.quality.sentence_encoder import SentenceEncoder
from vlit.quality.statistics import Measure, Shard
from vlit.quality.task_tags import AskedTask, NearestTags, NearestTask, ProposedTags

NO_JUDGE = "no judge that is asked: assess.py judge=server or judge=llava"
NO_LLM = "no language model: assess.py llm=server, llm=batch or llm=local (I_cx_rule is the offline stand-in)"


def assessment(cfg: DictConfig, family_judge: Callable[[], Any]) -> Assessment:
    """Make an assessment.

    Args:
        cfg: the configuration of `assess.py`.
        family_judge: makes the judge out of one of our models (it needs a model, which is built to the right of here).
    """
    if cfg.judge.kind not in ("none", "server", "llava", "family"):
        raise InputError(f"judge.kind={cfg.judge.kind}: it is none, server, llava or family")
    encoder: Callable[[], SentenceEncoder] = partial(SentenceEncoder, **cfg.encoder)
    made: list[SentenceEncoder] = []

    def one_encoder() -> SentenceEncoder:
        if not made:
            made.append(encoder())
        return made[0]

    measures: dict[str, Callable[[], Measure]] = {
        "MD": lambda: instantiate(cfg.quality).measure(),
        "R": lambda: ResponseEmbedding(one_encoder()),
        "OG": lambda: Objects(_made(cfg.parser)),
        "I_cx_rule": RuleComplexity,
    }
    missing = {"C": NO_JUDGE, "I_cx": NO_LLM}
    if cfg.judge.kind != "none":
        if cfg.judge.kind == "family":
            measures["C_contrast"] = lambda: Contrast(family_judge(), cfg.judge.times)
        else:
            build = partial(_made, cfg.judge.build)
            measures["C"] = lambda: Correctness(build(), cfg.judge.times, cfg.judge.workers)
    answers = _answers(cfg)
    if answers is not None:
        measures["I_cx"] = lambda: AskedComplexity(answers)
    return Assessment(
        measures=measures,
        encoder=one_encoder,
        propose=NearestTags if answers is None else lambda encode: ProposedTags(answers),
        assign=NearestTask
        if answers is None
        else lambda encode, system: AskedTask(answers, encode, system, cfg.llm.selective),
        missing=missing,
        tags=Tags(**cfg.tags),
        instruction_diversity=InstructionDiversity(**cfg.instruction_diversity),
        response_diversity=ResponseDiversity(**cfg.response_diversity),
    )


def _answers(cfg: DictConfig) -> Answers | None:
    """The language model with its replies; shards, which may run at the same time, have a file each."""
    if cfg.llm.build is None:
        return None
    shard, replies = Shard.parse(cfg.shard), Path(cfg.llm.replies)
    if shard.of > 1:
        replies = replies.with_stem(f"{replies.stem}-{shard.number}-of-{shard.of}")
    return Answers(_made(cfg.llm.build), replies)


def _made(config: DictConfig) -> Any:
    """Instantiate; what the object itself refuses is its own error, so that an indicator can stay empty for it."""
    try:
        return instantiate(config, _convert_="all")
    except InstantiationException as error:
        if isinstance(error.__cause__, InputError):
            raise error.__cause__ from None
        raise
