"""The mini world: pictures whose whole truth is known, with annotations and a benchmark in the published formats.

It stands in for COCO 2014 (section 5.1.2 of the paper) and SEED-Bench (5.1.3) where those cannot be had. The other
rooms read only the files `build_world` writes; `pretraining_scenes`, `render`, `captions`, `document`,
`short_document` and `question_answers` feed the pre-training of the mini models.
"""

from vlit.world.build import WorldSpec, build_world
from vlit.world.captions import captions
from vlit.world.corpus import document, short_document
from vlit.world.draw import render
from vlit.world.questions import QA, question_answers
from vlit.world.sample import pretraining_scenes, sample_scene, stream
from vlit.world.scene import CANVAS, Interaction, Scene, Sign, Thing
from vlit.world.truth import read_truth

__all__ = [
    "CANVAS",
    "QA",
    "Interaction",
    "Scene",
    "Sign",
    "Thing",
    "WorldSpec",
    "build_world",
    "captions",
    "document",
    "pretraining_scenes",
    "question_answers",
    "read_truth",
    "render",
    "sample_scene",
    "short_document",
    "stream",
]
