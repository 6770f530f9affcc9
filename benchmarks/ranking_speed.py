"""Questions a second of answer ranking, in one run: `python benchmarks/ranking_speed.py` (options: `name=value`).

Three ways score the same questions, on models of each family's geometry with random weights: the official protocol
(for each choice one full forward pass over image, prompt and choice, logits everywhere), the same with each image
encoded once, and ours. They take turns in every round, so that a busy machine slows all three; the best round of each
counts. Every image has one question, so nothing is gained from repeated images. All must give the same scores.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from torch import nn

import vlit.common.torchvision_shim  # noqa: F401  (before anything that imports torchvision)
from vlit.common.errors import InputError
from vlit.common.files import write_json
from vlit.data.dataset import Batch
from vlit.data.encode import IGNORED
from vlit.evaluation.encoding import QuestionBatch
from vlit.evaluation.ranking import choice_scores
from vlit.models import blip2, llava, loading, openflamingo
from vlit.models.family import VisionLanguageModel
from vlit.models.forward import sequence_log_probabilities

ROOT = Path(__file__).resolve().parents[1]
CHOICES = 4  # of a question
TOKENIZER = ROOT / "weights" / "mini" / "tokenizer"
DEFAULTS = {
    "only": None, "questions": 4, "batch": 2, "rounds": 3, "width": 512, "layers": 6, "vocabulary": 8192,
    "output": "results/benchmarks/ranking_speed.json",
}  # fmt: skip
PROMPT, CHOICE, IMAGE_SIZE, PATCH = 60, 6, 224, 14
LEAST = {"llava": 3.5, "blip2": 2.5, "openflamingo": 2.0}  # times the questions a second of the official protocol
Scorer = Callable[[VisionLanguageModel, QuestionBatch], tuple[torch.Tensor, torch.Tensor]]


@dataclass(frozen=True)
class Size:
    """Size of a language model; the vision encoder is as wide and half as deep."""

    width: int
    layers: int
    vocabulary: int


def build_llava(size: Size, folder: Path) -> VisionLanguageModel:
    """Build a LLaVA, which has 256 image tokens in the language model."""
    from transformers import CLIPVisionConfig, CLIPVisionModel, LlamaConfig, LlamaForCausalLM

    vision = CLIPVisionModel(CLIPVisionConfig(**_vision(size), num_hidden_layers=max(2, size.layers // 2)))
    language = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=size.vocabulary,
            hidden_size=size.width,
            intermediate_size=size.width * 11 // 4,
            num_hidden_layers=size.layers,
            num_attention_heads=size.width // 64,
        )
    )
    projector = nn.Linear(size.width, size.width)
    words = loading.load_tokenizer(TOKENIZER)
    network = llava.assemble(vision, language, projector, words.convert_tokens_to_ids("<image>"), -2)
    return llava.Llava(network, words, ["projector", "language_model"])


def build_blip2(size: Size, folder: Path) -> VisionLanguageModel:
    """Build a BLIP-2, which has 32 query tokens in the language model."""
    from transformers import Blip2Config, Blip2ForConditionalGeneration

    words = loading.load_tokenizer(TOKENIZER)
    config = Blip2Config(
        vision_config={**_vision(size), "num_hidden_layers": max(2, size.layers // 2)},
        qformer_config={
            "hidden_size": size.width,
            "num_hidden_layers": 4,
            "num_attention_heads": size.width // 64,
            "intermediate_size": 4 * size.width,
            "encoder_hidden_size": size.width,
        },
        text_config=_opt(size).to_dict(),
        num_query_tokens=32,
        image_token_index=words.convert_tokens_to_ids("<image>"),
    )
    return blip2.Blip2(Blip2ForConditionalGeneration(config), words, ["q_former"])


def build_openflamingo(size: Size, folder: Path) -> VisionLanguageModel:
    """Build an OpenFlamingo: one `<image>` token, 64 latents in every layer's cross-attention, the mini vocabulary."""
    from transformers import OPTForCausalLM

    vision = {"image_size": IMAGE_SIZE, "layers": max(2, size.layers // 2), "width": size.width, "patch_size": PATCH}
    text = {"context_length": 8, "vocab_size": 1024, "width": 64, "heads": 1, "layers": 1}
    write_json(folder / "clip" / "vit-geometry.json", {"embed_dim": 64, "vision_cfg": vision, "text_cfg": text})
    OPTForCausalLM(_opt(size)).save_pretrained(str(folder / "opt"))
    model = openflamingo.build_openflamingo(
        "vit-geometry",
        None,
        str(folder / "clip"),
        str(folder / "opt"),
        str(TOKENIZER),
        None,
        {"language": "this script"},
        ["perceiver", "cross_attention"],
    )
    for name, parameter in model.named_parameters():
        if name.endswith("_gate"):  # they begin at 0, where no image is seen
            nn.init.constant_(parameter, 0.5)
    return model


BUILD = {"llava": build_llava, "blip2": build_blip2, "openflamingo": build_openflamingo}


def questions(model: VisionLanguageModel, number: int, seed: int = 0) -> QuestionBatch:
    """Return random questions of the geometry: an image, 60 prompt tokens, 4 choices of 6 tokens."""
    rng = torch.Generator().manual_seed(seed)
    image = torch.full((number, model.tokens_per_image), model.image_token_id)
    vocabulary = 1000  # of the shared tokenizer; special tokens come first
    prompt = torch.randint(10, vocabulary, (number, PROMPT), generator=rng)
    ids = torch.cat([image, prompt], dim=1)
    batch = Batch(
        sample_ids=[str(place) for place in range(number)],
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        labels=torch.full_like(ids, IGNORED),
        pixel_values=torch.randn(number, 3, IMAGE_SIZE, IMAGE_SIZE, generator=rng),
        image_counts=torch.ones(number, dtype=torch.long),
    )
    choices = torch.randint(10, vocabulary, (number * CHOICES, CHOICE), generator=rng)
    return QuestionBatch([], batch, torch.arange(number), choices, torch.ones_like(choices))


@torch.inference_mode()
def official(
    model: VisionLanguageModel, batch: QuestionBatch, image_once: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what `choice_scores` returns, by one full forward pass per choice.

    Args:
        model: model in evaluation mode.
        batch: Q questions encoded with their choices.
        image_once: whether an image is encoded once and not for every choice.
    """
    assert batch.choices is not None
    features = model.encode_images(batch.prompts.pixel_values) if image_once else None
    sums, means = [], []
    for letter in range(CHOICES):
        choice = batch.choices[letter::CHOICES]
        ids = torch.cat([batch.prompts.input_ids, choice], dim=1)
        labels = torch.cat([batch.prompts.labels, choice], dim=1)
        row = replace(batch.prompts, input_ids=ids, attention_mask=torch.ones_like(ids), labels=labels)
        scores = sequence_log_probabilities(model(row, features), labels)
        sums.append(scores[0])
        means.append(scores[1])
    return torch.stack(sums, dim=1), torch.stack(means, dim=1)


WAYS: dict[str, Scorer] = {
    "official": official,
    "official, image encoded once": partial(official, image_once=True),
    "ours": choice_scores,
}


def measure(name: str, size: Size, number: int, batch: int, rounds: int) -> dict[str, Any]:
    """Return the questions a second of the three ways on one family.

    Raises:
        InputError: if two ways score a choice differently.
    """
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        model = BUILD[name](size, Path(folder)).eval()
    batches = [questions(model, batch, seed) for seed in range(-(-number // batch))]
    expected = [scorer(model, batches[0])[0] for scorer in WAYS.values()]  # also warms up
    difference = max(float((scores - expected[0]).abs().max()) for scores in expected)
    if difference > 1e-3:
        raise InputError(f"{name}: two ways of ranking differ by {difference:.2g} in a choice's log-likelihood")
    seconds = {way: float("inf") for way in WAYS}
    for _ in range(rounds):
        for way, scorer in WAYS.items():
            start = time.perf_counter()
            for one in batches:
                scorer(model, one)
            seconds[way] = min(seconds[way], time.perf_counter() - start)
    rate = {way: len(batches) * batch / took for way, took in seconds.items()}
    return {
        "questions_per_second": {way: round(value, 3) for way, value in rate.items()},
        "times_official": round(rate["ours"] / rate["official"], 2),
        "least": LEAST[name],
        "image_tokens": model.tokens_per_image,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "largest_difference": difference,
    }


def _vision(size: Size) -> dict[str, int]:
    heads = size.width // 64
    return {
        "hidden_size": size.width,
        "intermediate_size": 4 * size.width,
        "num_attention_heads": heads,
        "image_size": IMAGE_SIZE,
        "patch_size": PATCH,
    }


def _opt(size: Size) -> Any:
    from transformers import OPTConfig

    return OPTConfig(
        vocab_size=size.vocabulary,
        hidden_size=size.width,
        word_embed_proj_dim=size.width,
        ffn_dim=4 * size.width,
        num_hidden_layers=size.layers,
        num_attention_heads=size.width // 64,
        max_position_embeddings=512,
        pad_token_id=0,
    )


def main() -> None:
    """Measure each family, write the results, and fail where ours is not faster by the required factor."""
    given = OmegaConf.from_dotlist(sys.argv[1:])
    unknown = sorted(str(key) for key in set(given) - set(DEFAULTS))
    if unknown:
        raise InputError(f"unknown option {unknown[0]!r}: there are {', '.join(DEFAULTS)}")
    cfg = OmegaConf.merge(DEFAULTS, given)
    size = Size(cfg.width, cfg.layers, cfg.vocabulary)
    found = {}
    for name in [cfg.only] if cfg.only else list(BUILD):
        found[name] = measure(name, size, cfg.questions, cfg.batch, cfg.rounds)
        print(f"{name}: {found[name]['times_official']} times the official protocol, {found[name]}", flush=True)
    options = {key: cfg[key] for key in DEFAULTS if key != "output"}
    write_json(Path(cfg.output), {"options": options, "threads": torch.get_num_threads(), "families": found})
    print(f"wrote {cfg.output}")
    slow = [name for name, one in found.items() if one["times_official"] < one["least"]]
    if slow:
        raise InputError(f"slower than required: {', '.join(slow)}")


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
