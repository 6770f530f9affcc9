"""What every table is computed from: scores per model and dataset, quality indicators per dataset, and their names."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from vlit.evaluation.seed_bench import DIMENSIONS, OVERALL
from vlit.quality.indicators import INDICATORS
from vlit.quality.indicators.registry import BY_KEY

SEED_BENCH_COUNTS = {dimension.key: dimension.questions for dimension in DIMENSIONS}
MODEL_LABELS = {"llava": "LLaVA", "blip2": "BLIP-2", "openflamingo": "OpenFlamingo"}
_DATA_LABELS = {"none": "untuned", "llava": "LLaVA", "mimic_it": "MIMIC-IT", "ours": "Ours", "ours_qc": "Ours+QC"}
_LABELS = {**MODEL_LABELS, **_DATA_LABELS}
_ORDER = tuple(dict.fromkeys(_LABELS.values()))
INDICATOR_BY_ROW = {indicator.row: indicator for indicator in INDICATORS}


def paper_name(key: str) -> str:
    """Return the paper's name of a configured model or dataset (`ours_qc` is "Ours+QC"); any other key is its own."""
    return _LABELS.get(key, key)


def in_paper_order(labels: list[str]) -> list[str]:
    """Return labels without repeats: the paper's in its order, then all others in the order they came."""
    unique = list(dict.fromkeys(labels))
    return sorted(unique, key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER))


def indicator_row(key: str) -> str:
    """Return the row of an indicator in Table 15; one that the paper doesn't have has its key."""
    return (BY_KEY[key].row if key in BY_KEY else "") or key


def indicator_title(row: str) -> str:
    """Return what a Table 15 row stands for, as in "Matching degree (MD)"; an unknown row is its own title."""
    return f"{INDICATOR_BY_ROW[row].label} ({row})" if row in INDICATOR_BY_ROW else row


def higher_is_better(key: str) -> bool:
    """Return whether a higher value of an indicator is better; of one that the paper doesn't have, it is."""
    return key not in BY_KEY or BY_KEY[key].higher_is_better


@dataclass(frozen=True)
class Scores:
    """Accuracies in percent; the mean over seeds where there is more than one.

    Attributes:
        mean: index (model, data), one column per dimension plus `Overall`.
        std: standard deviation over seeds (n - 1), shape of `mean`; NaN with one seed.
        seeds: number of seeds behind each row, index (model, data).
        per_seed: single runs, index (model, data, seed); a published table has one unnamed seed per row.
        half_unit: half a unit in the last printed place, shape of `mean`; 0 for computed numbers.
        counts: questions behind each column; empty when the source doesn't state them.
        sources: where each row's runs (or the printed row) are.
    """

    mean: pd.DataFrame
    std: pd.DataFrame
    seeds: pd.Series
    per_seed: pd.DataFrame
    half_unit: pd.DataFrame
    counts: dict[str, int] = field(default_factory=dict)
    sources: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    @property
    def models(self) -> list[str]:
        """Models in the paper's order."""
        return in_paper_order([model for model, _ in self.mean.index])

    @property
    def datasets(self) -> list[str]:
        """Datasets in the paper's order."""
        return in_paper_order([data for _, data in self.mean.index])

    @property
    def columns(self) -> list[str]:
        """Columns of the table, `Overall` first."""
        return list(self.mean.columns)

    @property
    def dimensions(self) -> list[str]:
        """Columns that are not `Overall`."""
        return [column for column in self.columns if column != OVERALL]

    def of(self, data: str) -> pd.DataFrame:
        """Return the scores of one dataset as the ICC takes them: targets (columns) x raters (models)."""
        block = self.mean.xs(data, level="data")
        return block.loc[[model for model in self.models if model in block.index]].T

    @cached_property
    def dataset_means(self) -> pd.DataFrame:
        """Mean over models for each dataset (paper section 5.1.4), NaN where a model is missing.

        A mean over fewer models isn't comparable with the others, so it's left undefined rather than biased.
        """
        full = pd.MultiIndex.from_product([self.models, self.datasets], names=["model", "data"])
        cube = self.mean.reindex(full)
        means = cube.groupby(level="data").mean().mask(cube.isna().groupby(level="data").any())
        return means.loc[self.datasets]


@dataclass(frozen=True)
class Quality:
    """Quality indicators per dataset (Table 4).

    Attributes:
        values: index data, one column per indicator key; NaN where absent.
        half_unit: half a unit in the last printed place, shape of `values`; 0 for counts and computed numbers.
        reasons: why (data, key) is absent.
        sources: the file behind each dataset.
    """

    values: pd.DataFrame
    half_unit: pd.DataFrame
    reasons: dict[tuple[str, str], str] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)

    @property
    def keys(self) -> list[str]:
        """Indicator keys in table order."""
        return list(self.values.columns)


def average_seeds(per_seed: pd.DataFrame, counts: dict[str, int], sources: dict[tuple[str, str], list[str]]) -> Scores:
    """Return mean and standard deviation over seeds of single runs.

    Args:
        per_seed: accuracies in percent, index (model, data, seed).
        counts: questions behind each column.
        sources: where the runs of each (model, data) are.
    """
    models, datasets = (in_paper_order(list(per_seed.index.get_level_values(level))) for level in ("model", "data"))
    per_seed = per_seed.sort_index()
    groups = per_seed.groupby(level=["model", "data"])
    order = [key for key in itertools.product(models, datasets) if key in groups.groups]
    mean = groups.mean().mask(per_seed.isna().groupby(level=["model", "data"]).any()).loc[order]
    std, seeds = groups.std(ddof=1).loc[order], groups.size().loc[order].rename("seeds")
    zero = pd.DataFrame(0.0, mean.index, mean.columns)
    return Scores(mean, std, seeds, per_seed, zero, counts, {key: sources[key] for key in order})


def missing_cells(scores: Scores) -> list[str]:
    """Return the cells of models x datasets x seeds (each as far as any run has it) that no run fills."""
    seeds = sorted(set(scores.per_seed.index.get_level_values("seed")))
    have = set(scores.per_seed.index)
    design = itertools.product(scores.models, scores.datasets, seeds)
    return [f"{model}, {data}, seed {seed}" for model, data, seed in design if (model, data, seed) not in have]
