"""The files that a configuration names and that are missing, each with where to get it: said at once, before torch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from omegaconf import DictConfig

from vlit.common.errors import InputError

_BLOCKS, _BLOCK = 8, 2**16  # of a file of weights that are read, and their bytes


def check_files(cfg: DictConfig, tuning: bool = True) -> None:
    """Refuse to begin without the files of the model, the data and the benchmark that the configuration has.

    Args:
        cfg: the configuration of a command, or of a run.
        tuning: whether the data is needed too.

    Raises:
        InputError: naming every missing file and its source.
    """
    missing = missing_files(cfg, tuning)
    if missing:
        some = "1 file is missing" if len(missing) == 1 else f"{len(missing)} files are missing"
        raise InputError(f"{some}: {'; '.join(f'{path} ({source})' for path, source in missing)}")


def missing_files(cfg: DictConfig, tuning: bool = True) -> list[tuple[Path, str]]:
    """Return the files that are needed and missing, each with its source.

    What is below `paths.cache` at a scale that prepares it (`prepare`) is not missing: it is made.
    """
    made = Path(cfg.paths.cache).absolute() if cfg.prepare else None
    needed: dict[Path, str] = {}
    data = (*_data(cfg), *_clip(cfg)) if tuning else ()
    for path, source in (*_weights(cfg), *data, *_benchmark(cfg)):
        needed.setdefault(path, source)
    return [
        (path, source)
        for path, source in needed.items()
        if not path.exists() and (made is None or not path.absolute().is_relative_to(made))
    ]


def weights_fingerprint(cfg: DictConfig) -> str:
    """Return a hash of the files that a model is built from: names, sizes, and of each file a few blocks of content.

    Blocks of 64 KiB at the beginning, at the end and at six places between: a file of 14 GB takes no time, and a
    checkpoint that was trained further, or another of the same size, differs in all of them.
    """
    digest = hashlib.sha256()
    for path, _ in sorted(_weights(cfg)):
        files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
        for file in files:
            size = file.stat().st_size
            digest.update(f"{file.relative_to(path.parent)}\0{size}\0".encode())
            with file.open("rb") as content:
                for part in range(_BLOCKS):
                    content.seek(max(0, size - _BLOCK) * part // (_BLOCKS - 1))
                    digest.update(content.read(_BLOCK))
    return digest.hexdigest()


def _weights(cfg: DictConfig) -> Iterator[tuple[Path, str]]:
    judge = cfg.get("judge") or {}
    if "benchmark" not in cfg and (judge.get("kind") != "family" or judge.get("run") is not None):
        return  # a command that only measures data, without this model
    build, folder = cfg.model.build, str(cfg.paths.weights)
    sources = build.get("sources") or {}  # a family of somebody's own need not name any
    for key, value in build.items():
        if isinstance(value, str) and value.startswith(folder):
            kind = str(key).removesuffix("_weights")
            if kind not in sources:  # the tokenizer comes with the language model
                kind = "language" if "language" in sources else "network"
            yield Path(value), sources.get(kind, f"set model.build.{key}")


def _data(cfg: DictConfig) -> Iterator[tuple[Path, str]]:
    compared = cfg.datasets.values() if cfg.get("data_size") == "equal" else ()
    for data in (cfg.data, *compared) if "annotations" in cfg.data else ():  # data=none tunes on nothing
        source = _source(cfg, data.name, "data.annotations")
        yield Path(data.annotations), source
        if data.read.get("train") is not None:
            yield Path(data.read.train), source
        shared = data.images == cfg.paths.coco_images
        yield Path(data.images), _source(cfg, "coco_images", "data.images") if shared else source


def _benchmark(cfg: DictConfig) -> Iterator[tuple[Path, str]]:
    if "benchmark" in cfg:
        for key in ("annotations", "images"):
            yield Path(cfg.benchmark[key]), _source(cfg, "benchmark", f"benchmark.{key}")


def _clip(cfg: DictConfig) -> Iterator[tuple[Path, str]]:
    if "clip" in cfg.get("quality", {}) and ("benchmark" not in cfg or "curated_from" in cfg.data):
        yield Path(cfg.quality.clip.weights), cfg.quality.clip.source


def _source(cfg: DictConfig, name: str, key: str) -> str:
    return str(cfg.planned.sources[name]) if name in cfg.get("planned", {}).get("sources", {}) else f"set {key}"
