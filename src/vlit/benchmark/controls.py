"""Controls: the same questions, asked so that a model cannot see the answer."""

from __future__ import annotations

import dataclasses
import random

from vlit.benchmark.seed_bench import Question


def shuffled_images(questions: list[Question], seed: int) -> list[Question]:
    """Give every question the image of another one, never an image of its own.

    What a model scores here it has from the text and from habits, not from looking. The images are moved by a random
    cyclic shift of a random order, so that each is used as often as before; where a shift would give a question its
    own image (several questions on one image) the nearest later one that differs is taken.
    """
    generator = random.Random(seed)
    order = list(range(len(questions)))
    generator.shuffle(order)
    shift = generator.randrange(1, len(order)) if len(order) > 1 else 0
    images = {}
    for place, index in enumerate(order):
        own = questions[index].image
        others = (questions[order[(place + shift + further) % len(order)]].image for further in range(len(order)))
        images[index] = next((image for image in others if image != own), own)
    return [dataclasses.replace(question, image=images[index]) for index, question in enumerate(questions)]
