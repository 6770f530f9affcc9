"""Instruction tuning as a Lightning module: one loss, one optimiser, checkpoints of what learns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import lightning as L
import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from vlit.common.errors import InputError
from vlit.models.forward import token_loss, unsupervised_prefix
from vlit.tuning.optimization import Schedule
from vlit.tuning.sharding import shard

SUM_SCALE = 1024  # summed losses are divided by it on the way, so that half precision can hold their gradients


class InstructionTuning(L.LightningModule):
    """Tunes a `VisionLanguageModel` on the response tokens of its batches (paper Eq. 1).

    Args:
        model: the model; its freeze policy has been applied.
        optimizer: parameter groups -> optimiser (`_partial_: true` in the configuration).
        groups: model -> parameter groups, the rule of weight decay.
        schedule: (total_steps, steps_per_epoch) -> factor of the learning rate by step.
        seed: of everything random inside a step (dropout); a pure function of it and the step, so that a resumed run
            repeats an uninterrupted one.
        loss_multiplier: of the loss whose gradient is taken; the loss that is told stays as it is.
    """

    strict_loading = False  # checkpoints hold what learns; `check_names` says whether they hold all of it

    def __init__(
        self,
        model: Any,
        optimizer: Callable[..., Optimizer],
        groups: Callable[..., list[dict[str, Any]]],
        schedule: Callable[..., Schedule],
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
        self.supervised = torch.tensor(0)  # tokens of the optimiser step in the making

    def configure_model(self) -> None:
        """Shard the model where the strategy asks for it."""
        if self.device_mesh is not None:
            shard(self.model, self.device_mesh["data_parallel"])

    def on_train_start(self) -> None:
        """Frozen parts stay in evaluation mode; a resumed run goes on with its next batch."""
        self.model.policy.set_modes(self.model)
        self.trainer.datamodule.go_on()

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Seed the step."""
        torch.manual_seed(self.seed * 1_000_003 + self.trainer.fit_loop.total_batch_idx * 1009 + self.global_rank)

    def training_step(self, batch: Any, batch_idx: int) -> dict[str, torch.Tensor]:
        """Mean loss over the supervised tokens: of the batch or, where a step has several, of all of them.

        A mean of means over batches of unequal lengths would weigh tokens unequally. So with accumulation or several
        processes the sum is taken here, and `on_before_optimizer_step` divides by the number of tokens of the step.
        """
        skip = unsupervised_prefix(batch.labels)  # images and prompts: their logits teach nothing
        loss = token_loss(self.model(batch, skip=skip), batch.labels[:, skip:])
        if not torch.isfinite(loss.total):
            raise InputError(
                f"the loss is {loss.total.item()} at step {self.global_step}: lower the learning rate, or look at the"
                f" samples {batch.sample_ids[:4]} ..."
            )
        mean, tokens = loss.total / loss.tokens, batch.attention_mask.sum()
        if self._parts() == 1:
            return {"loss": mean * self.loss_multiplier, "mean": mean.detach(), "tokens": tokens}
        supervised = self._over_processes(loss.tokens)
        self.supervised = self.supervised + supervised
        mean = self._over_processes(loss.total.detach()) / supervised
        return {"loss": loss.total * (self.loss_multiplier / SUM_SCALE), "mean": mean, "tokens": tokens}

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Make the gradient that of the mean over all tokens of the step; loss scaling is undone, clipping follows."""
        if self._parts() == 1:
            return
        factor = float(SUM_SCALE * self._parts() / self.supervised)  # Lightning has divided by the number of parts
        for parameter in self.parameters():
            if parameter.grad is not None:
                parameter.grad.mul_(factor)
        self.supervised = torch.zeros_like(self.supervised)

    def _parts(self) -> int:
        return self.trainer.accumulate_grad_batches * self.trainer.world_size

    def _over_processes(self, value: torch.Tensor) -> torch.Tensor:
        return self.trainer.strategy.reduce(value.clone(), reduce_op="sum")

    def configure_optimizers(self) -> dict[str, Any]:
        """The optimiser over what learns, and its schedule by step."""
        optimizer = self.make_optimizer(self.make_groups(self.model))
        total = int(self.trainer.estimated_stepping_batches)
        per_epoch = -(-total // max(1, self.trainer.max_epochs or 1))
        factor = self.make_schedule(total_steps=total, steps_per_epoch=per_epoch)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": LambdaLR(optimizer, factor), "interval": "step"}}

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """What learns, and nothing else: frozen weights are on disk already."""
        learning = {name for name, parameter in self.named_parameters() if parameter.requires_grad}
        return {name: tensor for name, tensor in super().state_dict(*args, **kwargs).items() if name in learning}

    def check_names(self, state: Mapping[str, Any]) -> None:
        """Refuse a checkpoint's state that does not hold exactly the parameters that learn.

        Asked before loading: sharding strategies take the state out before Lightning's own hook sees a checkpoint.

        Raises:
            InputError: naming one that differs.
        """
        learning, stored = set(self.state_dict()), set(state)
        if learning != stored:
            difference = sorted(learning ^ stored)
            raise InputError(
                f"the checkpoint holds other trained parameters than the model ({len(difference)} differ, first"
                f" {difference[0]}): it was written with another model or freeze policy; start with force=true"
            )
