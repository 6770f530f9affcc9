"""Score a model on a benchmark with Lightning: resumable, in several processes, one line of predictions a question."""

from __future__ import annotations

import vlit.common.torchvision_shim  # noqa: F401  (before Lightning looks for torchvision)

# isort: split
import functools
import logging
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import lightning as L
import torch
from torch.utils.data import DataLoader
from tqdm import tqdm

from vlit.common.errors import InputError
from vlit.common.files import read_jsonl, write_jsonl
from vlit.evaluation.encoding import QuestionBatch, QuestionEncoder
from vlit.evaluation.generation import generated_rows
from vlit.evaluation.parts import answered_batches, fingerprint_questions, line_of, merge, part_file, share
from vlit.evaluation.ranking import NORMALISATIONS, ranked_rows
from vlit.evaluation.seed_bench import LETTERS, Accuracy, Question, accuracy
from vlit.models.family import VisionLanguageModel
from vlit.models.freeze import halve
from vlit.runs.attempt import Preempted, deferred, preemption_requested

log = logging.getLogger(__name__)

UNREAD = "unread.jsonl"  # answers that name no choice, next to the predictions
# Lightning's name -> type in which matrices are stored meanwhile, None for the model's own.
PRECISIONS = {"32-true": None, "16-mixed": torch.float16, "bf16-mixed": torch.bfloat16}


@dataclass(frozen=True)
class Scoring:
    """How a benchmark is scored.

    Attributes:
        mode: "ranking" (the paper's) or "generation" (as LLaVA-1.5 is scored); a table never mixes them.
        normalisation: the score of `ranking.NORMALISATIONS` that decides; all are written.
        batch_size: questions per batch and process.
        workers: loader processes.
        precision: Lightning's name of the precision; in a half one the model's matrices are stored in half, too.

    Raises:
        InputError: for another mode, normalisation or precision.
    """

    mode: str
    normalisation: str
    batch_size: int
    workers: int
    precision: str = "32-true"

    def __post_init__(self) -> None:
        if self.mode not in ("ranking", "generation"):
            raise InputError(f"scoring mode {self.mode!r}: it is `ranking` or `generation`")
        if self.normalisation not in NORMALISATIONS:
            known = ", ".join(NORMALISATIONS)
            raise InputError(f"scoring.normalisation={self.normalisation}: it is one of {known}")
        if self.precision not in PRECISIONS:
            raise InputError(f"scoring.precision={self.precision}: it is one of {', '.join(PRECISIONS)}")

    @property
    def name(self) -> str:
        """Return the name in `result.json`: `ranking_mean` or another score, or `generation`."""
        return f"ranking_{self.normalisation}" if self.mode == "ranking" else self.mode


Rows = Callable[[VisionLanguageModel, QuestionBatch], list[dict[str, Any]]]


class Evaluation(L.LightningModule):
    """Answers question batches and appends the rows to this process's part file at once.

    Args:
        model: model to score.
        rows: (model, batch) -> rows of predictions.
        part: JSON-lines file of this process.
    """

    def __init__(self, model: VisionLanguageModel, rows: Rows, part: Path) -> None:
        super().__init__()
        self.model = model
        self.rows = rows
        self.part = part

    def on_predict_start(self) -> None:
        """Switch dropout off."""
        self.model.eval()

    def predict_step(self, batch: QuestionBatch, batch_idx: int) -> None:
        """Answer a batch; its lines are written together, so that a kill leaves whole batches or none."""
        rows = self.rows(self.model, batch)
        for row in rows:
            if not all(math.isfinite(value) for name in NORMALISATIONS for value in row.get(name, ())):
                raise InputError(
                    f"question {row['question_id']} has no finite score: the model's weights or their precision are"
                    " broken, and every answer would be A; tune it again at a lower learning rate, or score in 32-true"
                )
        lines = "".join(map(line_of, rows))
        with self.part.open("a", encoding="utf-8") as file:
            file.write(lines)
        if preemption_requested():
            raise Preempted


