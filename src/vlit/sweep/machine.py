"""What a run takes (the presets of `conf/slurm`), and how cores, memory and GPUs of this machine are divided."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from vlit.common.errors import InputError

GIB = 2**30
PRESETS = Path(__file__).resolve().parents[3] / "conf" / "slurm"


@dataclass(frozen=True)
class Resources:
    """What one run takes.

    Attributes:
        gres: generic resources of a machine in SLURM's words (`gpu:8`, `gpu:v100:8`), or None.
        memory: GiB per machine.
        cpus: cores per process.
        minutes: time limit under SLURM.
    """

    gres: str | None
    memory: float
    cpus: int
    minutes: int

    @property
    def gpus(self) -> int:
        """GPUs per machine."""
        return int(self.gres.rpartition(":")[2]) if self.gres else 0


def resources_of(presets: Mapping[str, Any], name: str) -> Resources:
    """Return the resources of a run.

    Args:
        presets: `resources` of a file in `conf/slurm`: entries of a model or a command, completed by `default`.
        name: a model, or for commands other than `train` the command.

    Raises:
        InputError: if an entry has other keys than `Resources`.
    """
    try:
        return Resources(**{**presets["default"], **presets.get(name, {})})
    except TypeError as error:
        raise InputError(
            f"slurm.resources.{name if name in presets else 'default'}: {error}: give gres, memory, cpus and minutes"
        ) from None


def presets_of(scale: str) -> dict[str, Any]:
    """Return `resources` of a scale's file in `conf/slurm`."""
    presets: Any = OmegaConf.to_container(OmegaConf.load(PRESETS / f"{scale}.yaml"))
    found: dict[str, Any] = presets["resources"]
    return found


def preset(scale: str, overrides: Sequence[str], key: str) -> Any:
    """Return an entry of `Resources` for a multirun; of several models that of the one that takes the most memory.

    In the configuration: `${preset:scale,overrides,key}`, which `hydra/launcher=submitit_slurm` uses.

    Args:
        scale: `mini` or `paper`.
        overrides: overrides of the command, with `model=a,b`.
        key: field of `Resources`.
    """
    presets = presets_of(scale)
    chosen = [override.removeprefix("model=").split(",") for override in overrides if override.startswith("model=")]
    models = chosen[-1] if chosen else list(presets)
    largest = max((resources_of(presets, model) for model in models), key=lambda resources: resources.memory)
    return getattr(largest, key)


@dataclass(frozen=True)
class Machine:
    """What a machine offers.

    Attributes:
        cores: cores that this process may use.
        memory: GiB that are free, or that a container has left.
        gpus: GPUs by the names that `CUDA_VISIBLE_DEVICES` has for them.
    """

    cores: int
    memory: float
    gpus: tuple[str, ...] = ()


@dataclass(frozen=True)
class Share:
    """What one of the runs that are at work at the same time gets."""

    threads: int
    gpus: tuple[str, ...]

    @property
    def environment(self) -> dict[str, str]:
        """Variables that keep a process to its share."""
        found = {"OMP_NUM_THREADS": str(self.threads), "TOKENIZERS_PARALLELISM": "false"}
        return {**found, "CUDA_VISIBLE_DEVICES": ",".join(self.gpus)} if self.gpus else found


def this_machine() -> Machine:
    """Return cores, free memory and GPUs of this machine."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        gpus = [path.name.removeprefix("nvidia") for path in sorted(Path("/dev").glob("nvidia[0-9]*"))]
    else:
        gpus = [name for name in visible.split(",") if name]
    return Machine(len(os.sched_getaffinity(0)), _free_memory() / GIB, tuple(gpus))


def shares(runs: Sequence[Resources], machine: Machine, at_once: int | None = None) -> list[Share]:
    """Divide a machine: one share for each of the runs that are at work at the same time.

    Args:
        runs: resources of each run there is; the largest decides, and there are no more shares than runs.
        machine: what there is to divide.
        at_once: most runs at a time, or None.

    Raises:
        InputError: if a single run does not fit.
    """
    memory, gpus = max(run.memory for run in runs), max(run.gpus for run in runs)
    if memory > machine.memory or gpus > len(machine.gpus):
        raise InputError(
            f"a run takes {memory} GiB and {gpus} GPUs, this machine has {machine.memory:.1f} GiB free and"
            f" {len(machine.gpus)} GPUs: free some, lower slurm.resources, or launch=slurm"
        )
    limits = [len(runs), machine.cores, math.floor(machine.memory / memory)]
    limits += [len(machine.gpus) // gpus] if gpus else []
    limits += [at_once] if at_once is not None else []
    number = max(1, min(limits))
    threads = max(1, machine.cores // number)
    return [Share(threads, machine.gpus[index * gpus : (index + 1) * gpus]) for index in range(number)]


def _free_memory() -> int:
    for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("MemAvailable:"):
            free = int(line.split()[1]) * 1024
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.exists() and (text := limit.read_text(encoding="utf-8").strip()) != "max":
        free = min(free, int(text) - int(used.read_text(encoding="utf-8")))
    return free
