"""Instruction tuning as a Lightning module: the loss of Eq. 1, one optimiser, checkpoints of the trained parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import lightning as L
import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from vlit.common.errors import InputError
from vlit.data.dataset import Batch
from vlit.models.family import VisionLanguageModel
from vlit.models.forward import token_loss, unsupervised_prefix

SUM_SCALE = 1024  # summed losses are divided by it, so that their gradients are in the range of half precision

OptimizerMaker = Callable[[list[dict[str, Any]]], Optimizer]  # parameter groups -> optimiser
GroupMaker = Callable[[nn.Module], list[dict[str, Any]]]  # model -> parameter groups
ScheduleMaker = Callable[..., LRScheduler]  # (optimizer, total_steps=, steps_per_epoch=) -> schedule by step


class InstructionTuning(L.LightningModule):
    """Tunes a vision-language model on the response tokens of its batches (paper section 3.1, Eq. 1).

    Args:
        model: model whose freeze policy has been applied.
        optimizer: makes the optimiser of parameter groups (`_partial_: true` in the configuration).
        groups: makes the parameter groups of the model: the rule of weight decay.
        schedule: makes the learning-rate schedule of the optimiser.
        seed: random seed of each step (dropout), which is a function of it and the step's number alone, so that a
            resumed run repeats an uninterrupted one.
        loss_multiplier: factor of the loss whose gradient is taken; the logged loss is without it.
    """

    strict_loading = False  # a checkpoint contains trained parameters only; `check_trained` compares their names

    def __init__(
        self,
        model: VisionLanguageModel,
        optimizer: OptimizerMaker,
        groups: GroupMaker,
        schedule: ScheduleMaker,
        seed: int,
        loss_multiplier: float = 1.0,
    ) -> None:
        super().__init__()
        self.model = model
        self.make_optimizer = optimizer
        self.make_groups = groups
        self.make_schedule = schedule
        self.seed = seed
        self.loss_multiplier = loss_multiplier
        self.supervised = torch.tensor(0)  # supervised tokens since the last optimiser step

    def configure_model(self) -> None:
        """Shard the model where the strategy has a device mesh."""
        if self.device_mesh is not None:
            shard(self.model, self.device_mesh["data_parallel"])

    def configure_optimizers(self) -> dict[str, Any]:
        """Return the optimiser of the trained parameters and its schedule by step."""
        optimizer = self.make_optimizer(self.make_groups(self.model))
        total = int(self.trainer.estimated_stepping_batches)
        # Not `total` by epochs: `max_steps` may end the run within one.
        per_epoch = -(-int(self.trainer.num_training_batches) // self.trainer.accumulate_grad_batches)
        schedule = self.make_schedule(optimizer, total_steps=total, steps_per_epoch=per_epoch)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_train_start(self) -> None:
        """Keep frozen parts in evaluation mode, and let a resumed run continue with its next batch."""
        self.model.policy.set_modes(self.model)
        self.trainer.datamodule.resume()

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Seed the step."""
        torch.manual_seed(self.seed * 1_000_003 + self.trainer.fit_loop.total_batch_idx * 1009 + self.global_rank)

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, torch.Tensor]:
        """Return the loss, and what Lightning derives.

        `mean` is that of this batch, `supervised` the number of its supervised tokens, over all processes.

        A mean of the means of batches of unequal lengths would weigh tokens unequally. So with accumulation or several
        processes the loss is summed here, and `on_before_optimizer_step` divides by the number of tokens of the step.

        Raises:
            InputError: if the loss is not finite.
        """
        skip = unsupervised_prefix(batch.labels)  # positions of images and prompts, whose logits have no label
        loss = token_loss(self.model(batch, skip=skip), batch.labels[:, skip:])
        if not torch.isfinite(loss.total):
            raise InputError(
                f"the loss is {loss.total.item()} at step {self.global_step}: lower the learning rate, or look at the"
                f" samples {batch.sample_ids[:4]} ..."
            )
        mean, tokens = loss.total / loss.tokens, batch.attention_mask.sum()
        if self._parts() == 1:
            parts = {"mean": mean.detach(), "supervised": loss.tokens, "tokens": tokens}
            return {"loss": mean * self.loss_multiplier, **parts}
        supervised = self._over_processes(loss.tokens)
        self.supervised = self.supervised + supervised
        mean = self._over_processes(loss.total.detach()) / supervised
        parts = {"mean": mean, "supervised": supervised, "tokens": tokens}
        return {"loss": loss.total * (self.loss_multiplier / SUM_SCALE), **parts}

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Make the gradient that of the mean over all tokens of the step, after loss scaling and before clipping."""
        if self._parts() == 1:
            return
        factor = float(SUM_SCALE * self._parts() / self.supervised)  # Lightning has divided by the number of parts
        for parameter in self.parameters():
            if parameter.grad is not None:
                parameter.grad.mul_(factor)
        self.supervised = torch.zeros_like(self.supervised)

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return the trained parameters only: frozen weights are on disk already."""
        trained = {name for name, parameter in self.named_parameters() if parameter.requires_grad}
        return {name: tensor for name, tensor in super().state_dict(*args, **kwargs).items() if name in trained}

    def _parts(self) -> int:
        return self.trainer.accumulate_grad_batches * self.trainer.world_size

    def _over_processes(self, value: torch.Tensor) -> torch.Tensor:
        return self.trainer.strategy.reduce(value.clone(), reduce_op="sum")


PREFIX = "model."  # before a parameter's name in a checkpoint: the attribute of `InstructionTuning`


def check_trained(model: VisionLanguageModel, names: Iterable[str]) -> None:
    """Refuse a checkpoint that does not contain exactly the trained parameters of a model.

    Called before loading: sharding strategies take the state out before Lightning's own hook sees a checkpoint.

    Args:
        model: model whose freeze policy has been applied.
        names: names of the parameters in the checkpoint.

    Raises:
        InputError: naming one parameter that differs.
    """
    trained = {PREFIX + name for name, parameter in model.named_parameters() if parameter.requires_grad}
    different = sorted(trained ^ set(names))
    if different:
        raise InputError(
            f"the checkpoint contains other trained parameters than the model ({len(different)} differ, first"
            f" {different[0]}): it was written with another model or freeze policy; start with force=true"
        )


def shard(model: nn.Module, mesh: DeviceMesh) -> None:
    """Spread parameters, gradients and optimiser state over processes (PyTorch's FSDP2; `trainer=v100x8_sharded`).

    Every layer (member of a `ModuleList`) is a group that is gathered when it computes, innermost first; the rest is
    gathered with the model. The same code runs over gloo on a CPU and over NCCL.

    Args:
        model: model to shard in place.
        mesh: one-dimensional mesh of the processes, which Lightning's `ModelParallelStrategy` makes.
    """
    layers: dict[int, nn.Module] = {}
    for module in model.modules():
        if isinstance(module, nn.ModuleList):
            for layer in module:
                if not isinstance(layer, nn.ModuleList) and any(True for _ in layer.parameters()):
                    layers.setdefault(id(layer), layer)
    for layer in reversed(layers.values()):
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
