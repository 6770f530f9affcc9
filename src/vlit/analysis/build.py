"""Builds all tables, figures, the audit and the report, from the paper's numbers or from run folders."""

from __future__ import annotations

from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from omegaconf import DictConfig

from vlit.analysis.audit.audit import audit
from vlit.analysis.audit.text import audit_markdown
from vlit.analysis.measurements import Quality, Scores
from vlit.analysis.published import Published, read_published
from vlit.analysis.report import Page, report_html
from vlit.analysis.runs import Run, find_runs, missing_cells, read_run_quality, read_runs, select
from vlit.analysis.statistics.bootstrap import bootstrap
from vlit.analysis.statistics.mixed import mixed_effects, mixed_table
from vlit.analysis.statistics.reliability import FORMS, correlate
from vlit.analysis.statistics.robust import robust, table_15_extended
from vlit.analysis.study.beside import beside
from vlit.analysis.study.doses import (
    PREFIX,
    dose_figure,
    effects,
    effects_table,
    indicator_effects,
    indicator_effects_table,
    predictions,
    predictions_table,
)
from vlit.analysis.study.noise import components, components_table, power_table
from vlit.analysis.tables import conversations, figures
from vlit.analysis.tables.hyperparameters import hyperparameter_tables
from vlit.analysis.tables.results import table_3, table_4, table_4_extended, table_15
from vlit.analysis.tables.survey import read_survey, survey_tables, tree
from vlit.analysis.tables.table import Table, write_table
from vlit.common.errors import InputError
from vlit.common.files import write_json, write_text

SOURCES = ("published", "runs")


@dataclass(frozen=True)
class Options:
    """What `conf/tables.yaml` says."""

    source: str
    published: Path
    runs: Path
    indicators: Path
    conversations: Path | None
    images: Path | None
    icc: str
    bootstrap: bool
    seed: int
    only: dict[str, str | None]
    output: Path
    conf: Path

    @classmethod
    def of(cls, cfg: DictConfig, conf: Path) -> Options:
        """Read and check a configuration.

        Raises:
            InputError: an unknown source or ICC form.
        """
        if cfg.source not in SOURCES:
            raise InputError(f"source={cfg.source} is unknown: choose from {', '.join(SOURCES)}")
        if cfg.icc not in FORMS:
            raise InputError(f"icc={cfg.icc} is unknown: choose from {', '.join(FORMS)}")
        return cls(
            cfg.source,
            Path(cfg.published),
            Path(cfg.runs),
            Path(cfg.indicators),
            Path(cfg.conversations) if cfg.conversations else None,
            Path(cfg.images) if cfg.images else None,
            cfg.icc,
            bool(cfg.bootstrap),
            int(cfg.seed),
            {
                name: None if cfg.only[name] is None else str(cfg.only[name])
                for name in ("scale", "scoring", "benchmark")
            },
            Path(cfg.output),
            conf,
        )


@dataclass
class Results:
    """All that one source gives, before anything is written."""

    tables: list[Table] = field(default_factory=list)
    figures: dict[str, Figure] = field(default_factory=dict)
    examples: list[conversations.Example] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    beside: str | None = None  # a page that sets the grid beside the paper's


def build(options: Options) -> list[str]:
    """Build everything, write it under `options.output`, and say what was written.

    Raises:
        InputError: inputs are missing, broken, or can't be averaged.
    """
    if options.source == "runs":
        return _finish(_from_runs(options), options)
    published = read_published(options.published)
    with ProcessPoolExecutor(1) as other:  # the audit takes as long as all the rest: it has a core of its own
        found = other.submit(audit, published, options.published / "bold.csv")
        results = _from_published(published, options)
        return _finish(results, options, found)


def _finish(results: Results, options: Options, found: Future[dict[str, Any]] | None = None) -> list[str]:
    """Add what doesn't depend on results, and write all."""
    survey = read_survey(options.published)
    results.tables = [*survey_tables(survey), *hyperparameter_tables(options.conf, options.published), *results.tables]
    results.tables.sort(key=lambda table: (not table.name.startswith("table"), table.name))
    results.figures["fig02"] = figures.figure_2(tree(survey))
    if options.conversations is None:
        results.notes.append(
            "Tables 9-14 need constructed conversations: set conversations=FOLDER (and images=FOLDER)."
        )
    else:
        results.examples = conversations.examples(options.conversations, options.images, options.seed)
    return _write(results, options, found)


def _from_published(published: Published, options: Options) -> Results:
    results = _statistics(published.quality, published.scores, options)
    printed = published.correlations.assign(reason="")
    results.figures["fig05"] = figures.figure_5(
        _computed(results), "Recomputed from Tables 3 and 4 (– where inputs are lost)"
    )
    results.figures["fig05_published"] = figures.figure_5(printed, "As published (Table 15)")
    results.notes.append("Source: the paper's own numbers.")
    return results


