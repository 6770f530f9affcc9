"""BLIP-2: vision encoder, Q-Former with learned queries, projection, OPT (paper 5.1.1, Table 7; Li et al., 2023).

The network is transformers' `Blip2ForConditionalGeneration` or, with `model.library=lavis`, LAVIS's own modules with
the same weights. OPT is always frozen; vision encoder (`freeze_vit: False`), its final layer norm, Q-Former, queries
and projection learn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    DynamicCache,
    PreTrainedTokenizerBase,
)

from vlit.common.errors import InputError
from vlit.data.dataset import Batch
from vlit.data.templates import BLIP2
from vlit.models.checkpoints import transformers_blip2_state
from vlit.models.family import Family, PromptCache, VisionLanguageModel, register
from vlit.models.forward import CropTransform, insert_features, last_logits, pixels_or_blank
from vlit.models.freeze import FreezePolicy
from vlit.models.lavis import lavis_network
from vlit.models.loading import load_named, load_pretrained, load_tokenizer, read_architecture, require
from vlit.models.processors import blip2_processor

PARTS: dict[str, tuple[str, ...]] = {
    "vision_encoder": ("network.vision_model",),
    "ln_vision": ("network.vision_model.post_layernorm",),
    "q_former": ("network.qformer",),
    "query_tokens": ("network.query_tokens",),
    "projection": ("network.language_projection",),
    "language_model": ("network.language_model",),
}
LAVIS_PARTS: dict[str, tuple[str, ...]] = {
    "vision_encoder": ("network.visual_encoder",),
    "ln_vision": ("network.ln_vision",),
    "q_former": ("network.Qformer",),
    "query_tokens": ("network.query_tokens",),
    "projection": ("network.opt_proj",),
    "language_model": ("network.opt_model",),
}


class Blip2(VisionLanguageModel):
    """BLIP-2 in transformers' modules; an image is as many tokens as there are queries."""

    parts = PARTS

    def __init__(
        self,
        network: Any,
        tokenizer: PreTrainedTokenizerBase,
        trained: Sequence[str],
        config: Blip2Config | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.tokenizer = tokenizer
        self.config: Blip2Config = config or network.config
        self.image_token_id: int = self.config.image_token_index
        self.tokens_per_image: int = self.config.num_query_tokens
        self.image_transform = CropTransform(self.config.vision_config.image_size, crop=False)
        self.policy = FreezePolicy(self.parts, tuple(trained))
        self.policy.apply(self)

    @property
    def language_model(self) -> Any:
        """OPT."""
        return self.network.language_model

    def encode_images(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Return what the queries read from each image, in the language model's width: (images, queries, hidden)."""
        patches = self.network.vision_model(pixel_values).last_hidden_state
        queries = self.network.query_tokens.expand(len(patches), -1, -1)
        read = self.network.qformer(query_embeds=queries, encoder_hidden_states=patches).last_hidden_state
        return self.network.language_projection(read.to(patches.dtype))

    def forward(self, batch: Batch, features: torch.Tensor | None = None, skip: int = 0) -> torch.Tensor:
        """Return logits (batch, length - skip, vocabulary)."""
        return last_logits(
            self.language_model,
            batch.input_ids.shape[1] - skip,
            inputs_embeds=self._embed(batch, features),
            attention_mask=batch.attention_mask,
            use_cache=False,
        )

    def prefill(self, batch: Batch, features: torch.Tensor | None = None) -> PromptCache:
        """Read left-padded prompts once."""
        keys_values = DynamicCache()
        logits = last_logits(
            self.language_model,
            1,
            inputs_embeds=self._embed(batch, features),
            attention_mask=batch.attention_mask,
            past_key_values=keys_values,
            use_cache=True,
        )
        return PromptCache(keys_values, batch.attention_mask, logits[:, 0])

    def extend(self, cache: PromptCache, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return logits (prompts, length, vocabulary) of text that follows cached prompts."""
        mask = torch.cat([cache.attention_mask, attention_mask], dim=1)
        return self.language_model(
            input_ids=input_ids, attention_mask=mask, past_key_values=cache.keys_values, use_cache=True
        ).logits

    def _embed(self, batch: Batch, features: torch.Tensor | None) -> torch.Tensor:
        if features is None:
            features = self.encode_images(pixels_or_blank(batch, self.image_transform))
        embeddings = self.language_model.get_input_embeddings()(batch.input_ids)
        if not len(batch.pixel_values):
            return embeddings + 0 * features.sum()
        return insert_features(embeddings, batch.input_ids, self.image_token_id, features)

    @torch.inference_mode()
    def generate(self, batch: Batch, max_new_tokens: int, num_beams: int = 1) -> list[str]:
        """Return the text that continues each left-padded prompt; a new line ends an answer, as in LAVIS."""
        produced = self.language_model.generate(
            inputs_embeds=self._embed(batch, None),
            attention_mask=batch.attention_mask,
            max_new_tokens=max_new_tokens,
            num_beams=num_beams,
            do_sample=False,
            eos_token_id=self.tokenizer.encode("\n", add_special_tokens=False)[-1],
            pad_token_id=self.tokenizer.pad_token_id,
        )
        return [text.strip() for text in self.tokenizer.batch_decode(produced, skip_special_tokens=True)]

    def trace(self, batch_size: int, length: int) -> torch.Tensor:
        """Return logits of empty samples on the `meta` device."""
        size = self.config.vision_config.image_size
        features = self.encode_images(torch.zeros(batch_size, 3, size, size))
        ids = torch.zeros(batch_size, length - features.shape[1], dtype=torch.long)
        text = self.language_model.get_input_embeddings()(ids)
        embeddings = torch.cat([features.to(text.dtype), text], dim=1)
        return self.language_model(inputs_embeds=embeddings, use_cache=False).logits

    def save_published(self, folder: Path, whole_language_model: bool) -> None:
        """Write a transformers folder."""
        self._save(self.network, folder)

    def _save(self, network: Blip2ForConditionalGeneration, folder: Path) -> None:
        """Write a network whose answers end in a line break, and its processor."""
        network.save_pretrained(str(folder))
        config = Blip2Config.from_pretrained(str(folder))
        config.text_config.eos_token_id = self.tokenizer.encode("\n", add_special_tokens=False)[-1]
        config.save_pretrained(str(folder))
        size, queries = self.config.vision_config.image_size, self.config.num_query_tokens
        blip2_processor(self.tokenizer, BLIP2, size, queries).save_pretrained(str(folder))


class LavisBlip2(Blip2):
    """BLIP-2 in LAVIS's modules."""

    parts = LAVIS_PARTS

    @property
    def language_model(self) -> Any:
        """OPT."""
        return self.network.opt_model

    def encode_images(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Return what the queries read from each image, in the language model's width: (images, queries, hidden)."""
        patches = self.network.ln_vision(self.network.visual_encoder(pixel_values))
        read = self.network.Qformer.bert(
            query_embeds=self.network.query_tokens.expand(len(patches), -1, -1),
            encoder_hidden_states=patches,
            encoder_attention_mask=torch.ones(patches.shape[:-1], dtype=torch.long, device=patches.device),
            return_dict=True,
        ).last_hidden_state
        return self.network.opt_proj(read)

    def save_published(self, folder: Path, whole_language_model: bool) -> None:
        """Write a transformers folder."""
        network = Blip2ForConditionalGeneration(self.config)
        load_named(network, transformers_blip2_state(self.network.state_dict()), "LAVIS's network")
        self._save(network, folder)


def in_lavis(
    network: Blip2ForConditionalGeneration,
    tokenizer: PreTrainedTokenizerBase,
    trained: Sequence[str],
    gradient_checkpointing: bool = False,
) -> LavisBlip2:
    """Return a transformers network's weights in LAVIS's modules; OPT itself is taken over, not copied."""
    moved = lavis_network(network, tokenizer, gradient_checkpointing)
    return LavisBlip2(moved, tokenizer, trained, network.config)


def build_blip2(
    network: str,
    tokenizer: str,
    sources: dict[str, str],
    trained: Sequence[str],
    image_token: str = "<image>",
    gradient_checkpointing: bool = False,
    library: Literal["transformers", "lavis"] = "transformers",
) -> Blip2:
    """Load BLIP-2 from a transformers folder.

    Args:
        network: folder of a `Blip2ForConditionalGeneration` with an OPT decoder.
        tokenizer: folder of its tokenizer.
        sources: where to get `network`, for the error message.
        trained: names of the parts that learn.
        image_token: text of the image token.
        gradient_checkpointing: compute the vision encoder's activations again in the backward pass, as LAVIS does.
        library: whose modules compute, transformers' or LAVIS's, with the same weights.

    Raises:
        InputError: if something is missing or does not fit.
    """
    if library not in ("transformers", "lavis"):
        raise InputError(f"model.library={library}: it is transformers or lavis")
    model = load_pretrained(Blip2ForConditionalGeneration, require(network, sources["network"]))
    words = load_tokenizer(require(tokenizer, sources["network"]))
    if image_token not in words.get_vocab():
        words.add_special_tokens({"additional_special_tokens": [image_token]})
    if len(words) > model.get_input_embeddings().num_embeddings:
        model.resize_token_embeddings(len(words))
    model.config.image_token_index = words.convert_tokens_to_ids(image_token)
    if library == "lavis":
        return in_lavis(model, words, trained, gradient_checkpointing)
    return _blip2(model, words, trained, gradient_checkpointing)


def blip2_skeleton(
    network: Mapping[str, Any] | str, trained: Sequence[str], gradient_checkpointing: bool = False
) -> Blip2:
    """Build BLIP-2 without weights, on the `meta` device.

    Args:
        network: transformers configuration of the whole network: its values, or a JSON file.
        trained: names of the parts that learn.
        gradient_checkpointing: as in `build_blip2`.
    """
    with torch.device("meta"):
        model = Blip2ForConditionalGeneration(read_architecture(network))
    return _blip2(model, None, trained, gradient_checkpointing)


def _blip2(
    network: Blip2ForConditionalGeneration, tokenizer: Any, trained: Sequence[str], gradient_checkpointing: bool
) -> Blip2:
    if gradient_checkpointing:
        network.vision_model.gradient_checkpointing_enable({"use_reentrant": False})
    return Blip2(network, tokenizer, trained)


register(
    Family(
        "blip2",
        build_blip2,
        blip2_skeleton,
        template="blip2",
        resampler=("q_former", "query_tokens", "projection"),
    )
)
