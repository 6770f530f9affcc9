"""Read the configuration of a run, also of one that was made before functions and keys got their present names.

A run folder contains the resolved configuration of its run, in which `_target_` names functions of this package. Here
old names are replaced, so that old runs can still be scored and judge data. `train.py` does not resume them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from vlit.common.errors import InputError

# `_target_` in the configuration of an old run -> where it is now
MOVED = {
    "vlit.benchmark.evaluate.Scoring": "vlit.evaluation.evaluate.Scoring",
    "vlit.construct.MiniDatasetsSpec": "vlit.mini.datasets.build.MiniDatasetsSpec",
    "vlit.construct.build.DatasetSpec": "vlit.mini.datasets.build.MiniDatasetSpec",
    "vlit.construct.build_mini_datasets": "vlit.mini.datasets.build.build_mini_datasets",
    "vlit.construct.doses.build_dose": "vlit.mini.doses.build.build_dose",
    "vlit.data.readers.coco_arc.read_coco_arc": "vlit.data.formats.coco_arc.read_coco_arc",
    "vlit.data.readers.llava.read_llava": "vlit.data.formats.llava.read_llava",
    "vlit.data.readers.mimic_it.read_mimic_it": "vlit.data.formats.mimic_it.read_mimic_it",
    "vlit.models.mini.unpack": "vlit.mini.weights.unpack",
    "vlit.quality.dataset.DatasetSpec": "vlit.data.subset.InstructionSource",
    "vlit.tuning.parameter_groups.cross_attention": "vlit.tuning.optimization.cross_attention",
    "vlit.tuning.parameter_groups.matrices": "vlit.tuning.optimization.matrices",
    "vlit.tuning.schedules.constant_with_warmup": "vlit.tuning.optimization.constant_with_warmup",
    "vlit.tuning.schedules.cosine_with_warmup": "vlit.tuning.optimization.cosine_with_warmup",
    "vlit.tuning.schedules.lavis_linear_warmup_cosine": "vlit.tuning.optimization.lavis_linear_warmup_cosine",
    "vlit.world.WorldSpec": "vlit.mini.world.build.WorldSpec",
    "vlit.world.build_world": "vlit.mini.world.build.build_world",
}


def read_config(path: Path) -> DictConfig:
    """Read the `config.yaml` of a run folder with present names and keys.

    Raises:
        InputError: if there is no such file, or it is not the configuration of a run.
    """
    try:
        loaded = OmegaConf.load(path)
    except FileNotFoundError:
        raise InputError(f"no file {path}: give the folder of a run") from None
    if not isinstance(loaded, DictConfig) or "model" not in loaded:
        raise InputError(f"{path} is not the configuration of a run: give the folder of a run")
    plain = _with_present_targets(OmegaConf.to_container(loaded))
    if "family" not in plain["model"]:  # an old run
        plain["model"] = _with_family(plain["model"])
        plain.pop("quality", None)  # rules in other words, which neither scoring nor judging reads
    return OmegaConf.create(plain)


def scored_config(cfg: DictConfig) -> DictConfig:
    """Return the configuration of a finished run, with the benchmark that `evaluate.py` is told to score it on.

    Args:
        cfg: configuration of `evaluate.py`: `run`, `benchmark`, `images`; null is the run's own benchmark, and of
            another file the folder `SEED-Bench-image` next to it.

    Raises:
        InputError: if the folder is no finished run.
    """
    folder = Path(cfg.run)
    whole = (folder / "checkpoints" / "last.ckpt").exists() or (folder / "result.json").exists()
    if not (folder / "config.yaml").exists() or not whole:
        raise InputError(f"{folder} is no finished run: it has no config.yaml and checkpoints/last.ckpt")
    config = read_config(folder / "config.yaml")
    if cfg.benchmark is not None:
        config.benchmark.annotations = cfg.benchmark
        config.benchmark.images = str(Path(cfg.benchmark).parent / "SEED-Bench-image")
    if cfg.images is not None:
        config.benchmark.images = cfg.images
    return config


def _with_present_targets(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            key: MOVED.get(value, value) if key == "_target_" else _with_present_targets(value)
            for key, value in node.items()
        }
    return [_with_present_targets(one) for one in node] if isinstance(node, list) else node


def _with_family(model: dict[str, Any]) -> dict[str, Any]:
    """Return `model` with its family by name, which was a `_target_` (`vlit.models.{family}.build`) in `model.build`.

    Sizes of connectors were an object and are a mapping; the architecture, which only a plan reads, is left out.
    """
    build = {key: value for key, value in model["build"].items() if key != "_target_"}
    if build.get("connectors") is not None:
        build["connectors"] = {key: value for key, value in build["connectors"].items() if key != "_target_"}
    family = model["build"]["_target_"].split(".")[-2]
    return {**model, "family": family, "build": build, "architecture": None}
