"""BLIP-2: vision encoder, Q-Former with learned queries, projection, OPT (paper 5.1.1, Table 7; Li et al., 2023).

The network is transformers' `Blip2ForConditionalGeneration`. OPT is always frozen; vision encoder (`freeze_vit:
False`), its final layer norm, Q-Former, queries and projection learn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import nn
from transformers import Blip2Config, Blip2ForConditionalGeneration, DynamicCache, PreTrainedTokenizerBase

from vlit.common.errors import InputError
from vlit.data.collate import Batch
from vlit.models import loading
from vlit.models.family import CropTransform, Read, insert_features, last_logits
from vlit.models.freeze import FreezePolicy

PARTS: dict[str, tuple[str, ...]] = {
    "vision_encoder": ("network.vision_model",),
    "ln_vision": ("network.vision_model.post_layernorm",),
    "q_former": ("network.qformer",),
    "query_tokens": ("network.query_tokens",),
    "projection": ("network.language_projection",),
    "language_model": ("network.language_model",),
}


class Blip2(nn.Module):
    """BLIP-2 as a `VisionLanguageModel`."""

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
        """What the queries read from each image, in the language model's width: (images, queries, hidden)."""
        patches = self.network.vision_model(pixel_values).last_hidden_state
        queries = self.network.query_tokens.expand(len(patches), -1, -1)
        read = self.network.qformer(query_embeds=queries, encoder_hidden_states=patches).last_hidden_state
        return self.network.language_projection(read.to(patches.dtype))

    def forward(self, batch: Batch, features: torch.Tensor | None = None, skip: int = 0) -> torch.Tensor:
        """Logits (batch, length, vocabulary), from position `skip` on."""
        return last_logits(
            self.language_model,
            batch.input_ids.shape[1] - skip,
            inputs_embeds=self._embed(batch, features),
            attention_mask=batch.attention_mask,
            use_cache=False,
        )

    def read(self, batch: Batch, features: torch.Tensor | None = None) -> Read:
        """Read left-padded prompts once."""
        cache = DynamicCache()
        logits = last_logits(
            self.language_model,
            1,
            inputs_embeds=self._embed(batch, features),
            attention_mask=batch.attention_mask,
            past_key_values=cache,
            use_cache=True,
        )
        return Read(cache, batch.attention_mask, logits[:, 0])

    def go_on(self, read: Read, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Logits of text that follows what was read."""
        mask = torch.cat([read.attention_mask, attention_mask], dim=1)
        return self.language_model(
            input_ids=input_ids, attention_mask=mask, past_key_values=read.cache, use_cache=True
        ).logits

    def _embed(self, batch: Batch, features: torch.Tensor | None) -> torch.Tensor:
        features = self.encode_images(batch.pixel_values) if features is None else features
        embeddings = self.language_model.get_input_embeddings()(batch.input_ids)
        return insert_features(embeddings, batch.input_ids, self.image_token_id, features)

    @torch.inference_mode()
    def generate(self, batch: Batch, max_new_tokens: int, num_beams: int = 1) -> list[str]:
        """Continue left-padded prompts; a new line ends the answer, as in LAVIS."""
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


def build(
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
        sources: where each can be had, for the message when it is missing.
        trained: the parts that learn.
        image_token: the placeholder's text.
        gradient_checkpointing: compute the vision encoder's activations again in the backward pass, as LAVIS does.
        library: whose modules compute: transformers' (default), or LAVIS's own with the same weights in them.

    Raises:
        InputError: if something is missing or does not fit.
    """
    if library not in ("transformers", "lavis"):
        raise InputError(f"model.library={library}: it is transformers or lavis")
    model = loading.pretrained(Blip2ForConditionalGeneration, loading.require(network, sources["network"]))
    words = loading.tokenizer(loading.require(tokenizer, sources["network"]))
    if image_token not in words.get_vocab():
        words.add_special_tokens({"additional_special_tokens": [image_token]})
    if len(words) > model.get_input_embeddings().num_embeddings:
        model.resize_token_embeddings(len(words))
    model.config.image_token_index = words.convert_tokens_to_ids(image_token)
    if library == "lavis":
        from vlit.models.lavis import from_transformers

        return from_transformers(model, words, trained, gradient_checkpointing)
    if gradient_checkpointing:
        model.vision_model.gradient_checkpointing_enable({"use_reentrant": False})
    return Blip2(model, words, trained)