def _from_runs(options: Options) -> Results:
    """The grid's tables, and the dose-response where there are runs of doses; either may be absent."""
    found = select(find_runs(options.runs), options.only)
    dosed = [run for run in found if str(run.result["data"]).startswith(PREFIX)]
    grid = [run for run in found if run not in dosed]
    results = _grid(grid, options) if grid else Results(notes=["No run of the grid, doses only."])
    if dosed:
        _add_doses(dosed, results, options)
    noisy = components(read_runs(found))
    results.tables.append(components_table(noisy))
    if noisy.seed.notna().any():
        results.tables.append(power_table(noisy, len({run.key[0] for run in found})))
    return results


def _grid(runs: list[Run], options: Options) -> Results:
    scores = read_runs(runs)
    quality = read_run_quality(options.indicators, scores.datasets, str(runs[0].result["scale"]))
    results = _statistics(quality, scores, options)
    gaps = missing_cells(scores)
    results.notes.append(
        f"Source: {len(scores.per_seed)} runs under {options.runs}; each row's folders are in table03.csv."
    )
    results.notes.append(
        f"Missing cells of the design: {'; '.join(gaps)}." if gaps else "No cell of the design is missing."
    )
    results.tables.append(mixed_table(mixed_effects(quality, scores)))
    results.figures["fig05"] = figures.figure_5(_computed(results), "Quality indicators and performance")
    results.beside = beside(read_published(options.published), quality, scores)
    return results


def _add_doses(runs: list[Run], results: Results, options: Options) -> None:
    scores = read_runs(runs)
    quality = read_run_quality(options.indicators, scores.datasets, str(runs[0].result["scale"]))
    results.tables += [
        effects_table(effects(scores)),
        indicator_effects_table(indicator_effects(quality, scores)),
        predictions_table(predictions(quality, scores, options.seed)),
    ]
    results.figures["doses"] = dose_figure(scores)
    gaps = missing_cells(scores)
    results.notes.append(
        f"Dose-response: {len(runs)} runs of {len(scores.datasets)} datasets, {len(gaps)} missing of those begun."
    )


def _statistics(quality: Quality, scores: Scores, options: Options) -> Results:
    """Tables 3, 4 and 15 with the second table beside each."""
    correlations = correlate(quality, scores)
    results = Results()
    results.tables += [
        table_3(scores),
        table_4(quality, scores, options.icc),
        table_4_extended(scores),
        table_15(correlations),
    ]
    intervals: pd.DataFrame | None = None
    if options.source == "runs" and options.bootstrap:
        intervals, reason = bootstrap(quality, scores, options.seed)
        if reason:
            results.notes.append(f"No bootstrap intervals: {reason}.")
    results.tables.append(table_15_extended(robust(quality, scores, correlations, options.seed), intervals))
    return results


def _computed(results: Results) -> pd.DataFrame:
    """The correlations behind Table 15, the paper's indicators only."""
    table = next(table for table in results.tables if table.name == "table15")
    frame = pd.DataFrame(table.exact, columns=table.exact_header)
    frame["r"] = pd.to_numeric(frame.r)
    return frame[frame.indicator.isin([row[0] for row in table.rows])]


def _write(results: Results, options: Options, found: Future[dict[str, Any]] | None) -> list[str]:
    output, lines = options.output, []
    for table in [*results.tables, *(example.table for example in results.examples)]:
        write_table(table, output / "tables")
    pictures = {
        name: figures.write_figure(figure, name, output / "figures") for name, figure in sorted(results.figures.items())
    }
    lines.append(f"tables: {len(results.tables) + len(results.examples)} in {output / 'tables'} (csv, md, tex)")
    lines.append(f"figures: {len(pictures)} in {output / 'figures'} ({', '.join(figures.ENDINGS)})")
    audited = found.result() if found else None
    if audited is not None:
        write_json(output / "audit.json", audited)
        write_text(output / "audit.md", audit_markdown(audited))
        lines.append(f"audit: {output / 'audit.md'} and {output / 'audit.json'}")
    if results.beside is not None:
        write_text(output / "beside_the_paper.md", results.beside)
        lines.append(f"beside the paper's: {output / 'beside_the_paper.md'}")
    study = (output / "study" / "report.html").is_file()
    page = Page(options.source, results.tables, pictures, results.examples, results.notes, audited, study)
    write_text(output / "report.html", report_html(page))
    lines.append(f"report: {output / 'report.html'}")
    return [*results.notes, *lines]
