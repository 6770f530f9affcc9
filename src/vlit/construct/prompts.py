"""Prompts: the system prompt of a variant, its in-context examples, and the requests of an image (A.2.2)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random

from vlit.common.errors import InputError
from vlit.construct.describe import Region, Templates
from vlit.construct.sources.image import ImageAnnotations

FILES = ("global", "negative", "region")  # the three files of COCO_ARC


@dataclass(frozen=True)
class Variant:
    """A system prompt (paper section A.2.2).

    Attributes:
        name: of the variant; also the `instruction_type` of its conversations.
        file: the COCO_ARC file they go to; those of "region" are about an object marked by a box.
        opening: who the model is and what it is to do.
        requirements: numbered after the opening.
        reminder: key points, repeated after the description (section 4.2.2).
        least_turns: a shorter conversation is rejected.
    """

    name: str
    file: str
    opening: str
    requirements: Sequence[str]
    reminder: str
    least_turns: int = 1

    def __post_init__(self) -> None:
        if self.file not in FILES:
            raise InputError(f"prompt {self.name}: file {self.file!r} is unknown, choose from {', '.join(FILES)}")

    @cached_property
    def system(self) -> str:
        """The system prompt."""
        numbered = (f"{number}. {requirement.strip()}" for number, requirement in enumerate(self.requirements, start=1))
        return " ".join([self.opening.strip(), *numbered])

    @property
    def digest(self) -> str:
        """Hash of everything a change of which changes what is asked."""
        return hashlib.sha256(f"{self.system}\n{self.reminder}".encode()).hexdigest()


@dataclass(frozen=True)
class Example:
    """A description, and a conversation as it should be: pairs of question and answer.

    `file` says which file's variants it shows the way of (global, negative or region).
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


Message = dict[str, str]  # role and content


@dataclass(frozen=True)
class Request:
    """Asks for conversations about one image."""

    image: ImageAnnotations
    variant: Variant
    region: Region | None
    messages: tuple[Message, ...]

    @property
    def id(self) -> str:
        """Variant and image id."""
        return f"{self.variant.name}/{self.image.image_id:012d}"


@dataclass(frozen=True)
class RequestSpec:
    """How requests are made.

    Attributes:
        templates: describe an image.
        variants: each image is asked about once for each.
        examples: the pool of in-context examples.
        shown: how many examples a request shows, drawn at random.
        least_region: smallest share of the image's area that a marked object takes.
        seed: of the draws; those of an image don't depend on the other images.
    """

    templates: Templates
    variants: Sequence[Variant]
    examples: Sequence[Example]
    shown: int
    least_region: float
    seed: int


def make_requests(images: Sequence[ImageAnnotations], spec: RequestSpec) -> list[Request]:
    """Make the requests, image by image; one without anything to mark gets no region request.

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


def _pool(variant: Variant, examples: Sequence[Example]) -> list[tuple[Message, Message]]:
    """The examples that fit a variant, as a message of the user and one of the assistant."""
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
        marked: list[Region] = [*image.objects, *image.words]
        markable = [thing for thing in marked if thing.box[2] * thing.box[3] >= least]
        if not markable:
            return None
        region = rng.choice(markable)
    messages = [{"role": "system", "content": variant.system}]
    for example in rng.sample(pool, spec.shown):
        messages += example
    messages.append({"role": "user", "content": _given(spec.templates.describe(image, region), variant)})
    return Request(image, variant, region, tuple(messages))


def _given(description: str, variant: Variant) -> str:
    return f"Given textual description: {description.strip()}\n\n{variant.reminder.strip()}"
