"""What statistics are measured with: the interfaces of models and parsers, and the ones an assessment has chosen.

Only interfaces are here, so that indicators name what they need without importing a model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray

from vlit.common.errors import InputError
from vlit.data.sample import ImageSource, Sample, Turn
from vlit.llm.cache import CachedModel
from vlit.quality.statistics import MeasureFault

Vector = NDArray[np.float32]
Case = tuple[Sample, Turn]  # a sample with images, and the turn whose response is judged
Votes = list[float | None]  # probability of yes: 1 and 0 of a judge that says it; None for an abstention


class Features(Protocol):
    """A model that encodes images and texts to unit vectors of one space. `key` names it and its weights."""

    key: str

    def of(self, images: Sequence[ImageSource]) -> list[Vector | None]:
        """Return the vector of each image; None for one that can't be decoded."""

    def of_texts(self, texts: Iterable[str]) -> dict[str, Vector]:
        """Return the vector of each distinct text."""


class Encode(Protocol):
    """A sentence encoder. `key` names model and settings."""

    key: str

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode texts to unit vectors (n, width)."""


class Parser(Protocol):
    """Finds the elements of texts. `key` names the model and everything that changes what is found."""

    key: str

    def __call__(self, texts: Sequence[str]) -> list[list[str]]:
        """Return the elements of each text, in lower case."""


class Labeller(Protocol):
    """Finds what questions ask for. `key` names the model and everything that changes what is found."""

    key: str

    def __call__(self, texts: Sequence[str]) -> list[str]:
        """Return the focus of each text, a word in lower case."""


class Judge(Protocol):
    """A multi-modal model that is asked for verdicts. `key` names it and its settings."""

    name: str
    key: str

    def votes(self, cases: Sequence[Case], times: int) -> list[Votes | MeasureFault]:
        """Return `times` votes on each response, or why it can't be judged."""


@dataclass(frozen=True)
class Evidence:
    """Comparisons of a response by the likelihoods of a model.

    Attributes:
        votes: for each other image, whether the response is more likely with its own.
        lift: log-likelihood with its own image minus that of a uniform mixture of the others, in nats.
        weakest: minimum over its tokens of log-probability plus entropy, in nats: how far a token falls short of what
            the model's own tokens have on average in that place. Where many tokens fit, an unlikely one is no surprise.
    """

    votes: tuple[bool, ...]
    lift: float
    weakest: float


class LikelihoodJudge(Protocol):
    """A model whose likelihoods are compared. `key` names it and the images it contrasts with."""

    name: str
    key: str

    def evidence(self, sample: Sample, turn: Turn, times: int) -> Evidence:
        """Compare a response with its own image and with `times` others.

        Raises:
            MeasureFault: if it can't be compared.
        """


@dataclass(frozen=True)
class TagSystem:
    """The tags of a dataset.

    Attributes:
        tags: tags kept, the one that covers most first.
        coverage: share of samples that each was proposed for.
        merged: tag kept in place of each redundant one.
    """

    tags: tuple[str, ...]
    coverage: dict[str, float]
    merged: dict[str, str]


class NotConfiguredError(InputError):
    """An instrument that the configuration does not choose; the message names the option that does."""


def _absent(reason: str) -> Callable[[], NoReturn]:
    def refuse() -> NoReturn:
        raise NotConfiguredError(reason)

    return refuse


_NO_CLIP = _absent("no CLIP: set quality.clip")
_NO_ENCODER = _absent("no sentence encoder: set encoder.folder")
_NO_PARSER = _absent("no parser: assess.py parser=spacy or parser=hanlp")
_NO_LABELLER = _absent("no labeller of tasks: spaCy finds them (make install)")
_NO_JUDGE = _absent("no judge that is asked: assess.py judge=server or judge=llava")
_NO_FAMILY_JUDGE = _absent("no judge by likelihood: assess.py judge=family")
_NO_TAGS = _absent("no tags have been proposed")


@dataclass(frozen=True)
class Instruments:
    """The chosen instruments; each is made when it is called, and raises `InputError` where that fails.

    Attributes:
        features: CLIP and its stored features of images.
        encoder: sentence encoder.
        parser: finds the elements of instructions.
        labeller: finds the focus of questions, of which offline tasks are made.
        judge: multi-modal model that is asked for verdicts.
        family_judge: model of ours that judges by likelihood.
        llm: language model with its stored replies, or None.
        tags: tag system of the dataset; there is one once tags have been proposed for its instructions.
        settings: options of indicators, by the block of `conf/assess.yaml` they are in.
    """

    features: Callable[[], Features] = _NO_CLIP
    encoder: Callable[[], Encode] = _NO_ENCODER
    parser: Callable[[], Parser] = _NO_PARSER
    labeller: Callable[[], Labeller] = _NO_LABELLER
    judge: Callable[[], Judge] = _NO_JUDGE
    family_judge: Callable[[], LikelihoodJudge] = _NO_FAMILY_JUDGE
    llm: CachedModel | None = None
    tags: Callable[[], TagSystem] = _NO_TAGS
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def options(self, block: str, *names: str) -> dict[str, Any]:
        """Return the options of a block, or those of `names` that are set; {} where the block is absent."""
        found = self.settings.get(block) or {}
        return {str(name): value for name, value in found.items() if not names or name in names}
