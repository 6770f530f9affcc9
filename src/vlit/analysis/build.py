"""Builds all tables, figures, the audit and the report, from the paper's numbers or from finished runs."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from omegaconf import DictConfig

from vlit.analysis.audit.audit import audit_published
from vlit.analysis.audit.text import audit_markdown
from vlit.analysis.measurements import Quality, Scores, missing_cells
from vlit.analysis.published import PublishedTables, read_published
from vlit.analysis.report import Page, report_html
from vlit.analysis.runs import FinishedRun, find_runs, read_run_quality, read_runs, select_runs
from vlit.analysis.statistics.correlation import bootstrap_intervals, correlate, robust_statistics
from vlit.analysis.statistics.reliability import FORMS, table_4_extended
from vlit.analysis.statistics.variance import (
    components_table,
    mixed_effects,
    mixed_table,
    power_table,
    variance_components,
)
from vlit.analysis.study.comparison import comparison_page
from vlit.analysis.study.doses import (
    DoseDesign,
    dose_effects,
    dose_effects_table,
    dose_figure,
    indicator_effects,
    indicator_effects_table,
    predictions_table,
    rank_predictions,
)
from vlit.analysis.table import ENDINGS, Table, write_figure, write_table
from vlit.analysis.tables.conversations import ConversationExample, choose_examples
from vlit.analysis.tables.hyperparameters import hyperparameter_tables
from vlit.analysis.tables.results import figure_5, table_3, table_4, table_15, table_15_extended
from vlit.analysis.tables.survey import dataset_tree, figure_2, read_survey, survey_tables
from vlit.common.errors import InputError
from vlit.common.files import write_json, write_text
from vlit.common.processes import process_pool

SOURCES = ("published", "runs")


@dataclass(frozen=True)
class Options:
    """The configuration of `conf/tables.yaml`, where each key is described, and the folder it is in."""

    source: str
    paper: Path
    runs: Path
    indicators: Path
    conversations: Path | None
    images: Path | None
    icc: str
    bootstrap: bool
    seed: int
    only: dict[str, str | None]
    doses: DoseDesign
    output: Path
    conf: Path

    @classmethod
    def of(cls, cfg: DictConfig, conf: Path) -> Options:
        """Read and check a configuration.

        Args:
            cfg: keys of `conf/tables.yaml`.
            conf: folder of the whole configuration, from which Tables 6-8 are composed.

        Raises:
            InputError: an unknown source or ICC form.
        """
        if cfg.source not in SOURCES:
            raise InputError(f"source={cfg.source} is unknown: choose from {', '.join(SOURCES)}")
        if cfg.icc not in FORMS:
            raise InputError(f"icc={cfg.icc} is unknown: choose from {', '.join(FORMS)}")
        return cls(
            source=cfg.source,
            paper=Path(cfg.paper),
            runs=Path(cfg.runs),
            indicators=Path(cfg.indicators),
            conversations=Path(cfg.conversations) if cfg.conversations else None,
            images=Path(cfg.images) if cfg.images else None,
            icc=cfg.icc,
            bootstrap=bool(cfg.bootstrap),
            seed=int(cfg.seed),
            only={name: None if value is None else str(value) for name, value in cfg.only.items()},
            doses=DoseDesign.of(cfg.doses),
            output=Path(cfg.output),
            conf=conf,
        )


@dataclass
class Results:
    """All that one source gives, before anything is written."""

    tables: list[Table] = field(default_factory=list)
    figures: dict[str, Figure] = field(default_factory=dict)
    examples: list[ConversationExample] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    comparison: str | None = None  # the page that sets the grid next to the paper's


def build_outputs(options: Options) -> list[str]:
    """Build everything and write it under `options.output`; return lines that describe what was written.

    Raises:
        InputError: inputs are missing, broken, or can't be averaged.
    """
    if options.source == "runs":
        return _finish(_from_runs(options), options)
    published = read_published(options.paper)
    with process_pool(1) as other:  # the audit takes as long as all the rest: it has a core of its own
        audit = other.submit(_audit, options.paper)  # it reads for itself: ours fills caches while it would be sent
        return _finish(_from_published(published, options), options, audit)


def _audit(paper: Path) -> dict[str, Any]:
    return audit_published(read_published(paper), paper / "bold.csv")


def _finish(results: Results, options: Options, audit: Future[dict[str, Any]] | None = None) -> list[str]:
    """Add what doesn't depend on results, and write all."""
    survey = read_survey(options.paper)
    results.tables = [*survey_tables(survey), *hyperparameter_tables(options.conf, options.paper), *results.tables]
    results.tables.sort(key=lambda table: (not table.name.startswith("table"), table.name))
    results.figures["fig02"] = figure_2(dataset_tree(survey))
    if options.conversations is None:
        results.notes.append(
            "Tables 9-14 need constructed conversations: set conversations=FOLDER (and images=FOLDER)."
        )
    else:
        results.examples = choose_examples(options.conversations, options.images, options.seed)
    return _write(results, options, audit)


