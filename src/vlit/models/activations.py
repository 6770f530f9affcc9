"""What autograd keeps of one forward pass, counted on the `meta` device: nothing is computed and nothing allocated.

Autograd itself is asked which tensors it saves, so frozen parts, gradient checkpointing and adapters count as they are.
Half precision is imitated as autocast does it on a GPU: products in half, norms and softmax in float32, attention by a
kernel that stores no scores where the model calls torch's `scaled_dot_product_attention`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from vlit.models.blip2 import Blip2
from vlit.models.llava import Llava
from vlit.models.openflamingo import OpenFlamingo

PRODUCTS = {functional.linear, torch.matmul, torch.Tensor.matmul, torch.Tensor.__matmul__, torch.einsum, torch.conv2d}
EXACT = {functional.layer_norm, functional.softmax, torch.softmax, torch.Tensor.softmax, torch.Tensor.pow, torch.pow}


class _Attention(torch.autograd.Function):
    """Saves what a memory-efficient attention kernel saves: inputs, output, one number a query."""

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
        self.cache: dict[int, torch.Tensor] = {}  # half copies of what learns live as long as autocast
        self.copies: set[int] = set()  # storages of all half copies of parameters

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is torch.Tensor.__bool__:
            return True  # transformers asks whether nothing is padded
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


def saved_bytes(model: Any, batch_size: int, length: int, half: bool, copies: bool = True) -> int:
    """Bytes that autograd keeps of a forward pass with loss, parameters themselves not counted.

    Args:
        model: a skeleton; its parameters say what learns.
        batch_size: samples, of one image each.
        length: tokens of each sample, those that stand for its image included; all are supervised.
        half: whether products are in half precision (`16-mixed`).
        copies: count autocast's half copies of weights too; a sharded model has one layer's at a time.
    """
    parameters = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}  # storages are held, so that no two have the same address

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in parameters:
            kept.setdefault(storage._cdata, storage)
        return tensor

    model.policy.set_modes(model)  # as in tuning: what is frozen drops out nothing
    forward = next(run for kind, run in FORWARDS.items() if isinstance(model, kind))
    with (
        torch.device("meta"),
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
        _Kernels(half) as kernels,
    ):
        logits = forward(model, batch_size, length)
        labels = torch.zeros(logits.shape[:2], dtype=torch.long)
        functional.cross_entropy(logits[:, :-1].reshape(-1, logits.shape[-1]).float(), labels[:, 1:].reshape(-1))
    if copies:
        kept.update({one.untyped_storage()._cdata: one.untyped_storage() for one in kernels.cache.values()})
    return sum(storage.nbytes() for place, storage in kept.items() if copies or place not in kernels.copies)


def _llava(model: Llava, batch_size: int, length: int) -> torch.Tensor:
    size = model.network.config.vision_config.image_size
    features = model.encode_images(torch.zeros(batch_size, 3, size, size))
    text = model.network.get_input_embeddings()(_ids(batch_size, length - features.shape[1]))
    embeddings = torch.cat([features.to(text.dtype), text], dim=1)
    language = model.network.model.language_model
    rotary, language.rotary_emb = language.rotary_emb, _Angles(language.config.head_dim)
    try:
        return model.network.lm_head(language(inputs_embeds=embeddings, use_cache=False).last_hidden_state)
    finally:
        language.rotary_emb = rotary


def _blip2(model: Blip2, batch_size: int, length: int) -> torch.Tensor:
    size = model.network.config.vision_config.image_size
    features = model.encode_images(torch.zeros(batch_size, 3, size, size))
    text = model.network.get_input_embeddings()(_ids(batch_size, length - features.shape[1]))
    embeddings = torch.cat([features.to(text.dtype), text], dim=1)
    return model.network.language_model(inputs_embeds=embeddings, use_cache=False).logits


def _openflamingo(model: OpenFlamingo, batch_size: int, length: int) -> torch.Tensor:
    network, ids = model.network, _ids(batch_size, length)
    size = network.vision_encoder.image_size[0]
    features = model.encode_images(torch.zeros(batch_size, 3, size, size)).unsqueeze(1)
    for layer in network.lang_encoder._get_decoder_layers():
        layer.condition_vis_x(features)
        layer.condition_media_locations(ids == model.image_token_id)
        layer.condition_use_cached_media(False)
    logits = network.lang_encoder(input_ids=ids, attention_mask=None, use_cache=False).logits
    network.lang_encoder.clear_conditioned_layers()
    return logits


class _Angles(nn.Module):
    """Stands in for rotary position embeddings, whose own code asks for autocast on `meta`, which there is none."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, hidden: torch.Tensor, position_ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        angles = hidden.new_empty(len(hidden), hidden.shape[1], self.width)
        return angles, angles.clone()


def _ids(batch_size: int, length: int) -> torch.Tensor:
    return torch.zeros(batch_size, length, dtype=torch.long)


FORWARDS: dict[type[nn.Module], Callable[..., torch.Tensor]] = {
    Llava: _llava,
    Blip2: _blip2,
    OpenFlamingo: _openflamingo,
}
