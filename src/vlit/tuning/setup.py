"""Build the parts of a run from its configuration; every command that has a model or a dataset starts here."""

from __future__ import annotations

import functools
import inspect
import logging
import os
import platform
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lightning as L
import torch
from hydra.utils import instantiate
from lightning.pytorch.plugins.environments import SLURMEnvironment
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, OmegaConf

from vlit.common.errors import InputError
from vlit.data.dataset import InstructionDataset
from vlit.data.encode import Encoder
from vlit.data.sample import Rejects, Sample
from vlit.data.subset import UNTUNED
from vlit.data.templates import TEMPLATES
from vlit.models.family import VisionLanguageModel, build_model, build_skeleton, find_family
from vlit.models.freeze import halve
from vlit.models.lora import add_lora
from vlit.quality.judges import FamilyJudge
from vlit.runs.folder import RunFolder
from vlit.runs.upgrade import finished_config
from vlit.tuning.callbacks import CheckpointFile
from vlit.tuning.tune import TuningRun, TuningSpec, load_trained

log = logging.getLogger(__name__)


def run_folder(cfg: DictConfig) -> RunFolder:
    """Return the folder of the configured run."""
    return RunFolder(Path(cfg.run_folder))


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch, and silence Lightning's advice, which does not apply to these runs."""
    L.seed_everything(seed, verbose=False)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    for advice in (
        "does not have many workers",
        "treespec",
        "`srun` command is available",
        "in eval mode at the start",
        "predict returned None",
    ):
        warnings.filterwarnings("ignore", message=f".*{advice}.*")


def model(cfg: DictConfig) -> VisionLanguageModel:
    """Build the model before tuning, with adapters and frozen matrices in half precision where configured.

    Raises:
        InputError: if weights are missing or do not fit, or half precision is configured without mixed precision.
    """
    built = _adapted(cfg, build_model(cfg.model.family, _plain(cfg.model.build)))
    log.info("built %s, %s parameters", cfg.model.name, f"{sum(one.numel() for one in built.parameters()):,}")
    return built


def tuned_model(cfg: DictConfig, checkpoint: Path) -> VisionLanguageModel:
    """Build the model with the trained parameters of a run's checkpoint; of a run on no data, as it starts."""
    built = model(cfg)
    if cfg.data.name != UNTUNED:
        load_trained(built, checkpoint)
    return built


def run_model(cfg: DictConfig, folder: str | None) -> tuple[DictConfig, VisionLanguageModel]:
    """Build the tuned model of a finished run, or the configured one before tuning.

    Args:
        cfg: configuration with `model`, which is built where `folder` is None.
        folder: folder of the run.

    Returns:
        The configuration that the model was built from, and the model.

    Raises:
        InputError: if the folder is no finished run, or weights are missing.
    """
    if folder is None:
        return cfg, model(cfg)
    run = RunFolder(Path(folder))
    source = finished_config(run)
    return source, tuned_model(source, run.checkpoint)


def skeleton(cfg: DictConfig) -> VisionLanguageModel:
    """Build the model without weights, on the `meta` device.

    Raises:
        InputError: if the configuration has no architecture.
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
        add_lora(built, **cfg.model.lora)
    if cfg.model.get("half_frozen"):
        halve(built)
    half = any(one.dtype == torch.float16 for one in built.parameters())
    if half and not str(cfg.tuning.precision).endswith("mixed"):
        raise InputError(f"tuning.precision={cfg.tuning.precision}: frozen matrices in half precision need 16-mixed")
    return built


def encoder(cfg: DictConfig, built: VisionLanguageModel) -> Encoder:
    """Return the model's encoder of prompts."""
    return Encoder(
        built.tokenizer, built.image_token_id, built.tokens_per_image, cfg.tuning.max_length, cfg.model.add_bos
    )


def dataset(
    cfg: DictConfig, built: VisionLanguageModel, drawn: Sequence[Sample], rejects: Rejects
) -> InstructionDataset:
    """Encode samples for the model; `rejects` receives what it cannot be tuned on."""
    template = TEMPLATES[cfg.model.template]
    return InstructionDataset(drawn, template, encoder(cfg, built), built.image_transform, rejects)


