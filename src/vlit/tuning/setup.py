"""The parts of a run from its configuration: what every command that has a model or a dataset starts with."""

from __future__ import annotations

import functools
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import torch
from hydra.utils import instantiate
from lightning.pytorch.plugins.environments import SLURMEnvironment
from omegaconf import DictConfig

from vlit.common.errors import InputError
from vlit.data.encode import Encoder
from vlit.models.freeze import halve
from vlit.runs.folder import RunFolder
from vlit.tuning.callbacks import CheckpointFile
from vlit.tuning.tune import TuningRun, restore

log = logging.getLogger(__name__)


def run_folder(cfg: DictConfig) -> RunFolder:
    """The folder of the run that a configuration describes."""
    return RunFolder(Path(cfg.run_folder))


def seed_everything(seed: int) -> None:
    """Seed Python, numpy and torch."""
    L.seed_everything(seed, verbose=False)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*treespec.*")
    warnings.filterwarnings("ignore", message=".*`srun` command is available.*")


def model(cfg: DictConfig) -> Any:
    """The model as it is before tuning."""
    return _adapted(cfg, instantiate(cfg.model.build))


def tuned_model(cfg: DictConfig, checkpoint: Path) -> Any:
    """The model with what tuning trained, from a run's checkpoint."""
    built = model(cfg)
    restore(built, checkpoint)
    return built


def skeleton(cfg: DictConfig) -> Any:
    """The same model without weights, on the `meta` device.

    Raises:
        InputError: if the recipe names no architecture.
    """
    if "architecture" not in cfg.model:
        raise InputError(f"a plan needs model.architecture, which recipe/{cfg.scale}/{cfg.model.name} does not have")
    return _adapted(cfg, instantiate(cfg.model.architecture))


def _adapted(cfg: DictConfig, built: Any) -> Any:
    if "lora" in cfg.model:
        from vlit.models.freeze import add_lora

        add_lora(built, **cfg.model.lora)
    if cfg.model.get("half_frozen"):
        halve(built)
    half = any(one.dtype == torch.float16 for one in built.parameters())
    if half and not str(cfg.tuning.precision).endswith("mixed"):
        raise InputError(f"tuning.precision={cfg.tuning.precision}: frozen matrices in half precision need 16-mixed")
    return built


def encoder(cfg: DictConfig, built: Any) -> Encoder:
    """The model's encoder of prompts."""
    return Encoder(
        built.tokenizer, built.image_token_id, built.tokens_per_image, cfg.tuning.max_length, cfg.model.add_bos
    )


def trainer(cfg: DictConfig) -> Callable[..., L.Trainer]:
    """What makes the Lightning trainer. Its checkpoints and, under SLURM, its signals are handled by us."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where srun is installed Lightning advises to use it, needed or not
        slurm = [SLURMEnvironment(auto_requeue=False)] if SLURMEnvironment.detect() else []
    arguments = {key: value for key, value in cfg.trainer.items() if key != "gpu"}  # facts for the plan and for scoring
    return functools.partial(instantiate(arguments), plugins=[CheckpointFile(), *slurm])


def tuning_run(cfg: DictConfig, folder: RunFolder) -> TuningRun:
    """Everything about the tuning run but model and data."""
    return TuningRun(
        spec=instantiate(cfg.tuning),
        trainer=trainer(cfg),
        loggers=[instantiate(logger) for logger in cfg.logger.loggers],
        folder=folder,
        seed=cfg.seed,
    )