def evaluate(
    model: VisionLanguageModel,
    encoder: QuestionEncoder,
    questions: Sequence[Question],
    scoring: Scoring,
    trainer: Callable[..., L.Trainer],
    output: Path,
) -> Accuracy:
    """Answer all questions and write the predictions, in the order of the questions.

    An interrupted evaluation resumes with the questions that have no row yet. Each process answers its own share.

    Args:
        model: model to score.
        encoder: encoder of questions for that model.
        questions: questions of the benchmark.
        scoring: mode, batch size and precision.
        trainer: makes the Lightning trainer.
        output: JSON-lines file of the predictions.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    half = PRECISIONS[scoring.precision]
    if half is not None:
        halve(model, trained=True, dtype=half)
    collate_fn, rows = encoder.with_letters, cast(Rows, generated_rows)
    if scoring.mode == "ranking":
        collate_fn, rows = encoder.with_choices, functools.partial(ranked_rows, normalisation=scoring.normalisation)
    predictor = trainer(
        precision=scoring.precision,
        logger=False,
        callbacks=[_Bar()],
        enable_checkpointing=False,
        enable_progress_bar=False,
    )
    identity = fingerprint_questions(questions, scoring.name, scoring.precision)
    part = part_file(output, identity, predictor.global_rank)
    batches = share(questions, scoring.batch_size, predictor.global_rank, predictor.world_size)
    remaining = batches[answered_batches(part, batches) :]
    log.info("scoring %d questions by %s", len(questions), scoring.name)
    # A process that has answered its share takes part all the same: only there the processes find each other.
    if remaining or predictor.world_size > 1:
        loader = DataLoader(cast(Any, remaining), batch_size=None, collate_fn=collate_fn, num_workers=scoring.workers)
        with deferred():
            predictor.predict(Evaluation(model, rows, part), loader, return_predictions=False)
    predictor.strategy.barrier()
    if predictor.is_global_zero:
        merge(output, identity, questions, predictor.world_size)
    predictor.strategy.barrier()
    answered = list(read_jsonl(output))
    scored = accuracy((row["dimension"], row["prediction"] == row["answer"]) for row in answered)
    if scoring.mode == "generation":
        return replace(scored, unread=_unread(answered, output))
    log.info("%s", _by_score(answered))
    return scored


def _by_score(answered: Sequence[dict[str, Any]]) -> str:
    """Return a line with the share of right answers by every score."""
    shares = []
    for name in NORMALISATIONS:
        right = sum(LETTERS[max(range(len(row[name])), key=row[name].__getitem__)] == row["answer"] for row in answered)
        shares.append(f"{name} {100 * right / len(answered):.1f}")
    return f"Overall by score: {', '.join(shares)}"


def _unread(answered: Sequence[dict[str, Any]], output: Path) -> float:
    """Return the share in percent of answers that name no choice; they are listed next to the predictions."""
    unread = [row for row in answered if not row["prediction"]]
    share = 100 * len(unread) / len(answered)
    write_jsonl(output.with_name(UNREAD), unread)
    log.info(
        "%d of %d answers (%.1f%%) name no choice and count as wrong: %s", len(unread), len(answered), share,
        output.with_name(UNREAD),
    )  # fmt: skip
    return share


class _Bar(L.Callback):
    """Shows answered questions, their rate and the time left."""

    def on_predict_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        total = sum(map(len, trainer.predict_dataloaders.dataset))
        hidden = not trainer.is_global_zero or bool(os.environ.get("TQDM_DISABLE"))
        self.bar = tqdm(total=total, desc="questions", unit="q", disable=hidden)

    def on_predict_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: QuestionBatch, *place: Any
    ) -> None:
        self.bar.update(len(batch.questions))

    def on_predict_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.bar.close()
