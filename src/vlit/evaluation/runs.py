"""Score runs: on their own benchmark at the end of `train.py`, on any file, mode or control with `evaluate.py`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from vlit.common.files import write_json
from vlit.data.sample import Rejects
from vlit.data.templates import TEMPLATES
from vlit.evaluation.evaluate import Scoring, evaluate, fingerprint_questions
from vlit.evaluation.questions import read_questions
from vlit.evaluation.ranking import QuestionEncoder
from vlit.evaluation.seed_bench import Accuracy, Question, chance, shuffled_images
from vlit.models.family import VisionLanguageModel
from vlit.runs.attempt import requeued
from vlit.runs.folder import RunFolder, commit
from vlit.runs.owner import owned
from vlit.runs.upgrade import scored_config
from vlit.tuning import setup

log = logging.getLogger(__name__)


def score_run(cfg: DictConfig, model: VisionLanguageModel, folder: RunFolder) -> None:
    """Score a tuned model on the run's benchmark; write predictions, the end of the run and, last, the result.

    Args:
        cfg: configuration of the run.
        model: its tuned model.
        folder: its folder.
    """
    annotations = Path(cfg.benchmark.annotations)
    rejects = Rejects()
    questions = read_questions(annotations, Path(cfg.benchmark.images), rejects, upright(cfg))
    rejects.write(folder.path / "benchmark_rejects.jsonl")
    scoring = instantiate(cfg.benchmark.scoring)
    scored = _score(cfg, model, questions, scoring, folder.predictions)
    folder.record_end()
    write_json(folder.result, _result(cfg, questions, scored, scoring))
    log.info("%s", scored)


def score_run_again(cfg: DictConfig) -> Path:
    """Score a finished run with another file, mode or control.

    Args:
        cfg: configuration of `evaluate.py`; `cfg.run` is the folder of the run.

    Returns:
        The result file, `RUN/evaluations/{benchmark}-{scoring}[-{control}]-{hash of the questions}/result.json`.

    Raises:
        InputError: if the run has no checkpoint.
    """
    run, tuned = RunFolder(Path(cfg.run)), scored_config(cfg)
    setup.seed_everything(cfg.seed)
    annotations, images = Path(tuned.benchmark.annotations), Path(tuned.benchmark.images)
    scoring = replace(instantiate(tuned.benchmark.scoring), mode=cfg.mode, normalisation=cfg.normalisation)
    rejects = Rejects()
    questions = read_questions(annotations, images, rejects, upright(tuned))
    if cfg.control == "shuffled_images":
        questions = shuffled_images(questions, cfg.seed)
    content = fingerprint_questions(questions, scoring.name, scoring.precision)[:8]
    name = "-".join(part for part in (annotations.stem, scoring.name, cfg.control, content) if part)
    folder = run.evaluations / name
    with requeued(), owned(folder):
        model = setup.tuned_model(tuned, run.checkpoint)
        rejects.write(folder / "rejects.jsonl")
        predictions = folder / "predictions.jsonl"
        predictions.unlink(missing_ok=True)
        scored = _score(tuned, model, questions, scoring, predictions)
        write_json(folder / "result.json", {**_result(tuned, questions, scored, scoring), "control": cfg.control})
    log.info("%s", scored)
    return folder / "result.json"


def upright(cfg: DictConfig) -> bool:
    """Return whether the EXIF orientation of photographs is applied; runs from before the switch applied it."""
    return bool(OmegaConf.select(cfg, "images.exif", default=True))


def _score(
    cfg: DictConfig, model: VisionLanguageModel, questions: Sequence[Question], scoring: Scoring, output: Path
) -> Accuracy:
    encoder = QuestionEncoder(
        TEMPLATES[cfg.model.template],
        setup.encoder(cfg, model),
        model.image_transform,
        model.tokenizer.pad_token_id,
        upright(cfg),
    )
    return evaluate(model, encoder, questions, scoring, setup.scoring_trainer(cfg), output)


def _result(cfg: DictConfig, questions: Sequence[Question], scored: Accuracy, scoring: Scoring) -> dict[str, Any]:
    """Return the content of `result.json`; accuracies, intervals and chance in percent."""
    return {
        "model": cfg.model.name,
        "data": cfg.data.name,
        "scale": cfg.scale,
        "seed": cfg.seed,
        "scoring": scoring.name,
        "benchmark": Path(cfg.benchmark.annotations).name,
        "images": {"exif": upright(cfg)},
        "accuracy": scored.accuracy,
        "counts": scored.counts,
        "chance": chance(questions),
        "choices": sorted({len(question.choices) for question in questions}),
        **({} if scored.unread is None else {"unread": scored.unread}),
        "interval95": scored.interval95,
        "commit": commit(),
    }
