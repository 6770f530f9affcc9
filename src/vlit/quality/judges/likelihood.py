"""A model of ours as a judge by likelihood: a response against other images, and its tokens against their expectation.

Small models answer yes to every question about correctness, but their likelihoods tell right from wrong better. Two
comparisons are made: the response's log-likelihood with its own image against that with other images of the dataset,
and each of its tokens against what the model expects in that place. That is another measurement than a verdict that is
asked for, and it is reported under its own name, `C_contrast`, never as `C`.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from typing import Any

import torch

from vlit.data.collate import Item, collate
from vlit.data.encode import IGNORED, Encoder, NoSupervisedToken, UnusableText
from vlit.data.sample import ImageSource, Sample, Turn
from vlit.data.templates import Template
from vlit.quality.instruments import Evidence
from vlit.quality.statistics import MeasureFault

_IMAGES_KEPT = 4096  # encoded images in memory


class FamilyJudge:
    """Compares responses by the likelihoods of a model of ours.

    Args:
        model: a `VisionLanguageModel`, put into evaluation mode.
        encoder: its encoder of prompts.
        template: its chat template.
        pool: images to contrast with.
        key: name of the model and its weights.
    """

    name = "family_contrast"

    def __init__(self, model: Any, encoder: Encoder, template: Template, pool: Sequence[ImageSource], key: str) -> None:
        self.model, self.encoder, self.template = model.eval(), encoder, template
        self.pool = sorted({image.key: image for image in pool}.items())
        names = hashlib.sha256("".join(name for name, _ in self.pool).encode()).hexdigest()[:12]
        self.key = f"{key}|{names}"
        self._encoded: dict[str, torch.Tensor] = {}

    @torch.inference_mode()
    def evidence(self, sample: Sample, turn: Turn, times: int) -> Evidence:
        """Compare a response with its own image and with `times` others, drawn by the sample's id.

        Raises:
            MeasureFault: if the text can't be encoded, or the dataset has no other image.
        """
        own = sample.images[-1]
        rng = random.Random(f"{sample.id}|{turn.instruction}")
        others = [image for name, image in rng.sample(self.pool, min(times + 1, len(self.pool))) if name != own.key]
        images = [own, *others[:times]]
        if len(images) < 2:
            raise MeasureFault("no other image to contrast with")
        pieces = [*self.template.question_prompt(turn.instruction), *self.template.answer(turn.response)]
        try:
            encoded = self.encoder.training(pieces, sample.id)
        except (NoSupervisedToken, UnusableText):
            raise MeasureFault("text can't be encoded") from None
        features = torch.cat([self._features(image) for image in images])
        empty = torch.zeros(1, 3, 1, 1)  # the model takes the features instead
        items = [Item(sample.id, encoded.input_ids, encoded.labels, empty) for _ in images]
        batch = collate(items, int(self.model.tokenizer.pad_token_id))
        logits = self.model(batch, features)
        supervised = batch.labels[0, 1:] != IGNORED
        log_probabilities = logits[:, :-1][:, supervised].float().log_softmax(dim=-1)
        tokens = batch.labels[0, 1:][supervised]
        scored = log_probabilities.gather(2, tokens.expand(len(images), -1).unsqueeze(2)).squeeze(2)
        totals = scored.sum(dim=1)
        mixture = totals[1:].logsumexp(dim=0) - torch.log(torch.tensor(float(len(images) - 1)))
        entropy = -(log_probabilities[0].exp() * log_probabilities[0]).sum(dim=-1)
        weakest = (scored[0] + entropy).min()
        votes = tuple(bool(totals[0] > other) for other in totals[1:])
        return Evidence(votes, float(totals[0] - mixture), float(weakest))

    def _features(self, image: ImageSource) -> torch.Tensor:
        if image.key not in self._encoded:
            if len(self._encoded) >= _IMAGES_KEPT:
                self._encoded.pop(next(iter(self._encoded)))
            pixels = self.model.image_transform(image.load()).unsqueeze(0)
            self._encoded[image.key] = self.model.encode_images(pixels)
        return self._encoded[image.key]
