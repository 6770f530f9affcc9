"""Functions that the configuration computes with, and the global batch, which is fixed by the experiment.

A command lists the functions its configuration calls (`entry("train", resolvers={"accumulation": accumulation})`);
nothing is registered by an import.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from omegaconf import OmegaConf

from vlit.common.errors import InputError


def register_resolvers(resolvers: Mapping[str, Callable[..., Any]]) -> None:
    """Make each function available to the configuration as `${name:argument,...}`."""
    for name, function in resolvers.items():
        OmegaConf.register_new_resolver(name, function, replace=True)


def accumulation(global_batch: int, batch_size: int, devices: Any, nodes: int = 1) -> int:
    """Return the batches of each process that make up one optimiser step.

    In the configuration: `${accumulation:global_batch,batch_size,devices,nodes}`.

    Args:
        global_batch: samples per optimiser step, over all processes.
        batch_size: samples per process and batch.
        devices: processes per machine.
        nodes: machines.

    Raises:
        InputError: if no whole number of batches makes the global batch, or the number of devices is left open.
    """
    if not isinstance(devices, int) or devices < 1:
        raise InputError(f"trainer.devices={devices}: give a number, the global batch of {global_batch} depends on it")
    together = batch_size * devices * nodes
    if global_batch % together:
        raise InputError(
            f"a global batch of {global_batch} is no multiple of tuning.batch_size={batch_size} x {devices * nodes}"
            " processes: change tuning.batch_size or the number of processes"
        )
    return global_batch // together


def check_global_batch(global_batch: int, batch_size: int, accumulated: int, processes: int) -> None:
    """Refuse to train with another global batch than the recipe's.

    Args:
        global_batch: samples per optimiser step, over all processes.
        batch_size: samples per process and batch.
        accumulated: batches of each process per optimiser step.
        processes: processes on all machines.

    Raises:
        InputError: if the product is another.
    """
    found = batch_size * accumulated * processes
    if found != global_batch:
        raise InputError(
            f"tuning.batch_size={batch_size} x tuning.accumulation={accumulated} x {processes} processes = {found}, but"
            f" tuning.global_batch={global_batch}"
        )
