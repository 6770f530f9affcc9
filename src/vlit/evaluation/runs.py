"""Score runs: on their own benchmark at the end of `train.py`, on any file, mode or control with `evaluate.py`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from vlit.common.errors import InputError
from vlit.common.files import write_json
from vlit.data.sample import Rejects
from vlit.data.templates import TEMPLATES
from vlit.evaluation.encoding import QuestionEncoder
from vlit.evaluation.evaluate import Scoring, evaluate
from vlit.evaluation.parts import fingerprint_questions
from vlit.evaluation.questions import read_questions
from vlit.evaluation.seed_bench import Accuracy, Question, chance, shuffled_images
from vlit.models.family import VisionLanguageModel
from vlit.runs.attempt import requeued
from vlit.runs.folder import RunFolder, commit
from vlit.runs.owner import owned
from vlit.runs.upgrade import scored_config
from vlit.tuning import setup

log = logging.getLogger(__name__)


def run_questions(cfg: DictConfig, model: VisionLanguageModel, rejects: Path) -> list[Question]:
    """Read the benchmark of a run: before tuning, so that what is wrong with it is known then.

    Args:
        cfg: configuration of the run.
        model: its model, tuned or not; how many tokens it reads decides which questions are rejected.
        rejects: file that receives the others with their reasons.

    Raises:
        InputError: if the benchmark is absent, in another format, or without a usable question.
    """
    found = Rejects()
    questions = _questions(cfg, found)
    scoring: Scoring = instantiate(cfg.benchmark.scoring)
    questions = _readable(_encoder(cfg, model), questions, scoring, found, Path(cfg.benchmark.annotations))
    found.write(rejects)
    return questions


def score_run(cfg: DictConfig, model: VisionLanguageModel, questions: Sequence[Question], folder: RunFolder) -> None:
    """Score a tuned model on the run's benchmark; write predictions, the end of the run and, last, the result.

    Args:
        cfg: configuration of the run.
        model: its tuned model.
        questions: what `run_questions` read.
        folder: its folder.
    """
    scoring = instantiate(cfg.benchmark.scoring)
    scored = evaluate(model, _encoder(cfg, model), questions, scoring, setup.scoring_trainer(cfg), folder.predictions)
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
    annotations = Path(tuned.benchmark.annotations)
    scoring = replace(instantiate(tuned.benchmark.scoring), mode=cfg.mode, normalisation=cfg.normalisation)
    rejects = Rejects()
    questions = _questions(tuned, rejects)
    if cfg.control == "shuffled_images":
        questions = shuffled_images(questions, cfg.seed)
    content = fingerprint_questions(questions, scoring.name, scoring.precision)[:8]
    name = "-".join(part for part in (annotations.stem, scoring.name, cfg.control, content) if part)
    folder = run.evaluations / name
    with requeued(), owned(folder):
        model = setup.tuned_model(tuned, run.checkpoint)
        encoder = _encoder(tuned, model)
        questions = _readable(encoder, questions, scoring, rejects, annotations)
        rejects.write(folder / "rejects.jsonl")
        predictions = folder / "predictions.jsonl"
        predictions.unlink(missing_ok=True)
        scored = evaluate(model, encoder, questions, scoring, setup.scoring_trainer(tuned), predictions)
        write_json(folder / "result.json", {**_result(tuned, questions, scored, scoring), "control": cfg.control})
    log.info("%s", scored)
    return folder / "result.json"


def upright(cfg: DictConfig) -> bool:
    """Return whether the EXIF orientation of photographs is applied; runs from before the switch applied it."""
    return bool(OmegaConf.select(cfg, "images.exif", default=True))


def _questions(cfg: DictConfig, rejects: Rejects) -> list[Question]:
    return read_questions(Path(cfg.benchmark.annotations), Path(cfg.benchmark.images), rejects, upright(cfg))


def _readable(
    encoder: QuestionEncoder, questions: Sequence[Question], scoring: Scoring, rejects: Rejects, annotations: Path
) -> list[Question]:
    """Return the questions that the model can read whole, and say how many it can't.

    Raises:
        InputError: if it can read none.
    """
    kept = encoder.readable(questions, scoring.mode, rejects)
    if len(kept) < len(questions):
        log.warning("%s: %d questions are not scored: %s", annotations, len(questions) - len(kept), rejects.summary())
    if not kept:
        raise InputError(f"{annotations} has no question that the model can read: {rejects.summary()}")
    return kept


def _encoder(cfg: DictConfig, model: VisionLanguageModel) -> QuestionEncoder:
    return QuestionEncoder(
        TEMPLATES[cfg.model.template],
        setup.encoder(cfg, model),
        model.image_transform,
        model.tokenizer.pad_token_id,
        upright(cfg),
    )


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
