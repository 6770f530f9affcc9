"""Samples a second of tuning, in one run: `python benchmarks/training_speed.py` (options: `name=value`).

Three ways take the same number of optimiser steps of the same LLaVA with random weights: our Lightning module with
length-grouped batches, a bare PyTorch loop over those same batches, and `transformers.Trainer` with random batches of
the same samples. They take turns in every round, so that a busy machine slows all three; what counts is the median of
the rounds' ratios. Set-up and saving are not timed, everything between the first and the last step is. Wall time and
this process's processor time are measured; the work of others on a shared machine hardly changes the latter.

Lengths are like those of LLaVA-Instruct-150K. Its three files have 58k conversations, 23k descriptions and 77k pieces
of reasoning in 126, 20.5 and 79.6 MB; without JSON's own characters that is about 1400, 630 and 780 characters a
sample, or `TEXTS` tokens. The spread around these means is assumed (log-normal). Every sample also has the template's
system text and an image.
"""

from __future__ import annotations

import vlit.common.torchvision_shim  # noqa: F401  (before anything that imports torchvision)

# isort: split
import logging
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import lightning as L
import numpy as np
import torch
from omegaconf import OmegaConf
from torch import nn
from torch.utils.data import Dataset

from vlit.common.errors import InputError
from vlit.common.files import write_json
from vlit.data.dataset import Batch, Item, collate
from vlit.data.encode import IGNORED
from vlit.models import llava, loading
from vlit.models.forward import token_loss
from vlit.tuning.callbacks import Progress, StepMetrics
from vlit.tuning.data import InstructionData, epoch_batches
from vlit.tuning.module import InstructionTuning
from vlit.tuning.optimization import cosine_with_warmup, matrices

ROOT = Path(__file__).resolve().parents[1]
TOKENIZER = ROOT / "weights" / "mini" / "tokenizer"
DEFAULTS = {"only": None, "rounds": 5, "steps": None, "output": "results/benchmarks/training_speed.json"}
TEXTS = ((58, 320), (23, 145), (77, 175))  # (share, mean tokens) of conversations, descriptions, reasoning
SPREAD, SYSTEM, LONGEST = 0.35, 40, 2048
LEAST = {"bare loop": 0.97, "transformers.Trainer": 1.2}  # times the samples a second of each
RATE = 1e-5


@dataclass(frozen=True)
class Size:
    """Size of a LLaVA, its batches and steps; the vision encoder is half as deep and as wide as the language model."""

    width: int
    layers: int
    vocabulary: int
    image_size: int
    patch: int
    batch: int
    steps: int


class Seconds(NamedTuple):
    """Seconds of an epoch, by the clock and of the processor."""

    clock: float
    processor: float


SIZES = {
    "mini": Size(width=128, layers=4, vocabulary=1024, image_size=64, patch=8, batch=16, steps=16),
    "100M": Size(width=768, layers=10, vocabulary=16384, image_size=224, patch=14, batch=4, steps=16),
}


