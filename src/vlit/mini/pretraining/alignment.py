"""Feature alignment: each family learns to caption the world's pictures, so that tuning starts from an aligned model.

It is what LLaVA's first stage, BLIP-2's COCO captioning checkpoint and OpenFlamingo's training on image-text pairs are
to the paper, in two rounds: captions and descriptions of whole images, then a few true sentences about each, drawn
so that what SEED-Bench asks about is often among them (dense captions). No image comes with a question, in neither
round: the language model has answered questions about texts, and to answer them about images is what tuning teaches.
In both rounds the tokens of Q-Former and perceiver are also trained on patch labels (`vision`), which they unlearn
otherwise.

A language model this small cannot use foreign features unchanged. LLaVA therefore trains its language model with the
projector (published LLaVA: the projector alone), and BLIP-2 trains OPT with its Q-Former (published BLIP-2: OPT
frozen). Both go on reading texts meanwhile, so that they forget none of the language they have learned: LLaVA its
documents, OPT also conversations in the wordings of instruction data, as it is frozen in tuning. The result is the mini
OPT, which stays frozen in OpenFlamingo's last round and in all tuning.
"""

from __future__ import annotations

import vlit.common.torchvision_shim  # noqa: F401  (before transformers looks for torchvision)

# isort: split

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, Blip2ForConditionalGeneration, CLIPVisionModel

from vlit.data.dataset import Batch, Item, collate
from vlit.data.encode import Encoder
from vlit.data.templates import BLIP2, FLAMINGO, TEMPLATES, VICUNA_V1, Piece, Template
from vlit.mini.pretraining.corpus import CaptionedImages, Statements
from vlit.mini.pretraining.documents import stated_pieces
from vlit.mini.pretraining.language import reading_loss
from vlit.mini.pretraining.loop import batches, fit
from vlit.mini.pretraining.vision import region_head
from vlit.mini.weights import (
    load_exactly,
    mini_configuration,
    shipped_part,
    stored_state,
    to_blip2_vision_model,
    to_clip_vision_model,
    vision_tower,
    write_model,
)
from vlit.mini.world.statements import Statement
from vlit.models.blip2 import PARTS, Blip2
from vlit.models.checkpoints import flamingo_connector_state
from vlit.models.family import VisionLanguageModel, find_family
from vlit.models.forward import token_loss
from vlit.models.llava import Llava, assemble
from vlit.models.loading import StateDict, load_float, load_tokenizer, save_half
from vlit.models.openflamingo import OpenFlamingo, build_openflamingo

INSTRUCTION = "Describe the image."
BEFORE_ALIGNMENT = "before_alignment"  # folder of the parts with what alignment starts from
_MAX_LENGTH = 288  # tokens of a text
# family whose alignment trains its language model -> what reads text, and the templates that it meets later
_READERS = {"llava": ("network", (VICUNA_V1,)), "blip2": ("network.language_model", (BLIP2, FLAMINGO))}
_PATCH_LABELS_WEIGHT = 0.3  # of the loss on patch labels
_OPEN_GATE = 1.0  # of OpenFlamingo's cross-attention at the start, before tanh


