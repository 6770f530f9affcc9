"""Tables 6-8 from the `scale=paper` configuration, so that a changed hyperparameter changes the table."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from vlit.analysis.published import read_rows
from vlit.analysis.table import Table
from vlit.common.resolvers import accumulation, register_resolvers

Config = dict[str, Any]
MODELS = {"table06": "llava", "table07": "blip2", "table08": "openflamingo"}
SEEDS = {"blip2": 42}  # Table 7's, which its command gives: `python train.py scale=paper model=blip2 seed=42`


@dataclass(frozen=True)
class Setting:
    """Where a published hyperparameter is set.

    Attributes:
        path: dotted path in the configuration.
        as_published: the configured value to its form in the paper.
    """

    path: str
    as_published: Callable[[Any], Any] = lambda value: value


def _last(path: str) -> str:
    return str(path).rsplit("/", 1)[-1]


_TABLE_6 = {
    "version": Setting("model.template", lambda name: str(name).removeprefix("vicuna_")),
    "vision_tower": Setting("model.build.vision", _last),
    "pretrain_mm_mlp_adapter": Setting("model.build.projector", _last),
    "mm_vision_select_layer": Setting("model.build.select_layer"),
    "fp16": Setting("tuning.precision", lambda precision: str(precision).startswith("16")),
    "num_train_epochs": Setting("tuning.epochs"),
    "per_device_train_batch_size": Setting("tuning.batch_size"),
    "gradient_accumulation_steps": Setting("tuning.accumulation"),
    "learning_rate": Setting("tuning.optimizer.lr"),
    "weight_decay": Setting("tuning.groups.weight_decay"),
    "warmup_ratio": Setting("tuning.schedule.warmup_ratio"),
    "lr_scheduler_type": Setting("tuning.schedule._target_", lambda target: target.rsplit(".", 1)[-1].split("_")[0]),
    "model_max_length": Setting("tuning.max_length"),
    "dataloader_num_workers": Setting("tuning.workers"),
}
_SCHEDULES = {"lavis_linear_warmup_cosine": "linear_warmup_cosine_lr"}
_CHECKPOINTS = {"blip2-opt-2.7b-coco": "caption_coco_opt2.7b"}  # Hugging Face's name of weights -> LAVIS's
_TABLE_7 = {
    "model_type": Setting("model.build.network", lambda path: _CHECKPOINTS.get(_last(path), _last(path))),
    "freeze_vit": Setting("model.build.trained", lambda parts: "vision_encoder" not in parts),
    "lr_sched": Setting("tuning.schedule._target_", lambda t: _SCHEDULES.get(t.rsplit(".", 1)[-1], t)),
    "init_lr": Setting("tuning.optimizer.lr"),
    "min_lr": Setting("tuning.schedule.minimum_rate"),
    "warmup_lr": Setting("tuning.schedule.warmup_rate"),
    "warmup_steps": Setting("tuning.schedule.warmup_steps"),
    "weight_decay": Setting("tuning.groups.weight_decay"),
    "max_epoch": Setting("tuning.epochs"),
    "batch_size_train": Setting("tuning.batch_size"),
    "num_workers": Setting("tuning.workers"),
    "accum_grad_iters": Setting("tuning.accumulation"),
    "inference_method": Setting("benchmark.scoring.mode", lambda mode: "rank" if mode == "ranking" else mode),
    "seed": Setting("seed"),
}
_TABLE_8 = {
    "cross_attn_every_n_layers": Setting("model.build.cross_attn_every_n_layers"),
    "batch_size": Setting("tuning.batch_size"),
    "workers": Setting("tuning.workers"),
    "freeze_lm_embeddings": Setting("model.build.trained", lambda parts: not any("embed" in part for part in parts)),
    "num_epochs": Setting("tuning.epochs"),
    "warmup_steps": Setting("tuning.schedule.warmup_steps"),
    "dataset_resampled": Setting("tuning.resampled"),
    "train_num_samples": Setting("tuning.samples_per_epoch"),
    "loss_multiplier": Setting("tuning.loss_multiplier"),
}
SETTINGS = {"table06": _TABLE_6, "table07": _TABLE_7, "table08": _TABLE_8}


@dataclass(frozen=True)
class Hyperparameter:
    """A published hyperparameter and the configured one.

    Attributes:
        name: the paper's name.
        published: value as printed.
        path: where it is configured here; empty where nothing sets it.
        value: configured value in the paper's form; None where nothing sets it here.
    """

    name: str
    published: str
    path: str
    value: Any

    @property
    def same(self) -> bool | None:
        """Whether both agree; None where there is nothing to compare."""
        return None if self.value is None else _equal(self.published, self.value)


def compare_hyperparameters(table: str, configuration: Config, paper: Path) -> list[Hyperparameter]:
    """Return the rows of Table 6, 7 or 8 with the configured values.

    Args:
        table: `table06`, `table07` or `table08`.
        configuration: the composed training configuration, unresolved.
        paper: folder with the published tables.

    Raises:
        InputError: the table's file is absent or lacks a column.
    """
    rows = []
    for row in read_rows(paper / f"{table}.csv", ("name", "value")):
        setting = SETTINGS[table].get(row["name"])
        raw = _at(configuration, setting.path) if setting else None
        value = setting.as_published(raw) if setting and raw is not None else None
        rows.append(Hyperparameter(row["name"], row["value"], setting.path if setting else "", value))
    return rows


def paper_configuration(model: str, conf: Path) -> Config:
    """Compose what `python train.py model=MODEL scale=paper` does, interpolations unresolved but for `tuning`'s.

    Table 7 has a seed, which is the command's.
    """
    seed = [f"seed={SEEDS[model]}"] if model in SEEDS else []
    register_resolvers({"accumulation": accumulation})
    running = GlobalHydra.instance().is_initialized()
    with nullcontext() if running else initialize_config_dir(str(conf.resolve()), version_base="1.3"):
        cfg = compose("train", overrides=[f"model={model}", "scale=paper", *seed])
    OmegaConf.resolve(cfg.tuning)  # contains computed numbers; the rest names folders of a running command
    container = OmegaConf.to_container(cfg, resolve=False)
    return {str(key): value for key, value in container.items()} if isinstance(container, dict) else {}


def hyperparameter_tables(conf: Path, paper: Path) -> list[Table]:
    """Return Tables 6-8: the configured value next to the published one; a difference is bold."""
    tables = []
    for name, model in MODELS.items():
        configuration = paper_configuration(model, conf)
        rows = compare_hyperparameters(name, configuration, paper)
        cells = [[row.name, _text(row.value), row.published, row.path or "no such setting here"] for row in rows]
        bold = {(line, 1) for line, row in enumerate(rows) if row.same is False}
        absent = [row.name for row in rows if row.value is None]
        notes = [f"{sum(row.same is True for row in rows)} of {len(rows)} agree, {len(bold)} differ (bold)."]
        if absent:
            notes.append(f"Options of the original code that have no counterpart here: {', '.join(absent)}.")
        title = f"Hyperparameters of {configuration['model']['label']}"
        tables.append(Table(name, title, ["Name", "Configured", "Published", "Set at"], cells, bold, notes=notes))
    return tables


def _at(configuration: Config, path: str) -> Any:
    value: Any = configuration
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _equal(published: str, value: Any) -> bool:
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(published) == float(value)
        except ValueError:
            return False
    return published == _text(value)


def _text(value: Any) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
