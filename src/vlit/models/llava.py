"""LLaVA: CLIP vision encoder, linear projector, Vicuna decoder (paper 5.1.1, Table 6; Liu et al., 2023).

The network is transformers' `LlavaForConditionalGeneration`, assembled from its three parts, with version 1's single
linear layer in place of the class's two-layer projector. Vision features come from the layer before the last, without
the class token (`mm_vision_select_layer: -2`). The vision encoder is frozen; projector and language model learn.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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

from vlit.data.dataset import Batch
from vlit.data.templates import VICUNA_V1
from vlit.models.checkpoints import projector_state, published_projector_state
from vlit.models.family import Family, PromptCache, VisionLanguageModel, register
from vlit.models.forward import CropTransform, insert_features, pixels_or_blank, positions
from vlit.models.freeze import FreezePolicy
from vlit.models.loading import (
    REST_OF_CLIP,
    load_float,
    load_named,
    load_pretrained,
    load_tokenizer,
    read_architecture,
    require,
)
from vlit.models.processors import llava_processor

PARTS: dict[str, tuple[str, ...]] = {
    "vision_encoder": ("network.model.vision_tower",),
    "projector": ("network.model.multi_modal_projector",),
    "language_model": ("network.model.language_model", "network.lm_head"),
}


class Llava(VisionLanguageModel):
    """LLaVA; each patch of an image is one token."""

    def __init__(
        self, network: LlavaForConditionalGeneration, tokenizer: PreTrainedTokenizerBase, trained: Sequence[str]
    ) -> None:
        super().__init__()
        self.network = network
        self.tokenizer = tokenizer
        self.image_token_id: int = network.config.image_token_index
        vision = network.config.vision_config
        self.tokens_per_image: int = (vision.image_size // vision.patch_size) ** 2
        self.image_transform = CropTransform(vision.image_size, floor=True)
        self.policy = FreezePolicy(PARTS, tuple(trained))
        self.policy.apply(self)

    def encode_images(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Project patch features to the language model's width: (images, patches, hidden)."""
        with torch.no_grad():  # Table 6: the vision encoder is frozen
            states = self.network.model.vision_tower(pixel_values, output_hidden_states=True).hidden_states
        return self.network.model.multi_modal_projector(states[self.network.config.vision_feature_layer][:, 1:])

    def forward(self, batch: Batch, features: torch.Tensor | None = None, skip: int = 0) -> torch.Tensor:
        """Return logits (batch, length - skip, vocabulary)."""
        return self.network.lm_head(self._decode(self._embed(batch, features), batch.attention_mask)[:, skip:])

    def prefill(self, batch: Batch, features: torch.Tensor | None = None) -> PromptCache:
        """Read left-padded prompts once."""
        keys_values = DynamicCache()
        hidden = self._decode(self._embed(batch, features), batch.attention_mask, keys_values)
        return PromptCache(keys_values, batch.attention_mask, self.network.lm_head(hidden[:, -1]))

    def extend(self, cache: PromptCache, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return logits (prompts, length, vocabulary) of text that follows cached prompts."""
        mask = torch.cat([cache.attention_mask, attention_mask], dim=1)
        embeddings = self.network.get_input_embeddings()(input_ids)
        return self.network.lm_head(self._decode(embeddings, mask, cache.keys_values))

    def _embed(self, batch: Batch, features: torch.Tensor | None) -> torch.Tensor:
        if features is None:
            features = self.encode_images(pixels_or_blank(batch, self.image_transform))
        embeddings = self.network.get_input_embeddings()(batch.input_ids)
        if not len(batch.pixel_values):
            return embeddings + 0 * features.sum()
        return insert_features(embeddings, batch.input_ids, self.image_token_id, features)

    def _decode(
        self, embeddings: torch.Tensor, attention_mask: torch.Tensor, keys_values: DynamicCache | None = None
    ) -> torch.Tensor:
        """Return the last hidden states of `embeddings`; the mask also covers the tokens of the cache."""
        return self.network.model.language_model(
            inputs_embeds=embeddings,
            attention_mask=attention_mask,
            position_ids=positions(attention_mask)[:, -embeddings.shape[1] :],
            past_key_values=keys_values,
            use_cache=keys_values is not None,
        ).last_hidden_state

    @torch.inference_mode()
    def generate(self, batch: Batch, max_new_tokens: int, num_beams: int = 1) -> list[str]:
        """Return the text that continues each left-padded prompt."""
        produced = self.network.generate(
            input_ids=batch.input_ids,
            attention_mask=batch.attention_mask,
            pixel_values=batch.pixel_values if len(batch.pixel_values) else None,
            max_new_tokens=max_new_tokens,
            num_beams=num_beams,
            do_sample=False,
            eos_token_id=self.tokenizer.eos_token_id,
            pad_token_id=self.tokenizer.pad_token_id,
        )
        new = produced[:, batch.input_ids.shape[1] :]
        return [text.strip() for text in self.tokenizer.batch_decode(new, skip_special_tokens=True)]

    def trace(self, batch_size: int, length: int) -> torch.Tensor:
        """Return logits of empty samples on the `meta` device."""
        size = self.network.config.vision_config.image_size
        features = self.encode_images(torch.zeros(batch_size, 3, size, size))
        ids = torch.zeros(batch_size, length - features.shape[1], dtype=torch.long)
        text = self.network.get_input_embeddings()(ids)
        embeddings = torch.cat([features.to(text.dtype), text], dim=1)
        language = self.network.model.language_model
        rotary, language.rotary_emb = language.rotary_emb, _MetaRotaryEmbedding(language.config.head_dim)
        try:
            return self.network.lm_head(language(inputs_embeds=embeddings, use_cache=False).last_hidden_state)
        finally:
            language.rotary_emb = rotary

    def save_published(self, folder: Path, whole_language_model: bool) -> None:
        """Write a transformers folder, and the projector as the original LLaVA does, in `mm_projector.bin`."""
        projector, vision = self.network.model.multi_modal_projector, self.network.config.vision_config
        whole = _with_two_layers(self.network)
        whole.config.image_seq_length = self.tokens_per_image
        whole.save_pretrained(str(folder))
        llava_processor(self.tokenizer, VICUNA_V1, vision.image_size, vision.patch_size).save_pretrained(str(folder))
        torch.save(published_projector_state(projector), folder / "mm_projector.bin")


class _MetaRotaryEmbedding(nn.Module):
    """Rotary embeddings of the right shape; transformers' own ask for autocast on `meta`, which does not exist."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, hidden: torch.Tensor, position_ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        angles = hidden.new_empty(len(hidden), hidden.shape[1], self.width)
        return angles, angles.clone()


def _with_two_layers(network: LlavaForConditionalGeneration) -> LlavaForConditionalGeneration:
    """Return the same weights with the class's own projector: our layer, no activation, and the identity."""
    linear = network.model.multi_modal_projector
    whole = copy.copy(network)  # shares all weights
    whole._modules = dict(whole._modules)
    whole.config = copy.deepcopy(whole.config)
    whole.config.projector_hidden_act = "linear"
    whole._modules["model"] = copy.copy(whole.model)
    whole.model._modules = dict(whole.model._modules)
    projector = nn.Module()
    projector.linear_1 = linear
    projector.linear_2 = nn.Linear(linear.out_features, linear.out_features)
    nn.init.eye_(projector.linear_2.weight)
    nn.init.zeros_(projector.linear_2.bias)
    projector.to(device=linear.weight.device, dtype=linear.weight.dtype)
    whole.model._modules["multi_modal_projector"] = projector
    return whole


def assemble(
    vision: CLIPVisionModel, language: PreTrainedModel, projector: nn.Linear, image_token_id: int, select_layer: int
) -> LlavaForConditionalGeneration:
    """Return a network of three parts, without a second copy of any in memory.

    Args:
        vision: the vision encoder.
        language: a causal language model.
        projector: vision width -> language width.
        image_token_id: id of the image token.
        select_layer: index of the vision encoder's hidden state that is projected.
    """
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


def build_llava(
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
        tokenizer: folder of the language model's tokenizer; `image_token` is added if it is not in the vocabulary.
        sources: where to get `vision`, `language` and `projector`, for the error message.
        trained: names of the parts that learn.
        select_layer: index of the vision encoder's hidden state that is projected.
        image_token: text of the image token.
        gradient_checkpointing: compute the language model's activations again in the backward pass.

    Raises:
        InputError: if something is missing or does not fit.
    """
    tower = load_pretrained(CLIPVisionModel, require(vision, sources["vision"]), leave_out=REST_OF_CLIP)
    decoder = load_pretrained(AutoModelForCausalLM, require(language, sources["language"]))
    words = load_tokenizer(require(tokenizer, sources["language"]))
    if image_token not in words.get_vocab():
        words.add_special_tokens({"additional_special_tokens": [image_token]})
    if len(words) > decoder.get_input_embeddings().num_embeddings:
        decoder.resize_token_embeddings(len(words))
    linear = nn.Linear(tower.config.hidden_size, decoder.config.hidden_size)
    path = require(projector, sources["projector"])
    load_named(linear, projector_state(load_float(path)), str(path))
    network = assemble(tower, decoder, linear, words.convert_tokens_to_ids(image_token), select_layer)
    return _llava(network, words, trained, gradient_checkpointing)


def llava_skeleton(
    vision: Mapping[str, Any] | str,
    language: Mapping[str, Any] | str,
    select_layer: int,
    trained: Sequence[str],
    gradient_checkpointing: bool = False,
) -> Llava:
    """Build LLaVA without weights, on the `meta` device.

    Args:
        vision: transformers configuration of a CLIP vision encoder: its values, or a JSON file.
        language: the same of a causal language model.
        select_layer: index of the vision encoder's hidden state that is projected.
        trained: names of the parts that learn.
        gradient_checkpointing: as in `build_llava`.
    """
    with torch.device("meta"):
        tower = CLIPVisionModel(read_architecture(vision))
        decoder = AutoModelForCausalLM.from_config(read_architecture(language))
        projector = nn.Linear(tower.config.hidden_size, decoder.config.hidden_size)
        network = assemble(tower, decoder, projector, decoder.config.vocab_size - 1, select_layer)
    return _llava(network, None, trained, gradient_checkpointing)


def _llava(
    network: LlavaForConditionalGeneration, tokenizer: Any, trained: Sequence[str], gradient_checkpointing: bool
) -> Llava:
    if gradient_checkpointing:
        network.model.language_model.gradient_checkpointing_enable({"use_reentrant": False})
    return Llava(network, tokenizer, trained)


register(Family("llava", build_llava, llava_skeleton, template="vicuna_v1"))
