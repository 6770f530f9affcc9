"""How many runs fit this machine at once: by its cores, its memory and its GPUs, from the presets of `conf/slurm`."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from vlit.common.errors import InputError

GIB = 2**30
PRESETS = Path(__file__).resolve().parents[3] / "conf" / "slurm"


@dataclass(frozen=True)
class Machine:
    """What a machine has for us.

    Attributes:
        cores: that this process may use.
        memory: GiB that are free, or that a container has left.
        gpus: how many.
    """

    cores: int
    memory: float
    gpus: int


def this_machine() -> Machine:
    """Cores, memory and GPUs here."""
    return Machine(len(os.sched_getaffinity(0)), _free_memory() / GIB, len(list(Path("/dev").glob("nvidia[0-9]*"))))


def together(presets: Sequence[Any], machine: Machine, jobs: int | None = None) -> tuple[int, int]:
    """Runs at once and threads for each of them.

    Args:
        presets: resources of each kind of run; the largest of them decides.
        machine: where.
        jobs: runs there are; no more are started.

    Raises:
        InputError: if a single one does not fit.
    """
    memory = max(preset["memory"] for preset in presets)
    gpus = max(_gpus(preset["gres"]) for preset in presets)
    if memory > machine.memory or gpus > machine.gpus:
        raise InputError(
            f"a run takes {memory} GiB and {gpus} GPUs, this machine has {machine.memory:.1f} GiB free and"
            f" {machine.gpus} GPUs: free some, lower the preset (slurm.resources), or launch=slurm"
        )
    limits = [machine.cores, math.floor(machine.memory / memory), *([machine.gpus // gpus] if gpus else [])]
    runs = max(1, min([*limits, *([jobs] if jobs else [])]))
    return runs, max(1, machine.cores // runs)


def preset_of_sweep(scale: str, overrides: Sequence[str], key: str) -> Any:
    """An entry of the preset of a sweep with `-m`; of several models the one that takes the most memory.

    Known to the configuration as `${preset:scale,overrides,key}`, which Hydra's launchers use.
    """
    return _largest(scale, overrides)[key]


def fitting(scale: str, overrides: Sequence[str], what: str) -> int:
    """`processes` or `threads` of a local sweep with `-m`; known as `${fitting:scale,overrides,what}`."""
    runs, threads = together([_largest(scale, overrides)], this_machine())
    return runs if what == "processes" else threads


def _largest(scale: str, overrides: Sequence[str]) -> Any:
    presets: Any = OmegaConf.to_container(OmegaConf.load(PRESETS / f"{scale}.yaml"))
    chosen = [override.removeprefix("model=").split(",") for override in overrides if override.startswith("model=")]
    models = chosen[-1] if chosen else list(presets["resources"])
    return max((presets["resources"][model] for model in models), key=lambda preset: preset["memory"])


def _gpus(gres: str | None) -> int:
    return int(gres.rpartition(":")[2]) if gres else 0


def _free_memory() -> int:
    for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("MemAvailable:"):
            free = int(line.split()[1]) * 1024
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.exists() and (text := limit.read_text(encoding="utf-8").strip()) != "max":
        free = min(free, int(text) - int(used.read_text(encoding="utf-8")))
    return free


OmegaConf.register_new_resolver("preset", preset_of_sweep, replace=True)
OmegaConf.register_new_resolver("fitting", fitting, replace=True)
