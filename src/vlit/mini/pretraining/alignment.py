"""Feature alignment: each family learns to caption the world's pictures, so that tuning starts from an aligned model.

It goes in two rounds: captions and descriptions of whole images, then short questions about them, of every SEED-Bench
dimension. The second stands for what the published models know from far more data: a frozen language model of this
size, that never answered a question about an image, does not begin to in 200 steps of tuning. All the while the tokens
of Q-Former and perceiver go on telling what patches show (`connector`), which captions and questions alone unlearn.
It is what LLaVA's first stage, BLIP-2's COCO captioning checkpoint and OpenFlamingo's training on image-text pairs
are to the paper. A language model this small cannot take in foreign features unchanged. LLaVA therefore trains its
language model besides the projector (published LLaVA: the projector alone), and BLIP-2 trains OPT besides its Q-Former
(published BLIP-2: OPT frozen), reading conversations beside the questions, so that it forgets none of the wordings it
was taught. What it becomes is the mini OPT, which OpenFlamingo, in a last round of its own, and all tuning leave
frozen.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, Blip2ForConditionalGeneration, CLIPVisionModel

from vlit.data.collate import Batch, Item, collate
from vlit.data.encode import Encoder
from vlit.data.images import FileImage
from vlit.data.sample import Sample, Turn
from vlit.data.templates import TEMPLATES, Template
from vlit.mini import weights
from vlit.mini.pretraining import language
from vlit.mini.pretraining.connector import region_labels
from vlit.mini.pretraining.corpus import Asked, Pairs
from vlit.mini.pretraining.loop import batches, fit
from vlit.models import blip2, llava, loading, openflamingo
from vlit.models.checkpoints import flamingo_connector_state
from vlit.models.forward import token_loss

INSTRUCTION = "Describe the image."
MAX_LENGTH = 288
ASKED = 4  # questions an image and step at most: more images and steps teach more than longer dialogues
SHORT = 0.75  # share of short answers, as the benchmark's are; the others are sentences
TOLD = 0.3  # weight of what the tokens tell of patches
OPEN_GATE = 1.0  # of OpenFlamingo's cross-attention at the start, before tanh
State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Questions:
    """What is asked about the first images.

    Attributes:
        asked: of each image.
        weights: dimension -> how often its questions are drawn, relative to the others that an image has.
    """

    asked: list[list[Asked]]
    weights: Mapping[str, float]

    def dialogue(self, index: int, rng: random.Random) -> list[tuple[str, str]]:
        """Questions about an image with answers, of as many dimensions."""
        by_dimension: dict[str, list[Asked]] = {}
        for asked in self.asked[index]:
            by_dimension.setdefault(asked.dimension, []).append(asked)
        drawn: list[tuple[str, str]] = []
        while by_dimension and len(drawn) < ASKED:
            names = list(by_dimension)
            name = rng.choices(names, [self.weights[dimension] for dimension in names])[0]
            asked = rng.choice(by_dimension.pop(name))
            drawn.append((asked.question, asked.answer if rng.random() < SHORT else asked.sentence))
        return drawn


def align(
    name: str, model: Any, data: Pairs, questions: Questions | None, spoken: list[str] | None, saved: Path, seed: int,
    steps: int, batch_size: int, rate: float,
) -> None:  # fmt: skip
    """Train a model in place to answer "Describe the image." or, given them, questions about the first images.

    Args:
        name: of the family.
        model: what learns.
        data: images with captions.
        questions: about the first images; None trains captioning.
        spoken: conversations that the language model goes on reading, a quarter as many a step as images; None: none.
        saved: state of an interrupted run.
        seed: of the order.
        steps: optimiser steps.
        batch_size: images a step.
        rate: peak learning rate.
    """
    template = TEMPLATES[FAMILIES[name].template]
    encoder = Encoder(model.tokenizer, model.image_token_id, model.tokens_per_image, MAX_LENGTH, add_bos=True)
    lengths = [len(text) for text in data.descriptions] if questions is None else [0] * len(questions.asked)
    batch = batches(lengths, batch_size, seed)
    forms = (TEMPLATES["blip2"], TEMPLATES["flamingo"])
    read = language.reading(spoken, forms, model.tokenizer, batch_size // 4, seed, MAX_LENGTH) if spoken else None
    told = region_labels(model, data) if FAMILIES[name].connects else None

    def loss(step: int) -> torch.Tensor:
        indices, rng = batch(step), random.Random(step)
        asked = [
            [(INSTRUCTION, _text(data, index, rng))] if questions is None else questions.dialogue(index, rng)
            for index in indices
        ]
        made = _batch(data, indices, asked, template, encoder)
        features = model.encode_images(made.pixel_values)
        value = token_loss(model(made, features), made.labels)
        total = value.total / value.tokens
        if told is not None:
            total = total + TOLD * told(features, data.patches[indices])
        return total if read is None else total + read(model.network.language_model, step)

    learner = model if told is None else nn.ModuleDict({"model": model, "labels": told})
    fit(name, learner, loss, steps, rate, saved)


def _batch(
    data: Pairs, indices: list[int], asked: list[list[tuple[str, str]]], template: Template, encoder: Encoder
) -> Batch:
    """A dialogue about each image."""
    items = []
    for index, dialogue in zip(indices, asked, strict=True):
        turns = tuple(Turn(question, answer, int(place == 0)) for place, (question, answer) in enumerate(dialogue))
        encoded = encoder.training(
            template.render(Sample(str(index), (FileImage(Path(str(index))),), turns)), str(index)
        )
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


def start_llava(parts: Path, work: Path, text: Path) -> llava.Llava:
    """LLaVA from the mini CLIP, the language model trained on text, and a new projector."""
    config = weights.configuration(parts, "clip-vit")
    vision = CLIPVisionModel(config)
    state = weights.clip_vision_model(weights.visual(weights.part(parts, "clip")), config.num_hidden_layers)
    weights.load(vision, state, "clip-vit")
    language = AutoModelForCausalLM.from_config(weights.configuration(parts, "llama"))
    weights.load(language, loading.load_float(text), "vicuna")
    words = loading.load_tokenizer(parts / "tokenizer")
    projector = nn.Linear(vision.config.hidden_size, language.config.hidden_size)
    network = llava.assemble(vision, language, projector, words.convert_tokens_to_ids("<image>"), select_layer=-2)
    return llava.Llava(network, words, ("projector", "language_model"))


def start_blip2(parts: Path, work: Path, text: Path) -> blip2.Blip2:
    """BLIP-2 from the EVA-like tower, the OPT trained on text, and a new Q-Former."""
    config = weights.configuration(parts, "blip2")
    network = Blip2ForConditionalGeneration(config)
    tower = weights.visual(loading.load_float(work / "eva.safetensors"))
    state = weights.blip2_vision_model(tower, config.vision_config.num_hidden_layers)
    weights.load(network.vision_model, state, "eva")
    weights.load(network.language_model, loading.load_float(text), "opt")
    nn.init.normal_(network.query_tokens, std=0.02)
    return blip2.Blip2(network, loading.load_tokenizer(parts / "tokenizer"), tuple(blip2.PARTS))


def start_openflamingo(parts: Path, work: Path, text: Path) -> openflamingo.OpenFlamingo:
    """OpenFlamingo from the mini CLIP, the mini OPT, and new connectors."""
    folder = work / f"{text.stem}-folder"
    weights.write_model(weights.configuration(parts, "opt"), loading.load_float(text), folder)
    model = openflamingo.build_openflamingo(
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
            nn.init.constant_(gate, OPEN_GATE)
    return model


def llava_state(model: llava.Llava) -> dict[str, State]:
    """Projector and language model."""
    decoder = {f"model.{k}": v for k, v in weights.stored_state(model.network.model.language_model).items()}
    return {"llava": model.network.model.multi_modal_projector.state_dict(), "llama": decoder}


def blip2_state(model: blip2.Blip2) -> dict[str, State]:
    """OPT, and all else."""
    state = weights.stored_state(model.network)
    own = {name: tensor for name, tensor in state.items() if not name.startswith("language_model.")}
    return {"blip2": own, "opt": weights.stored_state(model.network.language_model)}


def openflamingo_state(model: openflamingo.OpenFlamingo) -> dict[str, State]:
    """The connectors."""
    return {"openflamingo": flamingo_connector_state(model.network)}


@dataclass(frozen=True)
class Family:
    """How a family is aligned.

    Attributes:
        template: its prompts.
        connects: whether a module of its own makes its image tokens out of patches.
        start: (shipped parts, cache, weights of the language model) -> the model before alignment.
        state: what alignment trains, by the names of the files that ship it.
    """

    template: str
    connects: bool
    start: Callable[[Path, Path, Path], Any]
    state: Callable[[Any], dict[str, State]]


FAMILIES = {
    "llava": Family("vicuna_v1", False, start_llava, llava_state),
    "blip2": Family("blip2", True, start_blip2, blip2_state),
    "openflamingo": Family("flamingo", True, start_openflamingo, openflamingo_state),
}


def started(name: str, parts: Path, work: Path, text: Path, start: Path | None, seed: int) -> Any:
    """A family's model as a round of alignment finds it.

    Args:
        name: of the family.
        parts: the shipped weights before alignment.
        work: the cache.
        text: weights of the language model.
        start: folder of the round before; None for a new connector. What that round did not train is not in it.
        seed: of new weights.
    """
    torch.manual_seed(seed)
    family = FAMILIES[name]
    model = family.start(parts, work, text)
    if start is not None:
        with torch.no_grad():
            for part, state in _trained(name, model, start).items():
                _copy(loading.load_float(start / f"{part}.safetensors"), state)
    return model


def write(name: str, model: Any, output: Path) -> None:
    """Write what alignment trains of a family to a folder."""
    for part, state in _trained(name, model, output).items():
        loading.save_half(state, output / f"{part}.safetensors")


def _trained(name: str, model: Any, output: Path) -> dict[str, State]:
    """What the round that writes to `output` trains of a family: before captions, no language model."""
    state = FAMILIES[name].state(model)
    return {name: state[name]} if output.name == "connector" else state


def _copy(source: State, target: State) -> None:
    """Fill tensors, which are the model's own, with those of a file."""
    if source.keys() != target.keys():
        raise ValueError(f"the parts differ: {sorted(source.keys() ^ target.keys())[:5]}")
    for name, tensor in target.items():
        tensor.copy_(source[name])
