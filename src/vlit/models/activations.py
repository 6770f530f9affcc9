"""Count the activations that autograd keeps of a forward pass, on the `meta` device: nothing is computed or allocated.

Autograd's own hooks report which tensors it saves, so frozen parts, gradient checkpointing and adapters count as they
are. Half precision is imitated as autocast does it on a GPU: products in half, norms and softmax in float32, attention
by a kernel that stores no scores where the model calls torch's `scaled_dot_product_attention`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from vlit.models.family import VisionLanguageModel

PRODUCTS = {functional.linear, torch.matmul, torch.Tensor.matmul, torch.Tensor.__matmul__, torch.einsum, torch.conv2d}
EXACT = {functional.layer_norm, functional.softmax, torch.softmax, torch.Tensor.softmax, torch.Tensor.pow, torch.pow}


class _Attention(torch.autograd.Function):
    """Attention that saves what a memory-efficient kernel saves: inputs, output, one number for each query."""

    @staticmethod
    def forward(ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        out = query.new_empty(*query.shape[:-1], value.shape[-1])
        ctx.save_for_backward(query, key, value, out, query.new_empty(query.shape[:-1], dtype=torch.float32))
        return out


class _Kernels(TorchFunctionMode):
    """Attention as one kernel and, with `half`, the types of autocast."""

    def __init__(self, half: bool) -> None:
        super().__init__()
        self.half = half
        self.cache: dict[int, torch.Tensor] = {}  # autocast keeps the half copies of trained parameters
        self.copies: set[int] = set()  # storages of all half copies of parameters

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is torch.Tensor.__bool__:
            return True  # transformers tests whether a mask has no padding
        if func is functional.scaled_dot_product_attention:
            return _Attention.apply(*self._cast(args[:3], torch.float32, torch.float16))
        if func in PRODUCTS:
            return func(
                *self._cast(args, torch.float32, torch.float16), **self._cast(kwargs, torch.float32, torch.float16)
            )
        if func in EXACT:
            return func(*self._cast(args, torch.float16, torch.float32), **kwargs)
        return func(*args, **kwargs)

    def _cast(self, values: Any, source: torch.dtype, target: torch.dtype) -> Any:
        if not self.half:
            return values
        if isinstance(values, torch.Tensor):
            return self._cast_tensor(values, target) if values.dtype == source else values
        if isinstance(values, dict):
            return {key: self._cast(value, source, target) for key, value in values.items()}
        if isinstance(values, tuple | list):
            return type(values)(self._cast(value, source, target) for value in values)
        return values

    def _cast_tensor(self, tensor: torch.Tensor, target: torch.dtype) -> torch.Tensor:
        if not isinstance(tensor, nn.Parameter) or target != torch.float16:
            return tensor.to(target)
        copied = self.cache.get(id(tensor))
        if copied is None:
            copied = tensor.to(target)
            self.copies.add(copied.untyped_storage()._cdata)
            if tensor.requires_grad:
                self.cache[id(tensor)] = copied
        return copied


def saved_bytes(model: VisionLanguageModel, batch_size: int, length: int, half: bool, copies: bool = True) -> int:
    """Return the bytes that autograd keeps of a forward pass with loss, without the parameters themselves.

    Args:
        model: a skeleton; its parameters say what learns.
        batch_size: samples in the batch, with one image each.
        length: tokens of each sample, image tokens included; all are supervised.
        half: whether products are in half precision (`16-mixed`).
        copies: count autocast's half copies of weights too; a sharded model has one layer's at a time.
    """
    parameters = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}  # kept alive, so that no two have the same address

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in parameters:
            kept.setdefault(storage._cdata, storage)
        return tensor

    model.policy.set_modes(model)  # as in tuning: no dropout in frozen parts
    with (
        torch.device("meta"),
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
        _Kernels(half) as kernels,
    ):
        logits = model.trace(batch_size, length)
        labels = torch.zeros(logits.shape[:2], dtype=torch.long)
        functional.cross_entropy(logits[:, :-1].reshape(-1, logits.shape[-1]).float(), labels[:, 1:].reshape(-1))
    if copies:
        kept.update({one.untyped_storage()._cdata: one.untyped_storage() for one in kernels.cache.values()})
    return sum(storage.nbytes() for place, storage in kept.items() if copies or place not in kernels.copies)