def likelihood_judge(cfg: DictConfig, contrasted: Sequence[Sample]) -> FamilyJudge:
    """Build the judge that scores responses by their log-likelihood under one of our models.

    Args:
        cfg: configuration with `judge.run`, the folder of the run whose model judges; None takes `model` before tuning.
        contrasted: samples whose images the judge contrasts with.
    """
    source, judging = run_model(cfg, cfg.judge.run)  # first, which refuses what is no finished run
    key = f"{cfg.model.name}|before tuning"
    if cfg.judge.run is not None:
        run = RunFolder(Path(cfg.judge.run))
        key = f"{run.path.resolve()}|{run.checkpoint.stat().st_mtime_ns}"
    images = [sample.images[-1] for sample in contrasted if sample.images]
    return FamilyJudge(judging, encoder(source, judging), TEMPLATES[source.model.template], images, key)


def trainer(cfg: DictConfig) -> Callable[..., L.Trainer]:
    """Return what makes the Lightning trainer; its checkpoints and SLURM's signals are handled by us.

    Raises:
        InputError: when called, if Lightning refuses the settings on this machine.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where srun is installed Lightning advises to use it, needed or not
        slurm = [SLURMEnvironment(auto_requeue=False)] if SLURMEnvironment.detect() else []
    arguments = {key: value for key, value in cfg.trainer.items() if key != "gpu"}  # facts for the plan and for scoring
    made = functools.partial(instantiate(arguments), plugins=[CheckpointFile(), *slurm])

    def make(**further: Any) -> L.Trainer:
        try:
            return made(**further)
        except (MisconfigurationException, TypeError, ValueError) as error:
            raise InputError(
                f"trainer: {str(error).splitlines()[0]}: choose another trainer= or mend its settings"
            ) from None

    return make


def check_machine(cfg: DictConfig) -> None:
    """Refuse a trainer and a precision that this machine can't run, before anything is read or written.

    Raises:
        InputError: naming the setting.
    """
    on_cpu = cfg.trainer.accelerator == "cpu" or (cfg.trainer.accelerator == "auto" and not torch.cuda.is_available())
    if on_cpu and cfg.tuning.precision == "16-mixed":
        raise InputError("tuning.precision=16-mixed: on a CPU it is 32-true or bf16-mixed")
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # no advice, here and in what follows
    trainer(cfg)(logger=False, enable_checkpointing=False, enable_progress_bar=False, precision=cfg.tuning.precision)


def is_sharded(cfg: DictConfig) -> bool:
    """Return whether the configured trainer spreads the model over the processes."""
    strategy = cfg.trainer.strategy
    return isinstance(strategy, DictConfig) and str(strategy.get("_target_", "")).endswith("ModelParallelStrategy")


def scoring_trainer(cfg: DictConfig) -> Callable[..., L.Trainer]:
    """Return what makes the trainer to score with: a copy of the model in each process, however it was tuned."""
    return functools.partial(trainer(cfg), strategy="ddp") if is_sharded(cfg) else trainer(cfg)


def whole_model(cfg: DictConfig, tuned: VisionLanguageModel, folder: RunFolder) -> VisionLanguageModel:
    """Return the tuned model in one piece: as it is, or from its checkpoint where tuning has sharded it."""
    return tuned_model(cfg, folder.checkpoint) if is_sharded(cfg) and cfg.data.name != UNTUNED else tuned


def tuning_run(cfg: DictConfig, folder: RunFolder) -> TuningRun:
    """Return the run without its model and data.

    Raises:
        InputError: if a hyperparameter makes no sense, or there is no such model family.
    """
    find_family(cfg.model.family)
    check_machine(cfg)
    spec: TuningSpec = instantiate(cfg.tuning)
    for name in ("optimizer", "groups", "schedule"):
        _check_arguments(getattr(spec, name), f"tuning.{name}")
    return TuningRun(
        spec=spec,
        trainer=trainer(cfg),
        loggers=[instantiate(logger) for logger in cfg.get("logger", {}).get("loggers", [])],
        folder=folder,
        seed=cfg.seed,
    )


def _check_arguments(made: functools.partial[Any], where: str) -> None:
    """Refuse arguments that a function does not have; it is called only when the model is there."""
    try:
        inspect.signature(made.func).bind_partial(**made.keywords)
    except TypeError as error:
        raise InputError(f"{where}: {made.func.__name__} has {error}: check its settings") from None


def hardware() -> dict[str, Any]:
    """Return what this process runs on, without the name of the machine, for `provenance.json`."""
    return {
        "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())],
        "python": platform.python_version(),
    }
