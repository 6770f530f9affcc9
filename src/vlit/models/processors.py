"""What an exported transformers folder needs besides weights: the processor, with the prompt as a chat template.

A processor makes of pictures and chat messages what this project makes of a sample: `apply_chat_template` gives the
prompt of the family's template, `processor(images=..., text=...)` the same token ids and pixel values.
"""

from __future__ import annotations

import vlit.common.torchvision_shim  # noqa: F401  (before transformers looks for torchvision)

# isort: split

import copy

from tokenizers.processors import TemplateProcessing
from transformers import (
    Blip2Processor,
    BlipImageProcessor,
    CLIPImageProcessor,
    LlavaProcessor,
    PreTrainedTokenizerBase,
)
from transformers.image_utils import PILImageResampling

from vlit.data.checks import IMAGE_TAG
from vlit.data.templates import Template
from vlit.models.forward import CLIP_MEAN, CLIP_STD


def llava_processor(tokenizer: PreTrainedTokenizerBase, template: Template, size: int, patch: int) -> LlavaProcessor:
    """Return the processor of a LLaVA whose vision encoder has `size` pixels a side and patches of `patch`."""
    pictures = CLIPImageProcessor(
        size={"shortest_edge": size}, crop_size={"height": size, "width": size}, image_mean=CLIP_MEAN,
        image_std=CLIP_STD,
    )  # fmt: skip
    return LlavaProcessor(
        pictures,
        with_bos(tokenizer),
        patch_size=patch,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,  # the class token, which "default" leaves out again
        image_token=IMAGE_TAG,
        chat_template=chat_template(template, image_tag=True),
    )


def blip2_processor(tokenizer: PreTrainedTokenizerBase, template: Template, size: int, queries: int) -> Blip2Processor:
    """Return the processor of a BLIP-2, which itself puts the tokens of an image before the text.

    The chat template is its tokenizer's: transformers' class loses one of its own on loading.
    """
    pictures = BlipImageProcessor(
        size={"height": size, "width": size}, resample=PILImageResampling.BICUBIC, image_mean=CLIP_MEAN,
        image_std=CLIP_STD,
    )  # fmt: skip
    words = with_bos(tokenizer)
    words.chat_template = chat_template(template, image_tag=False)
    return Blip2Processor(pictures, words, num_query_tokens=queries)


def with_bos(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """Return a copy of a tokenizer that begins each text with the bos token, and pads prompts on the left."""
    made = copy.deepcopy(tokenizer)
    made.padding_side = "left"
    made.model_input_names = made.init_kwargs["model_input_names"] = ["input_ids", "attention_mask"]
    if made("a")["input_ids"][0] != made.bos_token_id:
        bos = (made.bos_token, made.bos_token_id)
        made.backend_tokenizer.post_processor = TemplateProcessing(
            single=f"{bos[0]} $A", pair=f"{bos[0]} $A {bos[0]} $B", special_tokens=[bos]
        )
    return made


def chat_template(template: Template, image_tag: bool) -> str:
    """Return a template of prompts as a chat template (Jinja) of transformers.

    Args:
        template: the prompt format.
        image_tag: write the image tag where a message shows an image; otherwise the processor does it.
    """
    shown = _text(template.before_images)
    if image_tag:
        each = _text(f"{IMAGE_TAG}{template.after_image}")
        shown += f"{{% for part in parts if part.type == 'image' %}}{each}{{% endfor %}}"
    said = "{{ parts | selectattr('type', 'equalto', 'text') | map(attribute='text') | join(' ') | trim }}"
    return (
        f"{_text(template.system)}"
        "{% for message in messages %}"
        "{% set said = message.content %}"
        "{% set parts = [{'type': 'text', 'text': said}] if said is string else said %}"
        "{% if message.role == 'user' %}"
        f"{shown}{_text(template.before_question)}{said}"
        "{% else %}"
        f"{_text(template.after_question + template.before_answer)}{said}{_text(template.end)}"
        "{% endif %}"
        "{% endfor %}"
        f"{{% if add_generation_prompt %}}{_text(template.after_question)}{{% endif %}}"
    )


def _text(text: str) -> str:
    """Return a literal of Jinja that writes a text, line breaks and trailing spaces included."""
    quoted = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"{{{{ '{quoted}' }}}}" if text else ""
