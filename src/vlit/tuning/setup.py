"""The parts of a run from its configuration: what every command that has a model or a dataset starts with."""

from __future__ import annotations

import functools
import logging
import os
import platform
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import torch
from hydra.utils import instantiate
from lightning.pytorch.plugins.environments import SLURMEnvironment
from omegaconf import DictConfig, OmegaConf

from vlit.common.errors import InputError
from vlit.common.files import locked
from vlit.data.encode import Encoder
from vlit.data.rejects import Rejects
from vlit.data.sample import Sample
from vlit.models.family import VisionLanguageModel, build_model, build_skeleton
from vlit.models.freeze import halve
from vlit.runs.folder import RunFolder
from vlit.tuning.callbacks import CheckpointFile
from vlit.tuning.samples import tuning_samples
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


def prepare(cfg: DictConfig) -> None:
    """Make what is missing, step by step (`prepare` of the scale), and the dose where the dataset is one.

    Runs that start together, as in a sweep, find it made by the first.
    """
    steps = [*cfg.prepare, *([cfg.dose] if "dose" in cfg else [])]
    if steps:
        with locked(Path(cfg.paths.cache) / "preparing.lock"):
            for step in steps:
                instantiate(step)


def samples(cfg: DictConfig, rejects: Rejects) -> list[Sample]:
    """The run's samples; `rejects` receives what the reader sets aside."""
    compared = {name: instantiate(dataset) for name, dataset in cfg.datasets.items()}
    return tuning_samples(instantiate(cfg.data), compared, cfg.data_size, cfg.seed, instantiate(cfg.quality), rejects)


def whole_dataset(cfg: DictConfig, rejects: Rejects) -> list[Sample]:
    """Every sample of the configured dataset, of a curated one also those that are not kept.

    Raises:
        InputError: if there is none.
    """
    read: list[Sample] = instantiate(cfg.data).read(rejects=rejects)
    if not read:
        raise InputError(f"{cfg.data.annotations} holds no usable sample: {rejects.summary()}")
    return read


def model(cfg: DictConfig) -> VisionLanguageModel:
    """The model as it is before tuning."""
    return _adapted(cfg, build_model(cfg.model.family, _plain(cfg.model.build)))


def tuned_model(cfg: DictConfig, checkpoint: Path) -> VisionLanguageModel:
    """The model with what tuning trained, from a run's checkpoint."""
    built = model(cfg)
    restore(built, checkpoint)
    return built


def skeleton(cfg: DictConfig) -> VisionLanguageModel:
    """The same model without weights, on the `meta` device.

    Raises:
        InputError: if the configuration names no architecture.
    """
    if cfg.model.get("architecture") is None:
        raise InputError(
            f"a plan needs model.architecture, which scale={cfg.scale} model={cfg.model.name} does not set"
        )
    return _adapted(cfg, build_skeleton(cfg.model.family, _plain(cfg.model.architecture)))


def _plain(node: DictConfig) -> dict[str, Any]:
    return {str(key): value for key, value in OmegaConf.to_object(node).items()}  # type: ignore[union-attr]


def _adapted(cfg: DictConfig, built: VisionLanguageModel) -> VisionLanguageModel:
    if "lora" in cfg.model:
        from vlit.models.lora import add_lora

        add_lora(built, **cfg.model.lora)
    if cfg.model.get("half_frozen"):
        halve(built)
    half = any(one.dtype == torch.float16 for one in built.parameters())
    if half and not str(cfg.tuning.precision).endswith("mixed"):
        raise InputError(f"tuning.precision={cfg.tuning.precision}: frozen matrices in half precision need 16-mixed")
    return built


def encoder(cfg: DictConfig, built: VisionLanguageModel) -> Encoder:
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


def hardware() -> dict[str, Any]:
    """Return what this process runs on, without the name of the machine, for `provenance.json`."""
    return {
        "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())],
        "python": platform.python_version(),
    }