def align(
    name: str, model: VisionLanguageModel, data: CaptionedImages, statements: Statements | None,
    read: list[str] | None, saved: Path, seed: int, steps: int, batch_size: int, rate: float,
) -> None:  # fmt: skip
    """Train a model in place to answer "Describe the image.".

    Args:
        name: name of the family.
        model: the model to train.
        data: images with captions.
        statements: statements about the first images; None trains on captions and descriptions.
        read: texts that the language model also reads, a quarter as many per step as images; None for none.
        saved: state of an interrupted run.
        seed: seed of the order.
        steps: optimiser steps.
        batch_size: images per step.
        rate: peak learning rate.
    """
    family = find_family(name)
    template = TEMPLATES[family.template]
    encoder = Encoder(model.tokenizer, model.image_token_id, model.tokens_per_image, _MAX_LENGTH, add_bos=True)
    lengths = [len(text) for text in data.descriptions] if statements is None else [0] * len(statements.known)
    batch = batches(lengths, batch_size, seed)
    reader, forms = _READERS.get(name, ("", ()))
    reading = reading_loss(read, forms, model.tokenizer, batch_size // 4, seed, _MAX_LENGTH) if read else None
    labels = region_head(model, data) if family.resampler else None

    def loss(step: int) -> torch.Tensor:
        indices, rng = batch(step), random.Random(step)
        prompt = template.question_prompt(INSTRUCTION)
        texts = [
            [*prompt, *template.answer(_caption(data, index, rng))]
            if statements is None
            else [*prompt, *_stated(statements.draw(index, rng), template)]
            for index in indices
        ]
        made = _batch(data, indices, texts, encoder)
        features = model.encode_images(made.pixel_values)
        value = token_loss(model(made, features), made.labels)
        total = value.total / value.tokens
        if labels is not None:
            total = total + _PATCH_LABELS_WEIGHT * labels(features, data.patches[indices])
        return total if reading is None else total + reading(model.get_submodule(reader), step)

    learner = model if labels is None else nn.ModuleDict({"model": model, "labels": labels})
    fit(name, learner, loss, steps, rate, saved)


def _stated(statements: list[Statement], template: Template) -> list[Piece]:
    """Return statements as pieces of a response: their openings are read, their values learned."""
    pieces: list[Piece] = []
    for statement in statements:
        before = " " if pieces else template.before_answer
        pieces += stated_pieces(before, statement.opening, f"{statement.value}.")
    return [*pieces, Piece(template.end, supervised=True, special=template.end_is_token)]


def _batch(data: CaptionedImages, indices: list[int], texts: list[list[Piece]], encoder: Encoder) -> Batch:
    """Return a batch of images, each with its text."""
    items = []
    for index, pieces in zip(indices, texts, strict=True):
        encoded = encoder.training(pieces, str(index))
        items.append(Item(str(index), encoded.input_ids, encoded.labels, None))
    batch = collate(items, 0)
    batch.pixel_values = data.pixels(indices)
    batch.image_counts = torch.ones(len(items), dtype=torch.long)
    return batch


def _caption(data: CaptionedImages, index: int, rng: random.Random) -> str:
    """Return an image's captions in random order or, twice as often, the paragraph that describes all of it."""
    if rng.random() < 1 / 3:
        return " ".join(rng.sample(data.captions[index], len(data.captions[index])))
    return data.descriptions[index]


def _start_llava(parts: Path, work: Path, text: Path) -> Llava:
    """Return LLaVA from the mini CLIP, the language model trained on text, and a new projector."""
    config = mini_configuration(parts, "clip-vit")
    vision = CLIPVisionModel(config)
    tower = to_clip_vision_model(vision_tower(shipped_part(parts, "clip")), config.num_hidden_layers)
    load_exactly(vision, tower, "clip-vit")
    language = AutoModelForCausalLM.from_config(mini_configuration(parts, "llama"))
    load_exactly(language, load_float(text), "vicuna")
    words = load_tokenizer(parts / "tokenizer")
    projector = nn.Linear(vision.config.hidden_size, language.config.hidden_size)
    network = assemble(vision, language, projector, words.convert_tokens_to_ids("<image>"), select_layer=-2)
    return Llava(network, words, ("projector", "language_model"))


def _start_blip2(parts: Path, work: Path, text: Path) -> Blip2:
    """Return BLIP-2 from the EVA-like tower, the OPT trained on text, and a new Q-Former."""
    config = mini_configuration(parts, "blip2")
    network = Blip2ForConditionalGeneration(config)
    tower = vision_tower(load_float(parts / BEFORE_ALIGNMENT / "eva.safetensors"))
    load_exactly(network.vision_model, to_blip2_vision_model(tower, config.vision_config.num_hidden_layers), "eva")
    load_exactly(network.language_model, load_float(text), "opt")
    nn.init.normal_(network.query_tokens, std=0.02)
    return Blip2(network, load_tokenizer(parts / "tokenizer"), tuple(PARTS))


def _start_openflamingo(parts: Path, work: Path, text: Path) -> OpenFlamingo:
    """Return OpenFlamingo from the mini CLIP, the mini OPT, and new connectors."""
    folder = work / f"{text.stem}-folder"
    write_model(mini_configuration(parts, "opt"), load_float(text), folder)
    model = build_openflamingo(
        vision_model="clip-mini",
        vision_weights=str(parts / "clip.safetensors"),
        vision_configs=str(parts / "open_clip"),
        language=str(folder),
        tokenizer=str(parts / "tokenizer"),
        checkpoint=None,
        sources={"vision": "stage clip", "language": str(text)},
        trained=("perceiver", "cross_attention"),
        connectors={"latents": 16, "depth": 2, "heads": 4, "head_width": 32, "feed_forward": 2},
    )
    # Published gates open from zero over millions of sequences; in a thousand steps they would stay shut.
    for name, gate in model.network.named_parameters():
        if name.endswith("_gate"):
            nn.init.constant_(gate, _OPEN_GATE)
    return model


def _llava_state(model: Llava) -> dict[str, StateDict]:
    """Return projector and language model."""
    decoder = {f"model.{k}": v for k, v in stored_state(model.network.model.language_model).items()}
    return {"llava": model.network.model.multi_modal_projector.state_dict(), "llama": decoder}


def _blip2_state(model: Blip2) -> dict[str, StateDict]:
    """Return OPT, and all else."""
    state = stored_state(model.network)
    own = {name: tensor for name, tensor in state.items() if not name.startswith("language_model.")}
    return {"blip2": own, "opt": stored_state(model.network.language_model)}


def _openflamingo_state(model: OpenFlamingo) -> dict[str, StateDict]:
    """Return the connectors."""
    return {"openflamingo": flamingo_connector_state(model.network)}


@dataclass(frozen=True)
class AlignedFamily:
    """How a family is aligned.

    Attributes:
        start: (shipped parts, cache, weights of the language model) -> the model before alignment.
        state: tensors that alignment trains, by the names of the files that ship them.
    """

    start: Callable[[Path, Path, Path], VisionLanguageModel]
    state: Callable[[Any], dict[str, StateDict]]


_FAMILIES = {
    "llava": AlignedFamily(_start_llava, _llava_state),
    "blip2": AlignedFamily(_start_blip2, _blip2_state),
    "openflamingo": AlignedFamily(_start_openflamingo, _openflamingo_state),
}


def start_model(name: str, parts: Path, work: Path, text: Path, start: Path | None, seed: int) -> VisionLanguageModel:
    """Return a family's model at the start of a round of alignment.

    Args:
        name: name of the family.
        parts: folder of the shipped weights before alignment.
        work: the cache.
        text: weights of the language model.
        start: folder of the round before, which contains only what that round trained; None for a new connector.
        seed: seed of new weights.
    """
    torch.manual_seed(seed)
    model = _FAMILIES[name].start(parts, work, text)
    if start is not None:
        with torch.no_grad():
            for part, state in _trained(name, model, start).items():
                _copy(load_float(start / f"{part}.safetensors"), state)
    return model


def write_trained(name: str, model: VisionLanguageModel, output: Path) -> None:
    """Write what alignment trains of a family to a folder."""
    for part, state in _trained(name, model, output).items():
        save_half(state, output / f"{part}.safetensors")


def _trained(name: str, model: VisionLanguageModel, output: Path) -> dict[str, StateDict]:
    """Return what the round that writes to `output` trains of a family: before captions, no language model."""
    state = _FAMILIES[name].state(model)
    return {name: state[name]} if output.name == "connector" else state


def _copy(source: StateDict, target: StateDict) -> None:
    """Fill tensors, which are the model's own, with those of a file."""
    if source.keys() != target.keys():
        raise ValueError(f"the parts differ: {sorted(source.keys() ^ target.keys())[:5]}")
    for name, tensor in target.items():
        tensor.copy_(source[name])
