"""A step over several batches is the step over one batch of all their samples, whatever their lengths."""

from __future__ import annotations

import dataclasses
import functools

import lightning as L
import pytest
import torch

from tests.models.test_families import batch_of
from vlit.common.files import read_jsonl
from vlit.data.dataset import Batch
from vlit.tuning.callbacks import StepMetrics
from vlit.tuning.module import InstructionTuning
from vlit.tuning.optimization import constant_with_warmup, matrices

ANSWERS = ["Red", "The cup in the upper left of the image is blue and has stripes.", "Blue", "A cup."]


class Given(L.LightningDataModule):
    def __init__(self, batches: list[Batch]) -> None:
        super().__init__()
        self.batches = batches

    def train_dataloader(self):
        return torch.utils.data.DataLoader(self.batches, batch_size=None)

    def resume(self) -> None:
        """Nothing to resume: every run here starts at the first batch."""


def parts_of(batch: Batch, sizes: list[int]) -> list[Batch]:
    starts = [sum(sizes[:place]) for place in range(len(sizes))]
    rows = [slice(start, start + size) for start, size in zip(starts, sizes, strict=True)]
    return [
        Batch(**{field.name: getattr(batch, field.name)[row] for field in dataclasses.fields(Batch)}) for row in rows
    ]


def after_one_step(
    family, tmp_path, sizes: list[int], clip: float | None, multiplier: float = 1.0
) -> dict[str, torch.Tensor]:
    cfg, model, encoder = family("llava")
    module = InstructionTuning(
        model,
        lambda parameters: torch.optim.SGD(parameters, lr=1.0),
        functools.partial(matrices, weight_decay=0.0),
        functools.partial(constant_with_warmup, warmup_steps=0),
        seed=0,
        loss_multiplier=multiplier,
    )
    trainer = L.Trainer(
        accelerator="cpu", max_epochs=1, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, accumulate_grad_batches=len(sizes), gradient_clip_val=clip,
        default_root_dir=tmp_path,
    )  # fmt: skip
    trainer.fit(module, Given(parts_of(batch_of(cfg, model, encoder, ANSWERS), sizes)))
    assert trainer.global_step == 1
    return {name: one.detach().clone() for name, one in model.named_parameters() if one.requires_grad}


def test_metrics_have_a_line_a_step_with_the_loss_of_all_its_batches(family, tmp_path) -> None:
    def rows(sizes: list[int], accumulation: int) -> list[dict]:
        cfg, model, encoder = family("llava")
        module = InstructionTuning(
            model,
            lambda parameters: torch.optim.SGD(parameters, lr=0.0),
            functools.partial(matrices, weight_decay=0.0),
            functools.partial(constant_with_warmup, warmup_steps=0),
            seed=0,
        )
        path = tmp_path / f"{len(sizes)}.jsonl"
        trainer = L.Trainer(
            accelerator="cpu", max_epochs=1, logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False, accumulate_grad_batches=accumulation, callbacks=[StepMetrics(path)],
            default_root_dir=tmp_path,
        )  # fmt: skip
        trainer.fit(module, Given(parts_of(batch_of(cfg, model, encoder, ANSWERS), sizes)))
        return read_jsonl(path)

    count = len(ANSWERS)
    (whole,), parts = rows([count], 1), rows([1] * count, 2)
    assert [row["step"] for row in parts] == list(range(1, -(-count // 2) + 1))
    (all_in_one,) = rows([1] * count, count)
    assert all_in_one["step"] == 1 and all_in_one["loss"] == pytest.approx(whole["loss"], rel=1e-5)


@pytest.mark.parametrize(("steps", "epochs"), [(-1, 3), (2, 3), (4, 3)])
def test_an_epoch_of_a_schedule_is_an_epoch_of_the_data_however_the_run_ends(
    family, tmp_path, steps: int, epochs: int
) -> None:
    cfg, model, encoder = family("llava")
    asked: dict[str, int] = {}

    def schedule(optimizer, total_steps: int, steps_per_epoch: int):
        asked.update(total=total_steps, per_epoch=steps_per_epoch)
        return constant_with_warmup(optimizer, total_steps, steps_per_epoch, warmup_steps=0)

    module = InstructionTuning(
        model, lambda parameters: torch.optim.SGD(parameters, lr=0.0), functools.partial(matrices, weight_decay=0.0),
        schedule, seed=0,
    )  # fmt: skip
    trainer = L.Trainer(
        accelerator="cpu", max_epochs=epochs, max_steps=steps, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, accumulate_grad_batches=2, default_root_dir=tmp_path,
    )  # fmt: skip
    trainer.fit(module, Given(parts_of(batch_of(cfg, model, encoder, ANSWERS), [1] * len(ANSWERS))))
    per_epoch = -(-len(ANSWERS) // 2)
    assert asked == {"total": steps if steps > 0 else epochs * per_epoch, "per_epoch": per_epoch}


@pytest.mark.parametrize("clip", [None, 0.1])
def test_accumulated_gradients_weigh_every_token_alike(family, tmp_path, clip: float | None) -> None:
    whole = after_one_step(family, tmp_path, [4], clip)
    parts = after_one_step(family, tmp_path, [1, 2, 1], clip)
    for name, expected in whole.items():
        torch.testing.assert_close(parts[name], expected, rtol=1e-4, atol=1e-5)


def test_a_mean_of_means_would_be_another_step(family, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = after_one_step(family, tmp_path, [4], None)
    monkeypatch.setattr(InstructionTuning, "_parts", lambda self: 1)
    means = after_one_step(family, tmp_path, [1, 2, 1], None)
    assert any(not torch.allclose(means[name], one, rtol=1e-3, atol=1e-4) for name, one in whole.items())


@pytest.mark.parametrize("sizes", [[4], [1, 2, 1]])
def test_the_loss_multiplier_scales_the_gradient(family, tmp_path, sizes: list[int]) -> None:
    start = {name: one.detach().clone() for name, one in family("llava")[1].named_parameters()}
    whole = after_one_step(family, tmp_path, [4], None)
    scaled = after_one_step(family, tmp_path, sizes, None, multiplier=0.2)
    for name, expected in whole.items():  # as a whole: an element may be a small difference of large numbers
        step, fifth = scaled[name] - start[name], 0.2 * (expected - start[name])
        assert float((step - fifth).norm()) < 1e-3 * float(fifth.norm()) + 1e-4, name
