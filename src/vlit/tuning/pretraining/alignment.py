"""Feature alignment: each family learns to caption the world's pictures, so that tuning starts from an aligned model.

It is what LLaVA's first stage, BLIP-2's COCO captioning checkpoint and OpenFlamingo's training on image-text pairs
are to the paper. BLIP-2 and OpenFlamingo train what they train in tuning. LLaVA trains its language model besides the
projector (published LLaVA: the projector alone): a language model this small cannot take in foreign features
unchanged.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, Blip2ForConditionalGeneration, CLIPVisionModel

from vlit.data.collate import Batch, Item, collate
from vlit.data.encode import Encoder
from vlit.data.templates import TEMPLATES, Template
from vlit.models import blip2, convert, llava, loading, mini, openflamingo
from vlit.models.scoring import token_loss
from vlit.tuning.pretraining.corpus import Pairs
from vlit.tuning.pretraining.loop import batches, fit

INSTRUCTION = "Describe the image."
MAX_LENGTH = 256
State = dict[str, torch.Tensor]


def align(
    model: Any, template: Template, add_bos: bool, data: Pairs, saved: Path, seed: int, name: str,
    steps: int, batch_size: int, rate: float,
) -> None:  # fmt: skip
    """Train a model in place to answer "Describe the image."."""
    encoder = Encoder(model.tokenizer, model.image_token_id, model.tokens_per_image, MAX_LENGTH, add_bos)
    batch = batches([len(text) for text in data.descriptions], batch_size, seed)

    def loss(step: int) -> torch.Tensor:
        indices = batch(step)
        made = _batch(data, indices, template, encoder, random.Random(step))
        value = token_loss(model(made), made.labels)
        return value.total / value.tokens

    fit(name, model, loss, steps, rate, saved)


def _batch(data: Pairs, indices: list[int], template: Template, encoder: Encoder, rng: random.Random) -> Batch:
    items = []
    for index in indices:
        text = _text(data, index, rng)
        encoded = encoder.training([*template.question_prompt(INSTRUCTION), *template.answer(text)], str(index))
        items.append(Item(str(index), encoded.input_ids, encoded.labels, None))
    made = collate(items, 0)
    made.pixel_values = data.pixels(indices)
    made.image_counts = torch.ones(len(items), dtype=torch.long)
    return made


def _text(data: Pairs, index: int, rng: random.Random) -> str:
    """An image's captions in random order, or, twice as often, the paragraph that tells all of it."""
    if rng.random() < 1 / 3:
        return " ".join(rng.sample(data.captions[index], len(data.captions[index])))
    return data.descriptions[index]


def start_llava(parts: Path, work: Path) -> llava.Llava:
    """LLaVA from the mini CLIP, the language model trained on text, and a new projector."""
    config = mini.configuration(parts, "clip-vit")
    vision = CLIPVisionModel(config)
    state = convert.clip_vision_model(mini.visual(mini.part(parts, "clip")), config.num_hidden_layers)
    mini.load(vision, state, "clip-vit")
    language = AutoModelForCausalLM.from_config(mini.configuration(parts, "llama"))
    mini.load(language, loading.load_float(work / "vicuna.safetensors"), "vicuna")
    words = loading.tokenizer(parts / "tokenizer")
    projector = nn.Linear(vision.config.hidden_size, language.config.hidden_size)
    network = llava.assemble(vision, language, projector, words.convert_tokens_to_ids("<image>"), select_layer=-2)
    return llava.Llava(network, words, ("projector", "language_model"))


def start_blip2(parts: Path, work: Path) -> blip2.Blip2:
    """BLIP-2 from the EVA-like tower, the mini OPT, and a new Q-Former."""
    config = mini.configuration(parts, "blip2")
    network = Blip2ForConditionalGeneration(config)
    tower = mini.visual(loading.load_float(work / "eva.safetensors"))
    state = convert.blip2_vision_model(tower, config.vision_config.num_hidden_layers)
    mini.load(network.vision_model, state, "eva")
    mini.load(network.language_model, mini.part(parts, "opt"), "opt")
    nn.init.normal_(network.query_tokens, std=0.02)
    return blip2.Blip2(
        network, loading.tokenizer(parts / "tokenizer"), [p for p in blip2.PARTS if p != "language_model"]
    )


def start_openflamingo(parts: Path, work: Path) -> openflamingo.OpenFlamingo:
    """OpenFlamingo from the mini CLIP, the mini OPT, and new connectors."""
    folder = work / "opt"
    mini.write_model(mini.configuration(parts, "opt"), mini.part(parts, "opt"), folder)
    return openflamingo.build(
        vision_model="clip-mini",
        vision_weights=str(parts / "clip.safetensors"),
        vision_configs=str(parts / "open_clip"),
        language=str(folder),
        tokenizer=str(parts / "tokenizer"),
        checkpoint=None,
        sources={"vision": "stage clip", "language": "stage opt"},
        trained=("perceiver", "cross_attention"),
        connectors=openflamingo.ConnectorSize(latents=16, depth=2, heads=4, head_width=32, feed_forward=2),
    )


def finish_llava(model: llava.Llava, parts: Path) -> None:
    """Write projector and language model."""
    loading.save_half(model.network.model.multi_modal_projector.state_dict(), parts / "llava.safetensors")
    decoder = {f"model.{k}": v for k, v in mini.stored_state(model.network.model.language_model).items()}
    loading.save_half(decoder, parts / "llama.safetensors")


def finish_blip2(model: blip2.Blip2, parts: Path) -> None:
    """Write all but OPT."""
    state = mini.stored_state(model.network)
    own = {name: tensor for name, tensor in state.items() if not name.startswith("language_model.")}
    loading.save_half(own, parts / "blip2.safetensors")


def finish_openflamingo(model: openflamingo.OpenFlamingo, parts: Path) -> None:
    """Write the connectors."""
    loading.save_half(openflamingo.connector_state(model.network), parts / "openflamingo.safetensors")


# family -> (template, bos token, start, finish)
FAMILIES: dict[str, tuple[str, bool, Callable[[Path, Path], Any], Callable[[Any, Path], None]]] = {
    "llava": ("vicuna_v1", True, start_llava, finish_llava),
    "blip2": ("blip2", True, start_blip2, finish_blip2),
    "openflamingo": ("flamingo", True, start_openflamingo, finish_openflamingo),
}


def train(
    family: str, parts: Path, work: Path, data: Pairs, saved: Path, seed: int, steps: int, batch_size: int, rate: float
) -> None:
    """Align a family and write its shipped parts."""
    template, add_bos, start, finish = FAMILIES[family]
    torch.manual_seed(seed)
    model = start(parts, work)
    align(model, TEMPLATES[template], add_bos, data, saved, seed, family, steps, batch_size, rate)
    finish(model, parts)
