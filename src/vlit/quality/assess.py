"""From a dataset to its row of Table 4: statistics of every sample once, then the indicators over the drawn samples.

Statistics are those of the whole store a curated dataset is part of, so `ours_qc` costs nothing after `ours`;
indicators are over the samples that are drawn (equal sizes, section 5.1.2). An indicator that can't be had (no judge,
no language model, no parser) stays empty with its reason, and stand-ins have names of their own.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
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
from vlit.quality.focus import FocusLabeller
from vlit.quality.indicators.registry import BY_KEY, Indicator
from vlit.quality.instruments import Features, Instruments, Judge, LikelihoodJudge, NotConfiguredError, TagSystem
from vlit.quality.sentence_encoder import SentenceEncoder
from vlit.quality.statistics import Measure, Shard, StatisticsStore, text_fault
from vlit.quality.tags import TagSettings, focus_system, proposals, tag_system

log = logging.getLogger(__name__)

JUDGES = ("server", "llava", "family")
TAGS = "tags"  # the statistic that the tag system is made of


@runtime_checkable
class PromptingMeasure(Measure, Protocol):
    """A measure that prompts a language model."""

    llm: CachedModel

    def prompts(self, sample: Sample) -> list[Prompt]:
        """Make the prompts about a sample."""


@dataclass
class Assessment:
    """Measures samples and computes the registered indicators of a dataset.

    Attributes:
        instruments: what statistics are measured with.
        indicators: all that are registered, in the order of the report.
        missing: why there is no statistic, by the key of its indicator, once `statistics` has run.
    """

    instruments: Instruments
    indicators: Sequence[Indicator] = field(default_factory=lambda: tuple(BY_KEY.values()))
    missing: dict[str, str] = field(default_factory=dict, init=False)

    def statistics(self, store: StatisticsStore, samples: Sequence[Sample], shard: Shard) -> dict[str, pa.Table]:
        """Compute what is missing of a shard; with one shard, return the tables by the key of their indicator.

        A sharded run computes all but what needs the tag system, which is made of every sample's proposed tags; the
        run over all parts that comes after the shards computes only that.
        """
        makers: dict[str, Callable[[], Measure]] = self._makers(with_tags=False)
        makers[TAGS] = partial(proposals, self.instruments)
        made = self._compute(makers, store, samples, shard)
        if shard.of > 1:
            return {}
        tables = {key: store.read(measure, samples) for key, measure in made.items()}
        if TAGS in tables:
            system = self.tag_system(tables[TAGS], samples)
            log.info("%d tags: %s", len(system.tags), ", ".join(system.tags))
            self.instruments = replace(self.instruments, tags=lambda: system)
            made = self._compute(self._makers(with_tags=True), store, samples, shard)
            tables.update((key, store.read(measure, samples)) for key, measure in made.items())
        else:
            self.missing.update(dict.fromkeys(self._makers(with_tags=True), self.missing[TAGS]))
        return tables

    def tag_system(self, proposed: pa.Table, samples: Sequence[Sample]) -> TagSystem:
        """Build the tag system of a dataset's proposals."""
        tags = [some or [] for some in proposed["tags"].to_pylist()]
        encoder, settings = self.instruments.encoder(), TagSettings(**self.instruments.options("tags"))
        if self.instruments.llm is None:
            return focus_system(tags, samples, encoder, settings)
        return tag_system(tags, encoder, settings)

    def values(self, tables: Mapping[str, pa.Table], samples: Sequence[Sample]) -> dict[str, Any]:
        """Compute the indicators over drawn samples: `{indicators, reasons, details}` of `quality.json`."""
        drawn = pa.array([sample.id for sample in samples], pa.string())
        of_drawn = {key: table.filter(pc.is_in(table["sample_id"], drawn)) for key, table in tables.items()}
        measured = {key: table.filter(pc.is_null(table["fault"])) for key, table in of_drawn.items()}
        values: dict[str, float | None] = {}
        reasons: dict[str, str] = {}
        details: dict[str, Any] = {
            "samples": len(samples),
            "faults": {key: _faults(table) for key, table in of_drawn.items()},
        }
        for indicator in self.indicators:
            table = measured.get(indicator.source)
            if table is not None and len(table):
                value = indicator.value(table, samples, self.instruments)
                values[indicator.key] = value.number
                details.update(value.details)
            elif indicator.stand_in_for is None:
                values[indicator.key] = None
                reasons[indicator.key] = self.missing.get(indicator.source, "no sample has a value")
        return {"indicators": values, "reasons": reasons, "details": details}

    def _makers(self, with_tags: bool) -> dict[str, Callable[[], Measure]]:
        return {
            indicator.key: partial(indicator.statistic, self.instruments)
            for indicator in self.indicators
            if indicator.statistic is not None and ("tags" in indicator.needs) == with_tags
        }

    def _compute(
        self,
        makers: Mapping[str, Callable[[], Measure]],
        store: StatisticsStore,
        samples: Sequence[Sample],
        shard: Shard,
    ) -> dict[str, Measure]:
        """Make and compute statistics; one whose instrument can't be had is noted as missing."""
        made: dict[str, Measure] = {}
        for key, make in makers.items():
            try:
                measure = make()
            except InputError as error:
                self.missing[key] = str(error)
                if not isinstance(error, NotConfiguredError):
                    log.warning("%s stays empty: %s", key, error)
                continue
            if isinstance(measure, PromptingMeasure):  # all at once: a server is kept busy, and a batch is one batch
                missing = (one for one in store.missing(measure, samples, shard) if text_fault(one) is None)
                measure.llm([prompt for one in missing for prompt in measure.prompts(one)])
            store.compute(measure, samples, shard)
            made[key] = measure
        return made


def _faults(table: pa.Table) -> dict[str, int]:
    return dict(Counter(fault for fault in table["fault"].to_pylist() if fault).most_common())


def instruments(
    cfg: DictConfig, features: Callable[[], Features], family_judge: Callable[[], LikelihoodJudge]
) -> Instruments:
    """Return the instruments that the configuration of `assess.py` chooses.

    Args:
        cfg: the configuration.
        features: returns CLIP and its stored features.
        family_judge: makes the judge out of one of our models (models of runs are built in `vlit.tuning`).

    Raises:
        InputError: if the configuration names an unknown judge or a language model that can't be used.
    """
    kind = cfg.judge.kind if "judge" in cfg else None
    if kind is not None and kind not in JUDGES:
        raise InputError(f"judge.kind={kind}: it is one of {', '.join(JUDGES)}")
    chosen: dict[str, Any] = {}
    if kind == "family":
        chosen["family_judge"] = family_judge
    elif kind is not None:
        chosen["judge"] = partial(_judge, cfg)
    return Instruments(
        features=features,
        encoder=cache(partial(SentenceEncoder, **cfg.encoder)),
        parser=partial(_made, cfg.parser),
        labeller=cache(FocusLabeller),
        llm=_language_model(cfg),
        settings=cfg,
        **chosen,
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
