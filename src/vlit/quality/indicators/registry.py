"""The registry of quality indicators: what each is called, what it needs, and how it is computed.

Importing it imports no model code: `vlit.analysis` reads names from here without torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

import pyarrow as pa

from vlit.common.errors import InputError
from vlit.data.sample import Sample
from vlit.quality.statistics import Measure

if TYPE_CHECKING:
    from vlit.llm.answers import Answers
    from vlit.quality.image_features import ImageFeatures
    from vlit.quality.indicators.correctness import Judge
    from vlit.quality.indicators.granularity import Parser
    from vlit.quality.judges.likelihood import FamilyJudge
    from vlit.quality.sentence_encoder import Encode
    from vlit.quality.tags import TagSystem


class NotConfiguredError(InputError):
    """An instrument that the configuration does not choose; the message names the option that does."""


def _absent(reason: str) -> Callable[[], NoReturn]:
    def refuse() -> NoReturn:
        raise NotConfiguredError(reason)

    return refuse


_NO_CLIP = _absent("no CLIP: set quality.clip")
_NO_ENCODER = _absent("no sentence encoder: set encoder.folder")
_NO_PARSER = _absent("no parser: assess.py parser=spacy or parser=hanlp")
_NO_JUDGE = _absent("no judge that is asked: assess.py judge=server or judge=llava")
_NO_FAMILY_JUDGE = _absent("no judge by likelihood: assess.py judge=family")
_NO_TAGS = _absent("no tags have been proposed")


@dataclass(frozen=True)
class Instruments:
    """What statistics are measured with; each is made when it is called, and raises `InputError` where that fails.

    Attributes:
        features: CLIP and its stored features of images.
        encoder: sentence encoder.
        parser: finds the elements of instructions.
        judge: multi-modal model that is asked for verdicts.
        family_judge: model of ours that judges by likelihood.
        llm: language model with its stored replies, or None.
        tags: tag system of the dataset; there is one once tags have been proposed for its instructions.
        settings: options of indicators, by the block of `conf/assess.yaml` they are in.
    """

    features: Callable[[], ImageFeatures] = _NO_CLIP
    encoder: Callable[[], Encode] = _NO_ENCODER
    parser: Callable[[], Parser] = _NO_PARSER
    judge: Callable[[], Judge] = _NO_JUDGE
    family_judge: Callable[[], FamilyJudge] = _NO_FAMILY_JUDGE
    llm: Answers | None = None
    tags: Callable[[], TagSystem] = _NO_TAGS
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def options(self, block: str, *names: str) -> dict[str, Any]:
        """Return the options of a block, or those of `names` that are set; {} where the block is absent."""
        found = self.settings.get(block) or {}
        return {str(name): value for name, value in found.items() if not names or name in names}


@dataclass(frozen=True)
class Value:
    """An indicator of a dataset.

    Attributes:
        number: the value.
        details: what `quality.json` keeps of how it came about, by name.
        clusters: cluster of each sample id, -1 for noise, where the indicator clusters samples (for the report's map).
    """

    number: float
    details: Mapping[str, Any] = field(default_factory=dict)
    clusters: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Indicator:
    """A quality indicator (paper section 4.1, Table 4).

    Attributes:
        key: its one name in configuration, files, tables and code.
        label: its meaning in words.
        value: value of a dataset, from the rows of its statistic that have no fault (at least one), the samples drawn
            and the instruments.
        statistic: makes the per-sample statistic; None if the indicator reads that of another (`reads`).
        reads: key of the indicator whose statistic it is computed from; its own by default.
        needs: instruments of the statistic, by attribute of `Instruments`. A statistic that needs nothing but
            `features` is measured by `curate.py` too, any other is read from what `assess.py` has stored.
        distribution: column of the statistic whose histogram the report shows, or None.
        ranks_by: column of the statistic by which the filter may rank samples (larger is better), or None.
        symbol: its column head in the paper's Table 4; empty for what the paper does not have.
        row: its row name in the paper's Table 15, used to read and print that table only.
        higher_is_better: its direction.
        in_table_15: whether the paper's Table 15 has it.
        is_count: whether it is a whole number (a count is exact as printed; other numbers are known to half a unit in
            their last place).
        stand_in_for: key of the paper's indicator it replaces where that can't be had, or None. A stand-in without a
            value is left out of `quality.json`; any other indicator without one is empty there, with the reason.
    """

    key: str
    label: str
    value: Callable[[pa.Table, Sequence[Sample], Instruments], Value]
    statistic: Callable[[Instruments], Measure] | None = None
    reads: str = ""
    needs: tuple[str, ...] = ()
    distribution: str | None = None
    ranks_by: str | None = None
    symbol: str = ""
    row: str = ""
    higher_is_better: bool = True
    in_table_15: bool = False
    is_count: bool = False
    stand_in_for: str | None = None

    @property
    def source(self) -> str:
        """Key of the indicator whose statistic this one is computed from."""
        return self.reads or self.key


def mean_of(column: str, scale: float = 1) -> Callable[[pa.Table, Sequence[Sample], Instruments], Value]:
    """Return the value function of an indicator that is `scale` times the mean of a column."""

    def mean(table: pa.Table, samples: Sequence[Sample], instruments: Instruments) -> Value:
        return Value(scale * math.fsum(table[column].to_pylist()) / len(table))

    return mean


BY_KEY: dict[str, Indicator] = {}  # all registered indicators, in the order of the report


def register(indicator: Indicator) -> Indicator:
    """Add an indicator to the registry and return it.

    Raises:
        ValueError: if its key is taken.
    """
    if indicator.key in BY_KEY:
        raise ValueError(f"indicator {indicator.key!r} is registered already: choose another key")
    BY_KEY[indicator.key] = indicator
    return indicator
