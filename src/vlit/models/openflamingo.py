"""OpenFlamingo: CLIP, perceiver resampler, gated cross-attention in a frozen LM (paper 5.1.1, Table 8).

The network is the open_flamingo package's own `Flamingo`, built by its own `create_model_and_transforms`: it runs
unchanged on current transformers. Perceiver and cross-attention learn; with `freeze_lm_embeddings: True` (Table 8)
nothing of the language model does.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import open_clip
import torch
from open_flamingo import Flamingo, create_model_and_transforms
from open_flamingo.src import factory
from open_flamingo.src.helpers import GatedCrossAttentionBlock, PerceiverResampler
from torch import nn
from transformers import DynamicCache, PreTrainedTokenizerBase

from vlit.common.errors import InputError
from vlit.data.collate import Batch
from vlit.models import loading, mpt
from vlit.models.checkpoints import flamingo_state, load_named
from vlit.models.family import CropTransform, Read, last_logits
from vlit.models.freeze import FreezePolicy

PARTS: dict[str, tuple[str, ...]] = {
    "vision_encoder": ("network.vision_encoder",),
    "perceiver": ("network.perceiver",),
    "cross_attention": ("network.lang_encoder.gated_cross_attn_layers",),
    "language_model": ("network.lang_encoder",),
}


@dataclass(frozen=True)
class ConnectorSize:
    """Sizes of perceiver and cross-attention; the package fixes them at the published ones, the defaults here."""

    latents: int = 64
    depth: int = 6
    heads: int = 8
    head_width: int = 64
    feed_forward: int = 4


class OpenFlamingo(nn.Module):
    """OpenFlamingo as a `VisionLanguageModel`; an image stands as one `<image>` token."""

    tokens_per_image = 1

    def __init__(
        self, network: Flamingo, tokenizer: PreTrainedTokenizerBase, image_size: int, trained: Sequence[str]
    ) -> None:
        super().__init__()
        self.network = network
        self.tokenizer = tokenizer
        self.image_token_id: int = network.media_token_id
        self.image_transform = CropTransform(image_size)
        self.policy = FreezePolicy(PARTS, tuple(trained))
        self.policy.apply(self)

    def encode_images(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Resampled visual tokens: (images, latents, width)."""
        with torch.no_grad():  # upstream freezes the vision encoder the same way
            patches = self.network.vision_encoder(pixel_values)[1]
        return self.network.perceiver(patches[:, None, None]).squeeze(1)

    def forward(self, batch: Batch, features: torch.Tensor | None = None, skip: int = 0) -> torch.Tensor:
        """Logits (batch, length, vocabulary), from position `skip` on."""
        features = self.encode_images(batch.pixel_values) if features is None else features
        self._condition(batch, features)
        logits = last_logits(
            self.network.lang_encoder,
            batch.input_ids.shape[1] - skip,
            input_ids=batch.input_ids,
            attention_mask=batch.attention_mask,
            use_cache=False,
        )
        self.network.lang_encoder.clear_conditioned_layers()
        return logits

    def read(self, batch: Batch, features: torch.Tensor | None = None) -> Read:
        """Read left-padded prompts once."""
        features = self.encode_images(batch.pixel_values) if features is None else features
        self._condition(batch, features)
        cache = DynamicCache()
        logits = last_logits(
            self.network.lang_encoder,
            1,
            input_ids=batch.input_ids,
            attention_mask=batch.attention_mask,
            past_key_values=cache,
            use_cache=True,
        )
        self.network.lang_encoder.clear_conditioned_layers()
        images = _pad_images(features, batch.image_counts)
        return Read(cache, batch.attention_mask, logits[:, 0], images, batch.image_counts)

    def go_on(self, read: Read, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Logits of text that follows what was read. Like all text, it sees the last image before it."""
        language = self.network.lang_encoder
        assert read.images is not None and read.image_counts is not None
        # Of the places of cached images the package only counts how many there are.
        seen = torch.arange(read.images.shape[1], device=read.images.device) < read.image_counts[:, None]
        for layer in language._get_decoder_layers():
            layer.condition_vis_x(read.images)
            layer.condition_media_locations(seen)
        language._use_cached_vision_x = True  # as in the package's own `cache_media`
        logits = language(
            input_ids=input_ids,
            attention_mask=torch.cat([read.attention_mask, attention_mask], dim=1),
            past_key_values=read.cache,
            use_cache=True,
        ).logits
        language._use_cached_vision_x = False
        language.clear_conditioned_layers()
        return logits

    @torch.inference_mode()
    def generate(self, batch: Batch, max_new_tokens: int, num_beams: int = 1) -> list[str]:
        """Continue left-padded prompts; `<|endofchunk|>` ends the answer."""
        images = _pad_images(batch.pixel_values, batch.image_counts)
        produced = self.network.generate(
            images.unsqueeze(2),
            batch.input_ids,
            attention_mask=batch.attention_mask,
            max_new_tokens=max_new_tokens,
            num_beams=num_beams,
            do_sample=False,
            eos_token_id=self.network.eoc_token_id,
            pad_token_id=self.tokenizer.pad_token_id,
        )
        new = produced[:, batch.input_ids.shape[1] :]
        return [text.strip() for text in self.tokenizer.batch_decode(new, skip_special_tokens=True)]

    def _condition(self, batch: Batch, features: torch.Tensor) -> None:
        padded = _pad_images(features, batch.image_counts)
        for layer in self.network.lang_encoder._get_decoder_layers():
            layer.condition_vis_x(padded)
            layer.condition_media_locations(batch.input_ids == self.image_token_id)
            layer.condition_use_cached_media(False)


def _pad_images(flat: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """(images, ...) -> (batch, most images of a sample, ...); text never attends to the zeros that fill up."""
    return nn.utils.rnn.pad_sequence(list(flat.split(counts.tolist())), batch_first=True)


def _resize_connectors(network: Flamingo, size: ConnectorSize) -> None:
    vision_width, language_width = network.vis_dim, network.lang_dim
    network.perceiver = PerceiverResampler(
        dim=vision_width,
        depth=size.depth,
        dim_head=size.head_width,
        heads=size.heads,
        num_latents=size.latents,
        ff_mult=size.feed_forward,
    )
    language = network.lang_encoder
    language.gated_cross_attn_layers = nn.ModuleList(  # a None, as in the package, for a layer without one
        None  # type: ignore[misc]
        if block is None
        else GatedCrossAttentionBlock(
            dim=language_width,
            dim_visual=vision_width,
            dim_head=size.head_width,
            heads=size.heads,
            ff_mult=size.feed_forward,
        )
        for block in language.gated_cross_attn_layers
    )
    language.init_flamingo_layers(gradient_checkpointing=network._use_gradient_checkpointing)


def build(
    vision_model: str,
    vision_weights: str | None,
    vision_configs: str | None,
    language: str,
    tokenizer: str,
    checkpoint: str | None,
    sources: dict[str, str],
    trained: Sequence[str],
    cross_attn_every_n_layers: int = 1,
    gradient_checkpointing: bool = False,
    connectors: ConnectorSize | None = None,
) -> OpenFlamingo:
    """Build OpenFlamingo with its own package.

    Args:
        vision_model: open_clip model name ("ViT-L-14", or one that `vision_configs` defines).
        vision_weights: file with its weights; `None` leaves them random (the checkpoint then must hold them).
        vision_configs: folder of open_clip model configurations to make known first.
        language: folder of a causal language model; MPT-1B's published one goes by `mpt.build`.
        tokenizer: folder of its tokenizer.
        checkpoint: file with perceiver and cross-attention; `None` starts them anew.
        sources: where each can be had, for the message when it is missing.
        trained: the parts that learn.
        cross_attn_every_n_layers: Table 8 has 1.
        gradient_checkpointing: recompute activations in the backward pass.
        connectors: sizes of perceiver and cross-attention, where they differ from the published ones.

    Raises:
        InputError: if something is missing or does not fit.
    """
    if vision_configs is not None:
        open_clip.add_model_config(Path(vision_configs))
    configuration = open_clip.get_model_config(vision_model)
    if configuration is None:
        raise InputError(f"open_clip has no model {vision_model!r}: see open_clip.list_models()")
    if vision_weights is not None:
        loading.require(vision_weights, sources["vision"])
    loading.require(language, sources["language"])
    # The package prints a count; the run log has its own.
    with contextlib.redirect_stdout(io.StringIO()), _language_model_of(Path(language)):
        network, _, words = create_model_and_transforms(
            vision_model,
            vision_weights,
            language,
            str(loading.require(tokenizer, sources["language"])),
            cross_attn_every_n_layers=cross_attn_every_n_layers,
            use_local_files=True,
            gradient_checkpointing=gradient_checkpointing,
        )
    if connectors is not None:
        _resize_connectors(network, connectors)
    if checkpoint is not None:
        load_connectors(network, loading.require(checkpoint, sources["checkpoint"]))
    return OpenFlamingo(network.float(), words, configuration["vision_cfg"]["image_size"], trained)


@contextlib.contextmanager
def _language_model_of(folder: Path) -> Iterator[None]:
    """While it lasts, the package is given MPT-1B in transformers' modules; any other model it loads by itself."""
    if not mpt.is_mosaic(folder):
        yield
        return
    kept = factory.AutoModelForCausalLM
    factory.AutoModelForCausalLM = SimpleNamespace(from_pretrained=lambda *names, **options: mpt.build(folder))
    try:
        yield
    finally:
        factory.AutoModelForCausalLM = kept


def connector_state(network: Flamingo) -> dict[str, torch.Tensor]:
    """The tensors that an OpenFlamingo checkpoint holds: perceiver and gated cross-attention."""
    state = {f"perceiver.{name}": tensor for name, tensor in network.perceiver.state_dict().items()}
    layers = network.lang_encoder.gated_cross_attn_layers.state_dict()
    state.update({f"lang_encoder.gated_cross_attn_layers.{name}": tensor for name, tensor in layers.items()})
    return state


def published_state(network: Flamingo, language: bool = False) -> dict[str, torch.Tensor]:
    """What the package itself saves, under its names: perceiver, cross-attention, input embeddings.

    Embeddings are kept though frozen, since those of `<image>` and `<|endofchunk|>` begin at random. `language` adds
    the language model, for one that has learned.
    """
    embeddings = network.lang_encoder.get_input_embeddings().weight
    return {
        name: parameter.detach().cpu()
        for name, parameter in network.named_parameters()
        if name.startswith("perceiver.")
        or "gated_cross_attn" in name
        or parameter is embeddings
        or (language and name.startswith("lang_encoder."))
    }


def load_connectors(network: Flamingo, path: Path) -> None:
    """Load perceiver and cross-attention (and new embeddings, where a checkpoint holds them), every name accounted for.

    Raises:
        InputError: naming the tensors that are missing or unknown.
    """
    state = flamingo_state(loading.load_float(path))
    load_named(network, state, str(path), required=connector_state(network).keys())
