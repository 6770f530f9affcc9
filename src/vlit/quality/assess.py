"""From a dataset to its row of Table 4: statistics of every sample once, then the indicators over the drawn samples.

Statistics are those of the whole dataset a curated one is part of, so `ours_qc` costs nothing after `ours`; indicators
are over the samples that are drawn (equal sizes, section 5.1.2). An indicator that can't be had (no judge, no
language model, no parser) stays empty with its reason, and stand-ins have names of their own.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa
import pyarrow.compute as pc
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig

from vlit.common.errors import InputError
from vlit.data.sample import Sample
from vlit.llm.cache import CachedModel
from vlit.llm.request import Prompt, Sampling
from vlit.quality.indicators.contrast import Contrast
from vlit.quality.indicators.correctness import Correctness
from vlit.quality.indicators.granularity import Objects
from vlit.quality.indicators.instruction_complexity import AskedComplexity, RuleComplexity
from vlit.quality.indicators.instruction_diversity import InstructionDiversity
from vlit.quality.indicators.response_diversity import ResponseDiversity, ResponseEmbedding, vectors
from vlit.quality.indicators.tasks import (
    AskedTask,
    NearestTags,
    NearestTask,
    ProposedTags,
    TagSystem,
    balance,
    tag_system,
    tasks_in_use,
)
from vlit.quality.judges.asked import Judge
from vlit.quality.sentence_encoder import Encode, SentenceEncoder, instructions
from vlit.quality.statistics import Measure, Shard, StatisticsStore, text_fault

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tags:
    """Thresholds of the tag system."""

    coverage: float = 0.01
    redundancy: float = 0.8
    most: int = 30
    selective: bool = True


@runtime_checkable
class PromptingMeasure(Measure, Protocol):
    """A measure that prompts a language model."""

    llm: CachedModel

    def prompts(self, sample: Sample) -> list[Prompt]:
        """Make the prompts about a sample."""


@dataclass
class Assessment:
    """What an assessment is made with. Measures are made when they are needed, and may refuse with an `InputError`.

    Attributes:
        measures: by the indicator they feed: MD, C, R, OG, I_cx and stand-ins.
        encoder: makes the sentence encoder.
        propose: encoder -> the measure of proposed tags.
        assign: encoder, tag system -> the measure of tasks.
        missing: indicators that no measure is configured for, with the reason.
        response_clusters: the cluster of each sample's responses (-1: noise), once `indicators` has found them.
    """

    measures: dict[str, Callable[[], Measure]]
    encoder: Callable[[], Encode]
    propose: Callable[[Encode], Measure]
    assign: Callable[[Encode, TagSystem], Measure]
    missing: dict[str, str] = field(default_factory=dict)
    tags: Tags = field(default_factory=Tags)
    instruction_diversity: InstructionDiversity = field(default_factory=InstructionDiversity)
    response_diversity: ResponseDiversity = field(default_factory=ResponseDiversity)
    response_clusters: dict[str, int] = field(default_factory=dict, init=False)

    @cached_property
    def encode(self) -> Encode:
        """The sentence encoder, made once."""
        return self.encoder()

    def statistics(self, store: StatisticsStore, samples: Sequence[Sample], shard: Shard) -> dict[str, pa.Table]:
        """Compute what is missing of a shard; with one shard, return the tables by indicator (tasks under "T").

        A sharded run computes all but tasks, which need everybody's proposed tags; the run over all parts that comes
        after the shards computes tasks only.
        """
        made: dict[str, Measure] = {}
        for key, make in {**self.measures, "tags": lambda: self.propose(self.encode)}.items():
            try:
                made[key] = make()
            except InputError as error:
                self._set_missing(key, str(error))
                continue
            self._compute(store, made[key], samples, shard)
        if shard.of > 1:
            return {}
        tables = {key: store.read(measure, samples) for key, measure in made.items()}
        if "tags" in tables:
            system = self.system(tables["tags"])
            log.info("%d tags: %s", len(system.tags), ", ".join(system.tags))
            tasks = self.assign(self.encode, system)
            self._compute(store, tasks, samples, shard)
            tables["T"] = store.read(tasks, samples)
        return tables

    def _compute(self, store: StatisticsStore, measure: Measure, samples: Sequence[Sample], shard: Shard) -> None:
        if isinstance(measure, PromptingMeasure):  # all at once: a server is kept busy, and a batch is one batch
            missing = (one for one in store.missing(measure, samples, shard) if text_fault(one) is None)
            measure.llm([prompt for one in missing for prompt in measure.prompts(one)])
        store.compute(measure, samples, shard)

    def system(self, proposals: pa.Table) -> TagSystem:
        """The tag system of a dataset's proposals."""
        proposed = [tags or [] for tags in proposals["tags"].to_pylist()]
        return tag_system(proposed, self.encode, self.tags.coverage, self.tags.redundancy, self.tags.most)

    def indicators(self, tables: dict[str, pa.Table], samples: Sequence[Sample]) -> dict[str, Any]:
        """The indicators over drawn samples: `{indicators, reasons, details}` of `quality.json`."""
        drawn = pa.array([sample.id for sample in samples], pa.string())
        tables = {key: table.filter(pc.is_in(table["sample_id"], drawn)) for key, table in tables.items()}
        measured = {key: table.filter(pc.is_null(table["fault"])) for key, table in tables.items()}
        measured = {key: table for key, table in measured.items() if len(table)}
        values: dict[str, float | int] = {}
        details: dict[str, Any] = {
            "samples": len(samples),
            "faults": {key: _faults(table) for key, table in tables.items()},
        }
        for key, column, scale in _MEANS:
            if key in measured:
                values[key] = scale * math.fsum(measured[key][column].to_pylist()) / len(measured[key])
        details["lowest"] = _lowest(measured["MD"]) if "MD" in measured else {"worst": [], "best": []}
        if "T" in measured:
            self._tasks(measured["T"], samples, values, details)
        if "R" in measured:
            values["R"], labels = self.response_diversity.of(vectors(measured["R"]["embedding"]))
            self.response_clusters = dict(zip(measured["R"]["sample_id"].to_pylist(), labels.tolist(), strict=True))
            details["response_clusters"] = dict(Counter(map(str, labels.tolist())).most_common())
        reasons = {key: self.missing.get(key, "no sample has a value") for key in _ALL if key not in values}
        return {"indicators": {**dict.fromkeys(_ALL), **values}, "reasons": reasons, "details": details}

    def _set_missing(self, key: str, reason: str) -> None:
        for indicator in ("T", "I_div", "Balance") if key == "tags" else (key,):
            self.missing[indicator] = reason
        log.warning("%s stays empty: %s", key, reason)

    def _tasks(
        self, table: pa.Table, samples: Sequence[Sample], values: dict[str, float | int], details: dict[str, Any]
    ) -> None:
        ids = table["sample_id"].to_pylist()
        tasks = dict(zip(ids, table["task"].to_pylist(), strict=True))
        of_instructions = dict(zip(ids, table["tasks"].to_pylist(), strict=True))
        details["tasks"] = dict(Counter(tasks.values()).most_common())
        used = tasks_in_use(list(tasks.values()), self.tags.coverage)
        values["T"] = len(used)
        values["Balance"] = balance([task for task in tasks.values() if task in used])
        values["I_div"], details["instruction_clusters"] = self.instruction_diversity.of(
            (task, text)
            for sample in samples
            if sample.id in tasks
            for task, text in zip(of_instructions[sample.id], instructions(sample), strict=True)
            if task in used
        )


