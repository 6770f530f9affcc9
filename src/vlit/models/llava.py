"""LLaVA: CLIP vision encoder, linear projector, Vicuna-style decoder (paper 5.1.1, Table 6; Liu et al., 2023).

The network is transformers' `LlavaForConditionalGeneration` put together from its three parts, with version 1's single
linear layer in place of the class's two-layer projector. Vision features come from the layer before the last, without
the class token (`mm_vision_select_layer: -2`). The vision encoder is frozen; projector and language model learn.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    CLIPVisionModel,
    DynamicCache,
    LlavaConfig,
    LlavaForConditionalGeneration,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from vlit.data.collate import Batch
from vlit.models import loading
from vlit.models.checkpoints import load_named, projector_state
from vlit.models.family import CropTransform, Read, insert_features, positions
from vlit.models.freeze import FreezePolicy

PARTS: dict[str, tuple[str, ...]] = {
    "vision_encoder": ("network.model.vision_tower",),
    "projector": ("network.model.multi_modal_projector",),
    "language_model": ("network.model.language_model", "network.lm_head"),
}


class Llava(nn.Module):
    """LLaVA as a `VisionLanguageModel`."""

    def __init__(
        self, network: LlavaForConditionalGeneration, tokenizer: PreTrainedTokenizerBase, trained: Sequence[str]
    ) -> None:
        super().__init__()
        self.network = network
        self.tokenizer = tokenizer
        self.image_token_id: int = network.config.image_token_index
        vision = network.config.vision_config
        self.tokens_per_image: int = (vision.image_size // vision.patch_size) ** 2
        self.image_transform = CropTransform(vision.image_size)
        self.policy = FreezePolicy(PARTS, tuple(trained))
        self.policy.apply(self)

    def encode_images(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Project patch features to the language model's width: (images, patches, hidden)."""
        with torch.no_grad():  # Table 6: the vision encoder is frozen
            states = self.network.model.vision_tower(pixel_values, output_hidden_states=True).hidden_states
        return self.network.model.multi_modal_projector(states[self.network.config.vision_feature_layer][:, 1:])

    def forward(self, batch: Batch, features: torch.Tensor | None = None, skip: int = 0) -> torch.Tensor:
        """Logits (batch, length, vocabulary), from position `skip` on."""
        return self.network.lm_head(self._decode(self._embed(batch, features), batch.attention_mask)[:, skip:])

    def read(self, batch: Batch, features: torch.Tensor | None = None) -> Read:
        """Read left-padded prompts once."""
        cache = DynamicCache()
        hidden = self._decode(self._embed(batch, features), batch.attention_mask, cache)
        return Read(cache, batch.attention_mask, self.network.lm_head(hidden[:, -1]))

    def go_on(self, read: Read, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Logits of text that follows what was read."""
        mask = torch.cat([read.attention_mask, attention_mask], dim=1)
        embeddings = self.network.get_input_embeddings()(input_ids)
        return self.network.lm_head(self._decode(embeddings, mask, read.cache))

    def _embed(self, batch: Batch, features: torch.Tensor | None) -> torch.Tensor:
        features = self.encode_images(batch.pixel_values) if features is None else features
        embeddings = self.network.get_input_embeddings()(batch.input_ids)
        return insert_features(embeddings, batch.input_ids, self.image_token_id, features)

    def _decode(
        self, embeddings: torch.Tensor, attention_mask: torch.Tensor, cache: DynamicCache | None = None
    ) -> torch.Tensor:
        """Last hidden states of `embeddings`; the mask also covers what the cache holds."""
        return self.network.model.language_model(
            inputs_embeds=embeddings,
            attention_mask=attention_mask,
            position_ids=positions(attention_mask)[:, -embeddings.shape[1] :],
            past_key_values=cache,
            use_cache=cache is not None,
        ).last_hidden_state

    @torch.inference_mode()
    def generate(self, batch: Batch, max_new_tokens: int, num_beams: int = 1) -> list[str]:
        """Continue left-padded prompts."""
        produced = self.network.generate(
            input_ids=batch.input_ids,
            attention_mask=batch.attention_mask,
            pixel_values=batch.pixel_values,
            max_new_tokens=max_new_tokens,
            num_beams=num_beams,
            do_sample=False,
            eos_token_id=self.tokenizer.eos_token_id,
            pad_token_id=self.tokenizer.pad_token_id,
        )
        new = produced[:, batch.input_ids.shape[1] :]
        return [text.strip() for text in self.tokenizer.batch_decode(new, skip_special_tokens=True)]


def assemble(
    vision: CLIPVisionModel, language: PreTrainedModel, projector: nn.Linear, image_token_id: int, select_layer: int
) -> LlavaForConditionalGeneration:
    """Put three parts together without ever holding two copies of one."""
    configuration = LlavaConfig(
        vision_config=vision.config,
        text_config=language.config,
        image_token_index=image_token_id,
        vision_feature_layer=select_layer,
        tie_word_embeddings=language.config.tie_word_embeddings,
    )
    with torch.device("meta"):
        network = LlavaForConditionalGeneration(configuration)
    network.model.vision_tower = vision
    network.model.multi_modal_projector = projector
    network.model.language_model = language.get_decoder()
    network.lm_head = language.get_output_embeddings()
    network.generation_config = language.generation_config
    return network


def build(
    vision: str,
    language: str,
    projector: str,
    tokenizer: str,
    sources: dict[str, str],
    trained: Sequence[str],
    select_layer: int = -2,
    image_token: str = "<image>",
    gradient_checkpointing: bool = False,
) -> Llava:
    """Load LLaVA from its published parts.

    Args:
        vision: folder of a `CLIPVisionModel`.
        language: folder of a causal language model (Vicuna).
        projector: file with the projector's `weight` and `bias`; LLaVA's own files prefix the names.
        tokenizer: folder of the language model's tokenizer; `image_token` is added where it is not known.
        sources: where each of the four can be had, for the message when it is missing.
        trained: the parts that learn.
        select_layer: which hidden state of the vision encoder is used.
        image_token: the placeholder's text.
        gradient_checkpointing: compute the language model's activations again in the backward pass.

    Raises:
        InputError: if something is missing or does not fit.
    """
    tower = loading.pretrained(CLIPVisionModel, loading.require(vision, sources["vision"]), beside=loading.REST_OF_CLIP)
    decoder = loading.pretrained(AutoModelForCausalLM, loading.require(language, sources["language"]))
    words = loading.tokenizer(loading.require(tokenizer, sources["language"]))
    if image_token not in words.get_vocab():
        words.add_special_tokens({"additional_special_tokens": [image_token]})
    if words.pad_token is None:
        words.pad_token = words.unk_token
    if len(words) > decoder.get_input_embeddings().num_embeddings:
        decoder.resize_token_embeddings(len(words))
    linear = nn.Linear(tower.config.hidden_size, decoder.config.hidden_size)
    path = loading.require(projector, sources["projector"])
    load_named(linear, projector_state(loading.load_float(path)), str(path))
    network = assemble(tower, decoder, linear, words.convert_tokens_to_ids(image_token), select_layer)
    if gradient_checkpointing:
        network.model.language_model.gradient_checkpointing_enable({"use_reentrant": False})
    return Llava(network, words, trained)
