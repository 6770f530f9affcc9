"""Scores a run: on its own benchmark at the end of train.py, on any file, mode or control with evaluate.py."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from vlit.common.errors import InputError
from vlit.common.files import write_json
from vlit.data.encode import Encoder
from vlit.data.rejects import Rejects
from vlit.evaluation import seed_bench
from vlit.evaluation.accuracy import COLUMNS, Accuracy
from vlit.evaluation.evaluate import Scoring, evaluate
from vlit.evaluation.seed_bench import shuffled_images
from vlit.runs.attempt import requeued
from vlit.runs.folder import RunFolder
from vlit.runs.owner import owned
from vlit.runs.provenance import commit
from vlit.tuning import setup
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


def evaluate_again(cfg: DictConfig) -> Path:
    """Score the model of `cfg.run` as `cfg` says.

    Returns:
        The result file, `RUN/evaluations/{benchmark}-{scoring}[-{control}]/result.json`.

    Raises:
        InputError: if the run has no checkpoint, or the control is unknown.
    """
    run = RunFolder(Path(cfg.run))
    if not run.config.exists() or not run.checkpoint.exists():
        raise InputError(f"{run.path} is no finished run: it has no config.yaml and checkpoints/last.ckpt")
    if cfg.control not in (None, "shuffled_images"):
        raise InputError(f"control={cfg.control}: the only one is shuffled_images")
    tuned = OmegaConf.load(run.config)
    assert isinstance(tuned, DictConfig)
    setup.seed_everything(cfg.seed)
    annotations = Path(cfg.benchmark or tuned.benchmark.annotations)
    images = Path(cfg.images or (annotations.parent / "SEED-Bench-image"))
    scoring = Scoring(cfg.mode, cfg.normalisation, tuned.benchmark.scoring.batch_size, tuned.benchmark.scoring.workers)
    name = "-".join(part for part in (annotations.stem, scoring.name, cfg.control) if part)
    folder = run.evaluations / name
    with requeued(), owned(folder):
        rejects = Rejects()
        questions = seed_bench.load(annotations, images, rejects)
        if cfg.control == "shuffled_images":
            questions = shuffled_images(questions, cfg.seed)
        model = setup.tuned_model(tuned, run.checkpoint)
        rejects.write(folder / "rejects.jsonl")
        predictions = folder / "predictions.jsonl"
        predictions.unlink(missing_ok=True)
        trainer = scoring_trainer(tuned, setup.trainer(tuned))
        encoder = setup.encoder(tuned, model)
        scored = evaluate(model, tuned.model.template, encoder, questions, scoring, trainer, predictions)
        content = {**result(tuned, scored, scoring.name, annotations.name), "control": cfg.control}
        write_json(folder / "result.json", content)
    log.info("%s", table(scored))
    return folder / "result.json"
