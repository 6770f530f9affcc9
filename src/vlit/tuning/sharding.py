"""Training with parameters, gradients and optimiser state spread over the processes (PyTorch's FSDP, second version).

`trainer=v100x8_sharded`. Lightning's `ModelParallelStrategy` makes the device mesh, the module shards itself on it; the
same code runs over gloo on a CPU and over NCCL. Each layer is a group that is gathered when it computes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import lightning as L
from omegaconf import DictConfig
from torch import nn
from torch.distributed.device_mesh import DeviceMesh

STRATEGY = "ModelParallelStrategy"


def shard(model: nn.Module, mesh: DeviceMesh) -> None:
    """Shard every layer (member of a `ModuleList`) by itself, innermost first, and what is left with the model."""
    from torch.distributed.fsdp import fully_shard

    layers: dict[int, nn.Module] = {}
    for module in model.modules():
        if isinstance(module, nn.ModuleList):
            for layer in module:
                if not isinstance(layer, nn.ModuleList) and any(True for _ in layer.parameters()):
                    layers.setdefault(id(layer), layer)
    for layer in reversed(layers.values()):
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)


def is_sharded(cfg: DictConfig) -> bool:
    """Whether a configuration's trainer shards the model."""
    strategy = cfg.trainer.strategy
    return isinstance(strategy, DictConfig) and str(strategy.get("_target_", "")).endswith(STRATEGY)


def scoring_trainer(cfg: DictConfig, trainer: Callable[..., L.Trainer]) -> Callable[..., L.Trainer]:
    """The trainer to score with: a copy of the model in each process, whatever the strategy of tuning."""
    return functools.partial(trainer, strategy="ddp") if is_sharded(cfg) else trainer
