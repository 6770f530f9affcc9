"""Scoring a run that is done, on any benchmark file, in another mode, or blind."""

from __future__ import annotations

import logging
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from vlit.benchmark import seed_bench
from vlit.benchmark.controls import shuffled_images
from vlit.benchmark.evaluate import Scoring, evaluate
from vlit.benchmark.run import result, table
from vlit.data.rejects import Rejects
from vlit.errors import InputError
from vlit.files import write_json
from vlit.tuning import setup
from vlit.tuning.owner import owned
from vlit.tuning.preemption import requeued
from vlit.tuning.run_folder import RunFolder
from vlit.tuning.sharding import scoring_trainer

log = logging.getLogger(__name__)


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
