"""OpenFlamingo: CLIP, perceiver resampler, gated cross-attention in a frozen LM (paper 5.1.1, Table 8).

The network is the open_flamingo package's own `Flamingo`, built by its own `create_model_and_transforms`, which runs
unchanged on current transformers. Perceiver and cross-attention learn; with `freeze_lm_embeddings: True` (Table 8) no
part of the language model does.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import open_clip
import torch
from open_flamingo import Flamingo, create_model_and_transforms
from open_flamingo.src import factory
from open_flamingo.src.flamingo_lm import FlamingoLMMixin
from open_flamingo.src.helpers import GatedCrossAttentionBlock, PerceiverResampler
from open_flamingo.src.utils import extend_instance
from torch import nn
from transformers import AutoModelForCausalLM, DynamicCache, PreTrainedTokenizerBase

from vlit.common.errors import InputError
from vlit.data.dataset import Batch
from vlit.models import mpt
from vlit.models.checkpoints import load_flamingo_connectors, published_flamingo_state
from vlit.models.clip import open_clip_configuration
from vlit.models.family import Family, PromptCache, VisionLanguageModel, register
from vlit.models.forward import CropTransform, last_logits, pixels_or_blank
from vlit.models.freeze import FreezePolicy
from vlit.models.loading import read_architecture, require

PARTS: dict[str, tuple[str, ...]] = {
    "vision_encoder": ("network.vision_encoder",),
    "perceiver": ("network.perceiver",),
    "cross_attention": ("network.lang_encoder.gated_cross_attn_layers",),
    "language_model": ("network.lang_encoder",),
}
DECODER_BLOCKS = {"mpt": "transformer.blocks", "opt": "model.decoder.layers"}  # by transformers' `model_type`


@dataclass(frozen=True)
class ConnectorSize:
    """Sizes of perceiver and cross-attention. The package fixes them at the published ones, the defaults here."""

    latents: int = 64
    depth: int = 6
    heads: int = 8
    head_width: int = 64
    feed_forward: int = 4


class OpenFlamingo(VisionLanguageModel):
    """OpenFlamingo; an image is one `<image>` token, and text attends to the resampled patches of the last image."""

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
        """Return resampled visual tokens: (images, latents, width)."""
        with torch.no_grad():  # upstream freezes the vision encoder the same way
            patches = self.network.vision_encoder(pixel_values)[1]
        return self.network.perceiver(patches[:, None, None]).squeeze(1)

    def forward(self, batch: Batch, features: torch.Tensor | None = None, skip: int = 0) -> torch.Tensor:
        """Return logits (batch, length - skip, vocabulary)."""
        self._condition(self._images(batch, features), batch.input_ids == self.image_token_id)
        logits = last_logits(
            self.network.lang_encoder,
            batch.input_ids.shape[1] - skip,
            input_ids=batch.input_ids,
            attention_mask=batch.attention_mask,
            use_cache=False,
        )
        self.network.lang_encoder.clear_conditioned_layers()
        return logits

    def _images(self, batch: Batch, features: torch.Tensor | None) -> torch.Tensor:
        """Return each sample's image features (batch, most images, latents, width); without images one that is zero."""
        if features is None:
            features = self.encode_images(pixels_or_blank(batch, self.image_transform))
        if not len(batch.pixel_values):
            one = features[:1] if len(features) else features.new_zeros(1, *features.shape[1:])
            return 0 * one[None].expand(len(batch.input_ids), -1, -1, -1)
        return _pad_images(features, batch.image_counts)

    def prefill(self, batch: Batch, features: torch.Tensor | None = None) -> PromptCache:
        """Read left-padded prompts once."""
        images = self._images(batch, features)
        self._condition(images, batch.input_ids == self.image_token_id)
        keys_values = DynamicCache()
        logits = last_logits(
            self.network.lang_encoder,
            1,
            input_ids=batch.input_ids,
            attention_mask=batch.attention_mask,
            past_key_values=keys_values,
            use_cache=True,
        )
        self.network.lang_encoder.clear_conditioned_layers()
        return PromptCache(keys_values, batch.attention_mask, logits[:, 0], images, batch.image_counts)

    def extend(self, cache: PromptCache, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return logits (prompts, length, vocabulary) of text that follows cached prompts, under their last image."""
        language = self.network.lang_encoder
        assert cache.images is not None and cache.image_counts is not None
        # Of the places of cached images the package only counts how many there are.
        seen = torch.arange(cache.images.shape[1], device=cache.images.device) < cache.image_counts[:, None]
        for layer in language._get_decoder_layers():
            layer.condition_vis_x(cache.images)
            layer.condition_media_locations(seen)
        language._use_cached_vision_x = True  # as in the package's own `cache_media`
        logits = language(
            input_ids=input_ids,
            attention_mask=torch.cat([cache.attention_mask, attention_mask], dim=1),
            past_key_values=cache.keys_values,
            use_cache=True,
        ).logits
        language._use_cached_vision_x = False
        language.clear_conditioned_layers()
        return logits

    @torch.inference_mode()
    def generate(self, batch: Batch, max_new_tokens: int, num_beams: int = 1) -> list[str]:
        """Return the text that continues each left-padded prompt; `<|endofchunk|>` ends an answer."""
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

    def trace(self, batch_size: int, length: int) -> torch.Tensor:
        """Return logits of empty samples on the `meta` device."""
        ids = torch.zeros(batch_size, length, dtype=torch.long)
        size = self.network.vision_encoder.image_size[0]
        features = self.encode_images(torch.zeros(batch_size, 3, size, size)).unsqueeze(1)
        self._condition(features, ids == self.image_token_id)
        logits = self.network.lang_encoder(input_ids=ids, attention_mask=None, use_cache=False).logits
        self.network.lang_encoder.clear_conditioned_layers()
        return logits

    def save_published(self, folder: Path, whole_language_model: bool) -> None:
        """Write `checkpoint.pt`, as the package's training does."""
        torch.save(published_flamingo_state(self.network, whole_language_model), folder / "checkpoint.pt")

    def _condition(self, images: torch.Tensor, places: torch.Tensor) -> None:
        """Give the cross-attention its images (batch, images, latents, width) and their places (batch, length)."""
        for layer in self.network.lang_encoder._get_decoder_layers():
            layer.condition_vis_x(images)
            layer.condition_media_locations(places)
            layer.condition_use_cached_media(False)


def _pad_images(flat: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """(images, ...) -> (batch, most images of a sample, ...), filled with zeros, to which text never attends."""
    return nn.utils.rnn.pad_sequence(list(flat.split(counts.tolist())), batch_first=True)


def build_openflamingo(
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
    connectors: Mapping[str, int] | None = None,
) -> OpenFlamingo:
    """Build OpenFlamingo with its own package.

    Args:
        vision_model: open_clip model name ("ViT-L-14", or one that `vision_configs` defines).
        vision_weights: file with its weights; None for random ones, which the checkpoint then has to replace.
        vision_configs: folder of further open_clip model configurations.
        language: folder of a causal language model; a published MPT-1B is loaded by `mpt.load_mosaic_mpt`.
        tokenizer: folder of its tokenizer.
        checkpoint: file with perceiver and cross-attention; None for random ones.
        sources: where to get `vision`, `language` and `checkpoint`, for the error message.
        trained: names of the parts that learn.
        cross_attn_every_n_layers: Table 8 has 1.
        gradient_checkpointing: compute activations again in the backward pass.
        connectors: values of `ConnectorSize` that differ from the published ones.

    Raises:
        InputError: if something is missing or does not fit.
    """
    configuration = open_clip_configuration(vision_model, vision_configs)
    if vision_weights is not None:
        require(vision_weights, sources["vision"])
    require(language, sources["language"])
    # The package prints a count of parameters, which the run's log has already.
    with contextlib.redirect_stdout(io.StringIO()), _loading_mosaic_mpt(Path(language)):
        network, _, words = create_model_and_transforms(
            vision_model,
            vision_weights,
            language,
            str(require(tokenizer, sources["language"])),
            cross_attn_every_n_layers=cross_attn_every_n_layers,
            use_local_files=True,
            gradient_checkpointing=gradient_checkpointing,
        )
    if connectors is not None:
        _resize_connectors(network, connectors)
    if checkpoint is not None:
        load_flamingo_connectors(network, require(checkpoint, sources["checkpoint"]))
    return OpenFlamingo(network.float(), words, configuration["vision_cfg"]["image_size"], trained)


@contextlib.contextmanager
def _loading_mosaic_mpt(folder: Path) -> Iterator[None]:
    """Let the package load MPT-1B in transformers' modules; it loads any other model by itself."""
    if not mpt.is_mosaic(folder):
        yield
        return
    kept = factory.AutoModelForCausalLM
    factory.AutoModelForCausalLM = SimpleNamespace(
        from_pretrained=lambda *names, **options: mpt.load_mosaic_mpt(folder)
    )
    try:
        yield
    finally:
        factory.AutoModelForCausalLM = kept


def _resize_connectors(network: Flamingo, sizes: Mapping[str, int]) -> None:
    try:
        size = ConnectorSize(**sizes)
    except TypeError as error:
        raise InputError(f"model.build.connectors: {error}; its keys are {', '.join(vars(ConnectorSize()))}") from None
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
    language.gated_cross_attn_layers = nn.ModuleList(  # None, as in the package, for a layer without a block
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


def openflamingo_skeleton(
    vision_model: str,
    language: Mapping[str, Any] | str,
    trained: Sequence[str],
    cross_attn_every_n_layers: int = 1,
) -> OpenFlamingo:
    """Build OpenFlamingo without weights, on the `meta` device.

    Args:
        vision_model: open_clip model name.
        language: transformers configuration of an MPT or OPT: its values, or a JSON file. An MPT gets MPT-1B's norms.
        trained: names of the parts that learn.
        cross_attn_every_n_layers: as in `build_openflamingo`.

    Raises:
        InputError: if the vision model or the kind of language model is unknown.
    """
    vision = open_clip_configuration(vision_model)
    text = read_architecture(language)
    if text.model_type not in DECODER_BLOCKS:
        kinds = ", ".join(DECODER_BLOCKS)
        raise InputError(f"model.architecture.language: OpenFlamingo takes {kinds}, not {text.model_type!r}")
    with torch.device("meta"):
        clip = open_clip.CLIP(**vision)
        clip.visual.output_tokens = True
        decoder = AutoModelForCausalLM.from_config(text)
        if text.model_type == "mpt":
            mpt.add_query_key_norms(decoder)
        extend_instance(decoder, FlamingoLMMixin)
        decoder.set_decoder_layers_attr_name(DECODER_BLOCKS[text.model_type])
        network = Flamingo(
            clip,
            decoder,
            eoc_token_id=text.vocab_size - 2,
            media_token_id=text.vocab_size - 1,
            vis_dim=vision["vision_cfg"]["width"],
            cross_attn_every_n_layers=cross_attn_every_n_layers,
        )
    return OpenFlamingo(network, None, vision["vision_cfg"]["image_size"], trained)


register(
    Family("openflamingo", build_openflamingo, openflamingo_skeleton, template="flamingo", resampler=("perceiver",))
)
