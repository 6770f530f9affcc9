"""Read the configuration of a run: somebody's data, perhaps old, and never code.

A run folder contains the resolved configuration of its run, in which `_target_` names functions that are called to
score the run. A folder that somebody sends may name anything there. So it is read as plain YAML, without aliases and
interpolations; only declared keys are in it; and a `_target_` is one of `CALLED`, or is never called and in `conf/`.

Old names of functions are replaced by present ones, so that old runs can still be scored and judge data. `train.py`
does not resume them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from vlit.common.errors import InputError
from vlit.common.settings import check
from vlit.runs.folder import RunFolder

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


# What is called to score a run or to judge with it: the node, and what its `_target_` may be.
CALLED = {
    "benchmark.scoring": "vlit.evaluation.evaluate.Scoring",
    "trainer": "lightning.Trainer",
    "trainer.strategy": "lightning.pytorch.strategies.ModelParallelStrategy",
    "model.strategy": "lightning.pytorch.strategies.ModelParallelStrategy",
}
_CALLED_NODES = ("benchmark", "trainer", "model")
LARGEST = 2**17  # bytes; a run's configuration has about ten thousand
DEEPEST = 32  # nested groups; a run's configuration has at most six
CONFIGURATIONS = Path(__file__).parents[3] / "conf"
_TARGET = re.compile(r"_target_:\s*([\w.]+)")


def read_config(path: Path) -> DictConfig:
    """Read the `config.yaml` of a run folder with present names and keys.

    Raises:
        InputError: if there is no such file, it is not the configuration of a run, or it holds what no run wrote: a
            key that is not declared, an interpolation, an alias, a function that scoring a run does not call.
    """
    plain = _plain_yaml(path)
    if not isinstance(plain, dict) or not isinstance(plain.get("model"), dict):
        raise InputError(f"{path} is not the configuration of a run: give the folder of a run")
    plain = _with_present_targets(plain)
    if "family" not in plain["model"]:  # an old run
        plain["model"] = _with_family(path, plain["model"])
        plain.pop("quality", None)  # rules in other words, which neither scoring nor judging reads
    for key, target in _targets(plain):
        _check_target(path, key, target)
    try:
        config = OmegaConf.create(plain)
        check(config, "train")
    except (InputError, OmegaConfBaseException) as error:
        raise InputError(f"{path}: {str(error).splitlines()[0]}: no run of this project has written that") from None
    return config


def _plain_yaml(path: Path) -> Any:
    """Return the content of a file of plain YAML."""
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST + 1).decode()
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"no file {path}: give the folder of a run") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} can't be read ({error}): give the folder of a run") from None
    if len(text) > LARGEST:
        raise InputError(f"{path} is larger than {LARGEST:,} bytes: it is not the configuration of a run")
    try:
        depth = 0
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # one at a time
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.AliasEvent) or depth > DEEPEST:
                what = "YAML aliases" if isinstance(event, yaml.AliasEvent) else "deeply nested values"
                raise InputError(f"{path} has {what}, which no run writes: it is not the configuration of a run")
        loaded = OmegaConf.to_container(OmegaConf.create(text))
    except (yaml.YAMLError, RecursionError, OmegaConfBaseException, ValueError) as error:
        first = next(iter(str(error).splitlines()), "")
        raise InputError(f"{path} is not the configuration of a run ({first}): give the folder of a run") from None
    if any("${" in value for value in _texts(loaded)):
        raise InputError(
            f"{path} refers to other values (${{...}}), and a run's configuration is resolved: write them out"
        )
    return loaded


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield str(key)
            yield from _texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value)
    elif isinstance(node, str):
        yield node


def _targets(node: Any, key: str = "") -> Iterator[tuple[str, object]]:
    """Yield every `_target_` with the dotted key of its node."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "_target_":
                yield key, value
            yield from _targets(value, f"{key}.{name}" if key else str(name))
    elif isinstance(node, list):
        for place, value in enumerate(node):
            yield from _targets(value, f"{key}.{place}")


def _check_target(path: Path, key: str, target: object) -> None:
    if key in CALLED:
        if target != CALLED[key]:
            raise InputError(f"{path}: {key}._target_={target!s:.60}: only {CALLED[key]} is called there")
    elif key.split(".", maxsplit=1)[0] in _CALLED_NODES:
        raise InputError(f"{path}: {key}._target_={target!s:.60}: nothing is called there: remove it")
    elif target not in _known_targets():
        raise InputError(
            f"{path}: {key}._target_={target!s:.60}: no file of conf/ names it: write it there, or remove it"
        )


@cache
def _known_targets() -> frozenset[str]:
    """Return what the files of `conf/` name as `_target_`."""
    files = CONFIGURATIONS.rglob("*.yaml")
    return frozenset(name for file in files for name in _TARGET.findall(file.read_text(encoding="utf-8")))


def finished_config(run: RunFolder) -> DictConfig:
    """Read the configuration of a finished run.

    Raises:
        InputError: if the folder is no finished run.
    """
    if not run.config.exists() or not (run.checkpoint.exists() or run.result.exists()):
        raise InputError(f"{run.path} is no finished run: it has no config.yaml and checkpoints/last.ckpt")
    if run.provenance.exists() and not run.result.exists():
        raise InputError(
            f"{run.path} is no finished run: it has no result.json; give its train.py command again to finish it"
        )
    return read_config(run.config)


def scored_config(cfg: DictConfig) -> DictConfig:
    """Return the configuration of a finished run, with the benchmark that `evaluate.py` is told to score it on.

    Args:
        cfg: configuration of `evaluate.py`: `run`, `benchmark`, `images`; null is the run's own benchmark, and of
            another file the folder `SEED-Bench-image` next to it.

    Raises:
        InputError: if the folder is no finished run.
    """
    config = finished_config(RunFolder(Path(cfg.run)))
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


def _with_family(path: Path, model: dict[str, Any]) -> dict[str, Any]:
    """Return `model` with its family by name, which was a `_target_` (`vlit.models.{family}.build`) in `model.build`.

    Sizes of connectors were an object and are a mapping; the architecture, which only a plan reads, is left out.
    """
    try:
        family = model["build"]["_target_"].split(".")[-2]
        build = {key: value for key, value in model["build"].items() if key != "_target_"}
        if build.get("connectors") is not None:
            build["connectors"] = {key: value for key, value in build["connectors"].items() if key != "_target_"}
    except (KeyError, TypeError, AttributeError, IndexError):
        raise InputError(f"{path}: model has no family: give the folder of a run") from None
    return {**model, "family": family, "build": build, "architecture": None}
