"""From the configuration to a job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig

from vlit.construct.pipeline import Job
from vlit.construct.prompt import RequestSpec
from vlit.errors import InputError


def job_of(cfg: DictConfig) -> Job:
    """Read `conf/construct.yaml`.

    Raises:
        InputError: if a choice is unknown.
    """
    source = _chosen(cfg, "source", "sources")
    for name in cfg.variants:
        if name not in cfg.prompts:
            raise InputError(f"variants: {name} is unknown, choose from {', '.join(map(str, cfg.prompts))}")
    _chosen(cfg, "generator", "generators")
    for step in source.prepare:
        instantiate(step)
    return Job(
        annotations=Path(source.annotations),
        sources=list(source.read),
        images=Path(source.images),
        limit=cfg.images,
        requests=RequestSpec(
            templates=instantiate(cfg.templates),
            variants=[instantiate(cfg.prompts[name], _convert_="all") for name in cfg.variants],
            examples=[instantiate(example, _convert_="all") for example in cfg.examples],
            shown=cfg.examples_shown,
            least_region=cfg.least_region,
            seed=cfg.seed,
        ),
        generator=instantiate(cfg.generators[cfg.generator], _convert_="all"),
        rules=instantiate(cfg.rules, _convert_="all"),
        cache=Path(cfg.cache),
        output=Path(cfg.output),
        retry_failed=cfg.retry_failed,
        shown=cfg.shown,
    )


def _chosen(cfg: DictConfig, choice: str, group: str) -> Any:
    name = cfg[choice] if cfg[choice] in cfg[group] else None
    if name is None:
        raise InputError(f"{choice}={cfg[choice]} is unknown: choose from {', '.join(map(str, cfg[group]))}")
    return cfg[group][name]
