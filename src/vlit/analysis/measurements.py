"""What every table is computed from: scores per model and dataset, and quality indicators per dataset."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from vlit.analysis.names import OVERALL, in_paper_order


@dataclass(frozen=True)
class Scores:
    """Accuracies in percent; the mean over seeds where there is more than one.

    Attributes:
        mean: index (model, data), one column per dimension plus `Overall`.
        std: the same shape, standard deviation over seeds (n - 1); NaN with one seed.
        seeds: index (model, data), the number of seeds behind each row.
        per_seed: index (model, data, seed), the single runs; a published table has one unnamed seed per row.
        half_unit: the same shape as `mean`, half a unit in the last printed place; 0 for computed numbers.
        counts: questions behind each column; empty when the source doesn't say.
        sources: run folders (or the file) behind each row.
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
        """Scores of one dataset: columns as rows, models as columns (the targets x raters table of the ICC)."""
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
        half_unit: the same shape, half a unit in the last printed place; 0 for counts and computed numbers.
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
