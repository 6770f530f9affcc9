"""Scoring a tuned run: its predictions, and the `result.json` that makes it done."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig

from vlit.benchmark import seed_bench
from vlit.benchmark.accuracy import COLUMNS, Accuracy
from vlit.benchmark.evaluate import evaluate
from vlit.data.encode import Encoder
from vlit.data.rejects import Rejects
from vlit.files import write_json
from vlit.tuning import setup
from vlit.tuning.run_folder import RunFolder, commit
from vlit.tuning.sharding import scoring_trainer

log = logging.getLogger(__name__)


def score_run(cfg: DictConfig, model: Any, encoder: Encoder, folder: RunFolder) -> None:
    """Score the run's model on its benchmark and write predictions, provenance and, last, the result."""
    rejects = Rejects()
    questions = seed_bench.load(Path(cfg.benchmark.annotations), Path(cfg.benchmark.images), rejects)
    rejects.write(folder.path / "benchmark_rejects.jsonl")
    scoring = instantiate(cfg.benchmark.scoring)
    trainer = scoring_trainer(cfg, setup.trainer(cfg))
    scored = evaluate(model, cfg.model.template, encoder, questions, scoring, trainer, folder.predictions)
    folder.record_end()
    write_json(folder.result, result(cfg, scored, scoring.name, Path(cfg.benchmark.annotations).name))
    log.info("%s", table(scored))


def result(cfg: DictConfig, scored: Accuracy, scoring: str, benchmark: str) -> dict[str, Any]:
    """The content of `result.json`; accuracies and intervals in percent."""
    return {
        "model": cfg.model.name,
        "data": cfg.data.name,
        "scale": cfg.scale,
        "seed": cfg.seed,
        "scoring": scoring,
        "benchmark": benchmark,
        "accuracy": scored.accuracy,
        "counts": scored.counts,
        "interval95": scored.interval95,
        "commit": commit(),
    }


def table(scored: Accuracy) -> str:
    """The accuracies for the log, a line a column."""
    lines = []
    for column in COLUMNS:
        value, interval = scored.accuracy[column], scored.interval95[column]
        if value is None or interval is None:
            lines.append(f"{column:8} no question")
        else:
            lines.append(
                f"{column:8} {value:5.1f} %  [{interval[0]:.1f}, {interval[1]:.1f}]  {scored.counts[column]} questions"
            )
    return "\n".join(lines)