def _from_published(published: PublishedTables, options: Options) -> Results:
    results = _paper_tables(published.quality, published.scores, options)
    printed = published.correlations.assign(reason="")
    results.figures["fig05"] = figure_5(_computed(results), "Recomputed from Tables 3 and 4 (– where inputs are lost)")
    results.figures["fig05_published"] = figure_5(printed, "As published (Table 15)")
    results.notes.append("Source: the paper's own numbers.")
    return results


def _from_runs(options: Options) -> Results:
    """Return the grid's tables, and the dose-response where there are runs of doses; either may be absent."""
    found = select_runs(find_runs(options.runs), options.only)
    dosed = [run for run in found if options.doses.includes(str(run.result["data"]))]
    grid = [run for run in found if run not in dosed]
    results = _grid(grid, options) if grid else Results(notes=["No run of the grid, doses only."])
    if dosed:
        _add_doses(dosed, results, options)
    components = variance_components(read_runs(found))
    results.tables.append(components_table(components))
    if components.seed.notna().any():
        results.tables.append(power_table(components, len({run.key[0] for run in found})))
    return results


def _grid(runs: list[FinishedRun], options: Options) -> Results:
    scores, quality = _measured(runs, options)
    results = _paper_tables(quality, scores, options)
    gaps = missing_cells(scores)
    results.notes.append(
        f"Source: {len(scores.per_seed)} runs under {options.runs}; each row's folders are in table03.csv."
    )
    results.notes.append(
        f"Missing cells of the design: {'; '.join(gaps)}." if gaps else "No cell of the design is missing."
    )
    results.tables.append(mixed_table(mixed_effects(quality, scores)))
    results.figures["fig05"] = figure_5(_computed(results), "Quality indicators and performance")
    results.comparison = comparison_page(read_published(options.paper), quality, scores)
    return results


def _add_doses(runs: list[FinishedRun], results: Results, options: Options) -> None:
    scores, quality = _measured(runs, options)
    results.tables += [
        dose_effects_table(dose_effects(options.doses, scores)),
        indicator_effects_table(indicator_effects(quality, scores)),
        predictions_table(rank_predictions(quality, scores, options.seed)),
    ]
    results.figures["doses"] = dose_figure(options.doses, scores)
    gaps = missing_cells(scores)
    results.notes.append(
        f"Dose-response: {len(runs)} runs of {len(scores.datasets)} datasets, {len(gaps)} missing of those begun."
    )


def _measured(runs: list[FinishedRun], options: Options) -> tuple[Scores, Quality]:
    """Return the scores of runs and the indicators of their datasets."""
    scores = read_runs(runs)
    return scores, read_run_quality(options.indicators, scores.datasets, str(runs[0].result["scale"]))


def _paper_tables(quality: Quality, scores: Scores, options: Options) -> Results:
    """Return Tables 3, 4 and 15, and the extended table of each of the last two."""
    correlations = correlate(quality, scores)
    results = Results()
    intervals: pd.DataFrame | None = None
    if options.source == "runs" and options.bootstrap:
        intervals, reason = bootstrap_intervals(quality, scores, options.seed)
        if reason:
            results.notes.append(f"No bootstrap intervals: {reason}.")
    results.tables += [
        table_3(scores),
        table_4(quality, scores, options.icc),
        table_4_extended(scores),
        table_15(correlations),
        table_15_extended(robust_statistics(quality, scores, correlations, options.seed), intervals),
    ]
    return results


def _computed(results: Results) -> pd.DataFrame:
    """Return the correlations behind Table 15, of the indicators it shows."""
    table = next(table for table in results.tables if table.name == "table15")
    frame = pd.DataFrame(table.exact, columns=table.exact_header)
    frame["r"] = pd.to_numeric(frame.r)
    return frame[frame.indicator.isin([row[0] for row in table.rows])]


def _write(results: Results, options: Options, audit: Future[dict[str, Any]] | None) -> list[str]:
    output, lines = options.output, []
    for table in [*results.tables, *(example.table for example in results.examples)]:
        write_table(table, output / "tables")
    pictures = {
        name: write_figure(figure, name, output / "figures") for name, figure in sorted(results.figures.items())
    }
    lines.append(f"tables: {len(results.tables) + len(results.examples)} in {output / 'tables'} (csv, md, tex)")
    lines.append(f"figures: {len(pictures)} in {output / 'figures'} ({', '.join(ENDINGS)})")
    audited = audit.result() if audit else None
    if audited is not None:
        write_json(output / "audit.json", audited)
        write_text(output / "audit.md", audit_markdown(audited))
        lines.append(f"audit: {output / 'audit.md'} and {output / 'audit.json'}")
    if results.comparison is not None:
        write_text(output / "beside_the_paper.md", results.comparison)
        lines.append(f"comparison with the paper: {output / 'beside_the_paper.md'}")
    study = (output / "study" / "report.html").is_file()
    page = Page(options.source, results.tables, pictures, results.examples, results.notes, audited, study)
    write_text(output / "report.html", report_html(page))
    lines.append(f"report: {output / 'report.html'}")
    return [*results.notes, *lines]
