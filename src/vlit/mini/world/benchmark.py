"""A benchmark in the format of SEED-Bench-1 whose questions cannot be answered from their text.

Questions come in groups of four with the same question and choices, about four scenes in each of which another choice
is right. An answer from the text alone is therefore right in exactly a quarter of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vlit.mini.world.facts import scene_facts
from vlit.mini.world.plans import CHOICES, QuestionPlan, random_plan
from vlit.mini.world.questions import BENCHMARK_WORDINGS, WORDINGS
from vlit.mini.world.sample import FIRST_BENCHMARK_ID, drafted_scene, stream
from vlit.mini.world.scene import Scene
from vlit.mini.world.vocabulary import SETTINGS

# Short name -> (id in SEED-Bench-1, published name, our question types). Dimensions 10-12 ask about videos.
BENCHMARK_DIMENSIONS: dict[str, tuple[int, str, tuple[str, ...]]] = {
    "SU": (1, "Scene Understanding", ("setting", "taken")),
    "II": (2, "Instance Identity", ("at", "coloured")),
    "IA": (3, "Instance Attributes", ("colour", "texture", "look")),
    "IL": (4, "Instance Location", ("location",)),
    "IC": (5, "Instances Counting", ("count",)),
    "SR": (6, "Spatial Relation", ("relation",)),
    "IIR": (7, "Instance Interaction", ("interaction",)),
    "VR": (8, "Visual Reasoning", ("most", "useful", "left")),
    "TR": (9, "Text Understanding", ("word",)),
}
_LETTERS = "ABCD"


@dataclass(frozen=True)
class BenchmarkItem:
    """A question as SEED-Bench-1 writes it, and the scene it is about."""

    question: dict[str, Any]
    scene: Scene


def benchmark_image_name(scene: Scene) -> str:
    """Return the file name (`data_id`) of a benchmark image."""
    return f"{scene.id}.jpg"


def benchmark_items(groups: int, seed: int) -> Iterator[BenchmarkItem]:
    """Yield the questions of the nine image dimensions, `groups` groups of four in each, ids from 500,001."""
    first = FIRST_BENCHMARK_ID
    for dimension_id, _, types in BENCHMARK_DIMENSIONS.values():
        for group in range(groups):
            yield from _group(types[group % len(types)], dimension_id, first, seed)
            first += CHOICES


def benchmark_file(items: list[BenchmarkItem]) -> dict[str, Any]:
    """Return the content of `SEED-Bench.json`."""
    return {
        "question_type": {name: id for id, name, _ in BENCHMARK_DIMENSIONS.values()},
        "questions": [item.question for item in items],
    }


def _group(type: str, dimension_id: int, first: int, seed: int) -> Iterator[BenchmarkItem]:
    rng = stream(seed, first, "group")
    planned = random_plan(type, rng)
    text = WORDINGS[type][rng.randrange(BENCHMARK_WORDINGS)].format(*planned.slots)
    for right in range(CHOICES):
        scene = _scene(planned, right, first + right, seed)
        choices = {f"choice_{letter.lower()}": choice for letter, choice in zip(_LETTERS, planned.choices, strict=True)}
        yield BenchmarkItem(
            {
                "answer": _LETTERS[right],
                **choices,
                "data_id": benchmark_image_name(scene),
                "data_type": "image",
                "question": text,
                "question_id": str(scene.id),
                "question_type_id": dimension_id,
            },
            scene,
        )


def _scene(planned: QuestionPlan, right: int, id: int, seed: int) -> Scene:
    """Return a scene in which the question has one clear answer, and the choice `right` is it."""
    rng = stream(seed, id)
    setting = rng.choice(SETTINGS)
    while True:
        scene = drafted_scene(rng, setting, id, planned.builders[right])
        for fact in scene_facts(scene):
            if (fact.type, fact.slots, fact.answer) == (planned.type, planned.slots, planned.choices[right]):
                return scene
