"""A judge out of one of our own models, by likelihood: is the response likelier with its image than with another one?

Small models say yes to everything, whatever they are asked, but they know more than they say. Each vote shows the model
another image of the dataset: yes if the response's mean log-probability is larger with its own. That is another
measurement than an asked verdict, and it is reported under its own name, `C_contrast`, never as `C`.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from typing import Any

import torch

from vlit.data.collate import Item, collate
from vlit.data.encode import Encoder, NoSupervisedToken, UnusableText
from vlit.data.sample import ImageSource, Sample, Turn
from vlit.data.templates import Template
from vlit.models.scoring import sequence_log_probabilities
from vlit.quality.statistics import MeasureFault


class FamilyJudge:
    """Votes of a model of ours.

    Args:
        model: a `VisionLanguageModel`.
        encoder: its encoder.
        template: its template.
        pool: images to contrast with.
        key: names the model's weights.
    """

    name = "family_contrast"

    def __init__(self, model: Any, encoder: Encoder, template: Template, pool: Sequence[ImageSource], key: str) -> None:
        self.model, self.encoder, self.template = model.eval(), encoder, template
        self.pool = sorted({image.key: image for image in pool}.items())
        names = hashlib.sha256("".join(name for name, _ in self.pool).encode()).hexdigest()[:12]
        self.key = f"{key}|{names}"

    @torch.inference_mode()
    def votes(self, sample: Sample, turn: Turn, times: int) -> list[bool | None]:
        """One vote for each of `times` other images, drawn by the sample's id."""
        own = sample.images[-1]
        rng = random.Random(f"{sample.id}|{turn.instruction}")
        others = [image for name, image in rng.sample(self.pool, min(times + 1, len(self.pool))) if name != own.key]
        images = [own, *others[:times]]
        pixels = torch.stack([self.model.image_transform(image.load()) for image in images])
        pieces = [*self.template.question_prompt(turn.instruction), *self.template.answer(turn.response)]
        try:
            encoded = self.encoder.training(pieces, sample.id)
        except (NoSupervisedToken, UnusableText):
            raise MeasureFault("text can't be encoded") from None
        items = [Item(sample.id, encoded.input_ids, encoded.labels, image.unsqueeze(0)) for image in pixels]
        batch = collate(items, int(self.model.tokenizer.pad_token_id))
        _, means = sequence_log_probabilities(self.model(batch), batch.labels)
        return [bool(means[0] > mean) for mean in means[1:]]
