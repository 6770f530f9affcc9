"""Scoring a model on a SEED-Bench-format file with Lightning: ranking or generation, resumable, one line a question."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import lightning as L
import torch
from torch.utils.data import DataLoader
from tqdm import tqdm

from vlit.common.errors import InputError
from vlit.common.files import read_jsonl, write_jsonl
from vlit.data.encode import Encoder
from vlit.data.templates import TEMPLATES
from vlit.evaluation.accuracy import Accuracy, accuracy
from vlit.evaluation.ranking import Prompting, choice_scores, generated_rows, prediction_rows
from vlit.evaluation.seed_bench import Question
from vlit.models.freeze import halve
from vlit.runs.attempt import Preempted, deferred, preemption_requested

log = logging.getLogger(__name__)


PRECISIONS = {"32-true": None, "16-mixed": torch.float16, "bf16-mixed": torch.bfloat16}


@dataclass(frozen=True)
class Scoring:
    """How a benchmark is scored.

    Attributes:
        mode: "ranking" (the paper's) or "generation" (the letter, as LLaVA-1.5 is scored); never mixed in a table.
        normalisation: "sum" or "mean" of a choice's token log-probabilities decides; both are written.
        batch_size: questions at once.
        workers: loader processes.
        precision: as Lightning names it; with a half one the model's matrices are kept in half, too.
    """

    mode: str
    normalisation: str
    batch_size: int
    workers: int
    precision: str = "32-true"

    def __post_init__(self) -> None:
        if self.mode not in ("ranking", "generation"):
            raise InputError(f"scoring mode {self.mode!r}: it is `ranking` or `generation`")
        if self.normalisation not in ("sum", "mean"):
            raise InputError(f"scoring.normalisation={self.normalisation}: it is `sum` or `mean`")
        if self.precision not in PRECISIONS:
            raise InputError(f"scoring.precision={self.precision}: it is one of {', '.join(PRECISIONS)}")

    @property
    def name(self) -> str:
        """What `result.json` says of it."""
        return f"ranking_{self.normalisation}" if self.mode == "ranking" else self.mode


class Evaluation(L.LightningModule):
    """Turns question batches into prediction rows and appends them to this process's part file at once."""

    def __init__(self, model: Any, rows: Callable[[Any, Any], list[dict[str, Any]]], part: Path) -> None:
        super().__init__()
        self.model = model
        self.rows = rows
        self.part = part

    def on_predict_start(self) -> None:
        """No dropout."""
        self.model.eval()

    def predict_step(self, batch: Any, batch_idx: int) -> None:
        """Score a batch; its lines are written together, so that a kill leaves whole batches or none."""
        lines = "".join(json.dumps(row) + "\n" for row in self.rows(self.model, batch))
        with self.part.open("a", encoding="utf-8") as file:
            file.write(lines)
        if preemption_requested():
            raise Preempted


def evaluate(
    model: Any, template: str, encoder: Encoder, questions: Sequence[Question], scoring: Scoring,
    trainer: Callable[..., L.Trainer], output: Path,
) -> Accuracy:  # fmt: skip
    """Score all questions and write `output` (predictions, in the questions' order).

    A killed evaluation goes on with the questions it has not answered. Each process answers its own share, none twice.

    Args:
        model: a `VisionLanguageModel`.
        template: name of its prompt template.
        encoder: its encoder.
        questions: of the benchmark.
        scoring: how.
        trainer: makes the Lightning trainer.
        output: the predictions file.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    kind = PRECISIONS[scoring.precision]
    if kind is not None:
        halve(model, trained=True, dtype=kind)
    made = trainer(precision=scoring.precision, logger=False, callbacks=[_Bar()], enable_checkpointing=False)
    part = output.with_name(f"{output.name}.part{made.global_rank}")
    batches = _shares(questions, scoring.batch_size, made.global_rank, made.world_size)
    todo = batches[_answered(part, batches) :]
    pad_id = model.tokenizer.pad_token_id
    prompting = Prompting(TEMPLATES[template], encoder, model.image_transform, pad_id)
    rows: Callable[[Any, Any], list[dict[str, Any]]] = generated_rows
    if scoring.mode == "ranking":

        def rows(model: Any, batch: Any) -> list[dict[str, Any]]:
            return prediction_rows(batch.questions, *choice_scores(model, batch), scoring.normalisation)

    collator = prompting.ranking if scoring.mode == "ranking" else prompting.generation
    if todo:
        loader: Any = DataLoader(cast(Any, todo), batch_size=None, collate_fn=collator, num_workers=scoring.workers)
        with deferred():
            made.predict(Evaluation(model, rows, part), loader, return_predictions=False)
    made.strategy.barrier()
    if made.is_global_zero:
        _merge(output, questions, made.world_size)
    made.strategy.barrier()
    return accuracy((row["dimension"], row["prediction"] == row["answer"]) for row in read_jsonl(output))


def _shares(questions: Sequence[Question], size: int, rank: int, world: int) -> list[list[Question]]:
    """Batches of a process; questions on one image are next to each other, so that it is encoded once for them."""
    first = {question.image: place for place, question in reversed(list(enumerate(questions)))}
    together = sorted(questions, key=lambda question: first[question.image])
    batches = [together[start : start + size] for start in range(0, len(together), size)]
    return batches[rank::world]


def _answered(part: Path, batches: list[list[Question]]) -> int:
    """How many batches a part file holds whole; what comes after them in the file is cut off."""
    if not part.exists():
        return 0
    lines = part.read_text(encoding="utf-8").split("\n")
    rows = [json.loads(line) for line in lines[:-1]]  # what follows the last line break was cut off
    done = used = 0
    for batch in batches:
        if [row["question_id"] for row in rows[used : used + len(batch)]] != [question.id for question in batch]:
            break
        done, used = done + 1, used + len(batch)
    write_jsonl(part, rows[:used])
    return done


def _merge(output: Path, questions: Sequence[Question], world: int) -> None:
    parts = [output.with_name(f"{output.name}.part{rank}") for rank in range(world)]
    rows = {row["question_id"]: row for part in parts if part.exists() for row in read_jsonl(part)}
    absent = [question.id for question in questions if question.id not in rows]
    if absent:
        raise RuntimeError(f"{len(absent)} questions have no prediction, first {absent[0]}")
    write_jsonl(output, [rows[question.id] for question in questions])
    for part in parts:
        part.unlink(missing_ok=True)


class _Bar(L.Callback):
    """Questions answered, their rate and the time left."""

    def on_predict_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        total = sum(map(len, trainer.predict_dataloaders.dataset))
        hidden = not trainer.is_global_zero or bool(os.environ.get("TQDM_DISABLE"))
        self.bar = tqdm(total=total, desc="questions", unit="q", disable=hidden)

    def on_predict_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, *place: Any
    ) -> None:
        self.bar.update(len(batch.questions))

    def on_predict_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.bar.close()
