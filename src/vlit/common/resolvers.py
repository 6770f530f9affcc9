"""The global batch is the experiment's; accumulation follows from it and the number of processes.

Importing this makes `${accumulation:global_batch,batch_size,devices,nodes}` known to the configuration.
"""

from __future__ import annotations

from typing import Any

from omegaconf import OmegaConf

from vlit.common.errors import InputError


def accumulation(global_batch: int, batch_size: int, devices: Any, nodes: int = 1) -> int:
    """Batches of each process that make up one optimiser step.

    Raises:
        InputError: if no whole number of them makes the global batch, or the number of devices is left open.
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

    Raises:
        InputError: if the product is another.
    """
    found = batch_size * accumulated * processes
    if found != global_batch:
        raise InputError(
            f"tuning.batch_size={batch_size} x tuning.accumulation={accumulated} x {processes} processes = {found}, but"
            f" tuning.global_batch={global_batch}"
        )


OmegaConf.register_new_resolver("accumulation", accumulation, replace=True)