def build(size: Size) -> llava.Llava:
    """Build a LLaVA with random weights."""
    from transformers import CLIPVisionConfig, CLIPVisionModel, LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    vision = CLIPVisionModel(
        CLIPVisionConfig(
            hidden_size=size.width // 2,
            intermediate_size=2 * size.width,
            num_attention_heads=size.width // 64,
            num_hidden_layers=max(2, size.layers // 2),
            image_size=size.image_size,
            patch_size=size.patch,
        )
    )
    language = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=size.vocabulary,
            hidden_size=size.width,
            intermediate_size=size.width * 11 // 4,
            num_hidden_layers=size.layers,
            num_attention_heads=max(2, size.width // 64),
        )
    )
    words = loading.load_tokenizer(TOKENIZER)
    projector = nn.Linear(size.width // 2, size.width)
    network = llava.assemble(vision, language, projector, words.convert_tokens_to_ids("<image>"), -2)
    return llava.Llava(network, words, ["projector", "language_model"])


class Samples(Dataset[Item]):
    """Random samples of LLaVA-150K's lengths, made on access."""

    def __init__(self, model: llava.Llava, size: Size, number: int) -> None:
        rng = np.random.default_rng(0)
        shares = np.array([share for share, _ in TEXTS], dtype=float)
        means = np.array([mean for _, mean in TEXTS])[rng.choice(len(TEXTS), number, p=shares / shares.sum())]
        texts = means * np.exp(rng.normal(-(SPREAD**2) / 2, SPREAD, number))
        fixed = SYSTEM + model.tokens_per_image
        self.lengths = np.minimum(fixed + texts.astype(int), LONGEST).tolist()
        self.image = [model.image_token_id] * model.tokens_per_image
        self.side = size.image_size

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> Item:
        rng = np.random.default_rng(index)
        text = rng.integers(10, 1000, self.lengths[index] - len(self.image)).tolist()
        ids = [*self.image, *text]
        labels = [IGNORED] * (len(self.image) + SYSTEM) + text[SYSTEM:]
        pixels = torch.from_numpy(rng.standard_normal((1, 3, self.side, self.side), dtype=np.float32))
        return Item(str(index), ids, labels, pixels)


class Stopwatch:
    """Measures seconds by the clock and of the processor from its creation on."""

    def __init__(self) -> None:
        self.started = time.perf_counter(), time.process_time()

    def read(self) -> Seconds:
        """Return the seconds until now."""
        return Seconds(time.perf_counter() - self.started[0], time.process_time() - self.started[1])


def bare(model: llava.Llava, data: Samples, size: Size, order: int, folder: Path) -> Seconds:
    """Time an epoch of a bare PyTorch loop."""
    batches = epoch_batches(data.lengths, batch_size=size.batch, world_size=1, seed=order, epoch=0)
    optimizer = torch.optim.AdamW(matrices(model, 0.0), lr=RATE)
    model.policy.set_modes(model)
    pad = model.tokenizer.pad_token_id
    watch = Stopwatch()
    for indices in batches:
        batch = collate([data[index] for index in indices], pad)
        loss = token_loss(model(batch), batch.labels)
        (loss.total / loss.tokens).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    return watch.read()


class Clock(L.Callback):
    """Times from the first step to the last."""

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start."""
        self.watch = Stopwatch()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop."""
        self.seconds = self.watch.read()


def ours(model: llava.Llava, data: Samples, size: Size, order: int, folder: Path) -> Seconds:
    """Time an epoch as `tune` trains it, with its metrics and its bar."""
    module = InstructionTuning(
        model, partial(torch.optim.AdamW, lr=RATE), partial(matrices, weight_decay=0.0),
        partial(cosine_with_warmup, warmup_ratio=0.03), seed=0,
    )  # fmt: skip
    clock = Clock()
    trainer = L.Trainer(
        accelerator="cpu", devices=1, max_epochs=1, gradient_clip_val=1.0, use_distributed_sampler=False, logger=False,
        enable_model_summary=False, enable_checkpointing=False, default_root_dir=folder,
        callbacks=[clock, StepMetrics(folder / "metrics.jsonl"), Progress()],
    )  # fmt: skip
    trainer.fit(module, InstructionData(data, size.batch, order, model.tokenizer.pad_token_id, 0))  # type: ignore[arg-type]
    return clock.seconds


class WithLoss(nn.Module):
    """Gives a model the interface of `transformers.Trainer`: a forward pass that returns the loss."""

    def __init__(self, model: llava.Llava) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Return the mean loss."""
        loss = token_loss(self.model(batch), batch.labels)
        return {"loss": loss.total / loss.tokens}


def hugging_face(model: llava.Llava, data: Samples, size: Size, order: int, folder: Path) -> Seconds:
    """Time an epoch of `transformers.Trainer` with its random batches."""
    from transformers import Trainer, TrainerCallback, TrainingArguments

    class HuggingFaceClock(TrainerCallback):
        def on_epoch_begin(self, *given: Any, **more: Any) -> None:
            self.watch = Stopwatch()

        def on_epoch_end(self, *given: Any, **more: Any) -> None:
            self.seconds = self.watch.read()

    clock, pad = HuggingFaceClock(), model.tokenizer.pad_token_id
    arguments = TrainingArguments(
        output_dir=str(folder), per_device_train_batch_size=size.batch, num_train_epochs=1, learning_rate=RATE,
        lr_scheduler_type="cosine", warmup_ratio=0.03, save_strategy="no", report_to=[], seed=order, use_cpu=True,
        remove_unused_columns=False, logging_steps=10, dataloader_pin_memory=False, disable_tqdm=True,
    )  # fmt: skip
    trainer = Trainer(
        model=WithLoss(model), args=arguments, train_dataset=data, callbacks=[clock],
        data_collator=lambda items: {"batch": collate(items, pad)},
    )  # fmt: skip
    trainer.train()
    return clock.seconds


WAYS: dict[str, Callable[..., Seconds]] = {"ours": ours, "bare loop": bare, "transformers.Trainer": hugging_face}


def measure(size: Size, steps: int, rounds: int) -> dict[str, Any]:
    """Return the samples a second of the three ways, and their ratios."""
    model = build(size)
    data = Samples(model, size, steps * size.batch)
    warm_up = Samples(model, size, 2 * size.batch)
    seconds: dict[str, list[Seconds]] = {name: [] for name in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        for way in WAYS.values():
            way(model, warm_up, size, 0, Path(folder))
        for number in range(rounds):
            names = list(WAYS)
            for name in names[number % 3 :] + names[: number % 3]:  # each is first in turn
                seconds[name].append(WAYS[name](model, data, size, number, Path(folder)))
                print(f"round {number + 1} of {rounds}, {name}: {seconds[name][-1]}", flush=True)
    return {
        "samples_per_second": {
            name: round(len(data) / statistics.median(one.clock for one in took), 3) for name, took in seconds.items()
        },
        "times": {name: ratios(seconds, name) for name in LEAST},
        "seconds_of_each_round": {name: [tuple(one) for one in took] for name, took in seconds.items()},
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "batch": size.batch,
        "steps": steps,
        "tokens": {"mean": statistics.mean(data.lengths), "spread": statistics.pstdev(data.lengths)},
    }


def ratios(seconds: dict[str, list[Seconds]], name: str) -> dict[str, Any]:
    """Return the ratio of our samples a second to those of `name`: the median of the rounds, and each round."""
    out: dict[str, Any] = {}
    for place, kind in enumerate(Seconds._fields):
        rounds = [other[place] / own[place] for own, other in zip(seconds["ours"], seconds[name], strict=True)]
        out[kind] = round(statistics.median(rounds), 3)
        out[f"{kind}_of_each_round"] = [round(value, 3) for value in rounds]
    return out


def main() -> None:
    """Measure each size, write the results, and fail where ours is slower than required."""
    given = OmegaConf.from_dotlist(sys.argv[1:])
    unknown = sorted(str(key) for key in set(given) - set(DEFAULTS))
    if unknown:
        raise InputError(f"unknown option {unknown[0]!r}: there are {', '.join(DEFAULTS)}")
    cfg = OmegaConf.merge(DEFAULTS, given)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    found = {}
    for name in [cfg.only] if cfg.only else list(SIZES):
        found[name] = measure(SIZES[name], cfg.steps or SIZES[name].steps, cfg.rounds)
        print(f"\n{name}: {found[name]}", flush=True)
    options = {key: cfg[key] for key in DEFAULTS if key != "output"}
    write_json(Path(cfg.output), {"options": options, "threads": torch.get_num_threads(), "sizes": found})
    print(f"wrote {cfg.output}")
    slow = [
        f"{size} against {name} ({one['times'][name]['clock']})"
        for size, one in found.items()
        for name, least in LEAST.items()
        if one["times"][name]["clock"] < least
    ]
    if slow:
        raise InputError(f"slower than required: {', '.join(slow)}")


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