_ALL = ("MD", "C", "T", "I_div", "R", "OG", "I_cx", "Balance")
_MEANS = (
    ("MD", "mean", 1),
    ("C", "correct", 100),
    ("C_contrast", "correct", 100),
    ("OG", "objects", 1),
    ("I_cx", "complexity", 1),
    ("I_cx_rule", "complexity", 1),
)


def _faults(table: pa.Table) -> dict[str, int]:
    return dict(Counter(fault for fault in table["fault"].to_pylist() if fault).most_common())


def _lowest(table: pa.Table, number: int = 12) -> dict[str, list[str]]:
    ranked = sorted(zip(table["least"].to_pylist(), table["sample_id"].to_pylist(), strict=True))
    return {"worst": [name for _, name in ranked[:number]], "best": [name for _, name in ranked[::-1][:number]]}


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
            measures["C"] = lambda: Correctness(_judge(cfg), cfg.judge.times)
    llm = _language_model(cfg)
    if llm is not None:
        measures["I_cx"] = lambda: AskedComplexity(llm)
    return Assessment(
        measures=measures,
        encoder=one_encoder,
        propose=NearestTags if llm is None else lambda encode: ProposedTags(llm),
        assign=NearestTask
        if llm is None
        else lambda encode, system: AskedTask(llm, encode, system, cfg.tags.selective),
        missing=missing,
        tags=Tags(**cfg.tags),
        instruction_diversity=InstructionDiversity(**cfg.instruction_diversity),
        response_diversity=ResponseDiversity(**cfg.response_diversity),
    )


def _language_model(cfg: DictConfig) -> CachedModel | None:
    model = _made(cfg.llm)
    return CachedModel(model, _of_shard(cfg.replies, cfg.shard), Sampling(**cfg.sampling)) if model else None


def _judge(cfg: DictConfig) -> Judge:
    build = cfg.judge.build
    own = {"replies": _of_shard(build.replies, cfg.shard)} if "replies" in build else {}
    judge: Judge = _made(build, **own)
    return judge


def _of_shard(replies: str, shard: str) -> Path:
    """Return the file of a shard's replies: shards may run at the same time, and a file is open in one process only."""
    path, part = Path(replies), Shard.parse(shard)
    return path if part.of == 1 else path.with_stem(f"{path.stem}-{part.number}-of-{part.of}")


def _made(config: DictConfig, **arguments: Any) -> Any:
    """Instantiate; what the object itself refuses is its own error, so that an indicator can stay empty for it."""
    try:
        return instantiate(config, _convert_="all", **arguments)
    except InstantiationException as error:
        if isinstance(error.__cause__, InputError):
            raise error.__cause__ from None
        raise
