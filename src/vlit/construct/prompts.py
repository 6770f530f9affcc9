"""Prompts: the system prompt of a variant, its in-context examples, and the requests of an image (section A.2.2)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random

from vlit.common.errors import InputError
from vlit.construct.describe import Marked, Templates
from vlit.construct.sources.image import ImageAnnotations
from vlit.llm.request import Message, Sampling

ARC_FILES = ("global", "negative", "region")  # the three files of COCO_ARC


@dataclass(frozen=True)
class Variant:
    """A system prompt (paper section A.2.2).

    Attributes:
        name: name of the variant; also the `instruction_type` of its conversations.
        file: COCO_ARC file of its conversations; those of "region" are about an object marked by a box.
        opening: role and task of the model.
        requirements: requirements, which are numbered after the opening.
        reminder: key points, repeated after the description (section 4.2.2).
        least_turns: fewest turns of a conversation; a shorter one is rejected.

    Raises:
        InputError: if the file is none of COCO_ARC's.
    """

    name: str
    file: str
    opening: str
    requirements: Sequence[str]
    reminder: str
    least_turns: int = 1

    def __post_init__(self) -> None:
        if self.file not in ARC_FILES:
            raise InputError(f"prompt {self.name}: file {self.file!r} is unknown, choose from {', '.join(ARC_FILES)}")

    @cached_property
    def system(self) -> str:
        """The system prompt."""
        numbered = (f"{number}. {requirement.strip()}" for number, requirement in enumerate(self.requirements, start=1))
        return " ".join([self.opening.strip(), *numbered])

    @property
    def digest(self) -> str:
        """SHA-256 of everything that a request takes from the variant."""
        return hashlib.sha256(f"{self.system}\n{self.reminder}".encode()).hexdigest()


@dataclass(frozen=True)
class InContextExample:
    """A description and a conversation about it that keeps to the requirements.

    Attributes:
        file: COCO_ARC file of the variants that it is an example for.
        description: description of an image.
        conversation: pairs of question and answer.

    Raises:
        InputError: if a turn is no such pair.
    """

    file: str
    description: str
    conversation: Sequence[Sequence[str]]

    def __post_init__(self) -> None:
        if not self.conversation or any(len(turn) != 2 for turn in self.conversation):
            raise InputError(f"in-context example {self.description[:40]!r}...: each turn is [question, answer]")

    @property
    def reply(self) -> str:
        """The conversation in the format the prompt asks for."""
        return in_format(self.conversation)


def in_format(conversation: Sequence[Sequence[str]]) -> str:
    """Write pairs of question and answer as `{"User": "...", "AI": "...", "User": ...}`, the keys repeated."""

    def quoted(text: str) -> str:
        return json.dumps(text, ensure_ascii=False)

    turns = (f'"User": {quoted(question)}, "AI": {quoted(answer)}' for question, answer in conversation)
    return "{" + ", ".join(turns) + "}"


@dataclass(frozen=True)
class Request:
    """A request for conversations about one image; it is a `vlit.llm.request.ChatRequest`.

    Attributes:
        image: annotations of the image.
        variant: the prompt.
        region: the marked object or word, for a region conversation.
        messages: system prompt, examples and description.
        sampling: how candidates are drawn.
    """

    image: ImageAnnotations
    variant: Variant
    region: Marked | None
    messages: tuple[Message, ...]
    sampling: Sampling

    @property
    def id(self) -> str:
        """Variant and image id."""
        return f"{self.variant.name}/{self.image.image_id:012d}"


@dataclass(frozen=True)
class RequestSpec:
    """How requests are made.

    Attributes:
        templates: templates of the description.
        variants: prompts; each makes one request for each image.
        examples: pool of in-context examples.
        shown: examples in a request, drawn at random.
        least_region: smallest share of the image's area of an object that may be marked.
        seed: seed of the draws; those of an image don't depend on the other images.
        sampling: how candidates are drawn.
    """

    templates: Templates
    variants: Sequence[Variant]
    examples: Sequence[InContextExample]
    shown: int
    least_region: float
    seed: int
    sampling: Sampling


def make_requests(images: Sequence[ImageAnnotations], spec: RequestSpec) -> list[Request]:
    """Make the requests, image by image; an image without anything to mark gets no region request.

    Raises:
        InputError: if the pool holds too few examples for a variant.
    """
    pools = {variant.name: _pool(variant, spec.examples) for variant in spec.variants}  # made once, shared by all
    for variant in spec.variants:
        available = len(pools[variant.name])
        if available < spec.shown:
            raise InputError(
                f"prompt {variant.name}: {available} in-context examples of file {variant.file} for {spec.shown} to "
                "be shown: write more in conf/construct/examples.yaml, or show fewer"
            )
    made = (_request(image, variant, pools[variant.name], spec) for image in images for variant in spec.variants)
    return [request for request in made if request is not None]


def _pool(variant: Variant, examples: Sequence[InContextExample]) -> list[tuple[Message, Message]]:
    """Return the examples for a variant, each as a message of the user and one of the assistant."""
    return [
        (
            {"role": "user", "content": _given(example.description, variant)},
            {"role": "assistant", "content": example.reply},
        )
        for example in examples
        if example.file == variant.file
    ]


def _request(
    image: ImageAnnotations, variant: Variant, pool: Sequence[tuple[Message, Message]], spec: RequestSpec
) -> Request | None:
    rng = Random(f"{spec.seed}/{variant.name}/{image.image_id}")
    region = None
    if variant.file == "region":
        least = spec.least_region * image.width * image.height
        marked: list[Marked] = [*image.objects, *image.words]
        markable = [thing for thing in marked if thing.box[2] * thing.box[3] >= least]
        if not markable:
            return None
        region = rng.choice(markable)
    messages: list[Message] = [{"role": "system", "content": variant.system}]
    for example in rng.sample(pool, spec.shown):
        messages += example
    messages.append({"role": "user", "content": _given(spec.templates.describe(image, region), variant)})
    return Request(image, variant, region, tuple(messages), spec.sampling)


def _given(description: str, variant: Variant) -> str:
    return f"Given textual description: {description.strip()}\n\n{variant.reminder.strip()}"
