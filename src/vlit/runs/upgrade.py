"""Read the configuration of a run, also of one that was made before names in the code changed.

A run folder keeps the resolved configuration of its run, in which `_target_` names functions of this package. Functions
that have moved since are found by their old names here, so that old runs can still be scored and judge data.
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
    "vlit.construct.build.DatasetSpec": "vlit.mini.datasets.build.DatasetSpec",
    "vlit.construct.build_mini_datasets": "vlit.mini.datasets.build.build_mini_datasets",
    "vlit.construct.doses.build_dose": "vlit.mini.doses.build.build_dose",
    "vlit.data.readers.coco_arc.read_coco_arc": "vlit.data.formats.coco_arc.read_coco_arc",
    "vlit.data.readers.llava.read_llava": "vlit.data.formats.llava.read_llava",
    "vlit.data.readers.mimic_it.read_mimic_it": "vlit.data.formats.mimic_it.read_mimic_it",
    "vlit.models.mini.unpack": "vlit.mini.weights.unpack",
    "vlit.quality.dataset.DatasetSpec": "vlit.tuning.samples.DatasetSpec",
    "vlit.tuning.parameter_groups.cross_attention": "vlit.tuning.optimization.cross_attention",
    "vlit.tuning.parameter_groups.matrices": "vlit.tuning.optimization.matrices",
    "vlit.tuning.schedules.constant_with_warmup": "vlit.tuning.optimization.constant_with_warmup",
    "vlit.tuning.schedules.cosine_with_warmup": "vlit.tuning.optimization.cosine_with_warmup",
    "vlit.tuning.schedules.lavis_linear_warmup_cosine": "vlit.tuning.optimization.lavis_linear_warmup_cosine",
    "vlit.world.WorldSpec": "vlit.mini.world.build.WorldSpec",
    "vlit.world.build_world": "vlit.mini.world.build.build_world",
}


def read_config(path: Path) -> DictConfig:
    """Read the `config.yaml` of a run folder, with old names replaced by the present ones.

    Raises:
        InputError: if there is no such file, or it is no mapping.
    """
    try:
        loaded = OmegaConf.load(path)
    except FileNotFoundError:
        raise InputError(f"no file {path}: give the folder of a run") from None
    if not isinstance(loaded, DictConfig):
        raise InputError(f"{path} is no configuration of a run: its content is not a mapping")
    return OmegaConf.create(upgraded(OmegaConf.to_container(loaded)))


def upgraded(node: Any) -> Any:
    """Return a plain configuration with present names in every `_target_`."""
    if isinstance(node, dict):
        return {key: MOVED.get(value, value) if key == "_target_" else upgraded(value) for key, value in node.items()}
    return [upgraded(one) for one in node] if isinstance(node, list) else node
