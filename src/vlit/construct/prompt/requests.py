"""One request for each image and variant: messages for a chat model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from vlit.construct.describe.templates import Region, Templates
from vlit.construct.prompt.examples import Example
from vlit.construct.prompt.variant import Variant
from vlit.construct.sources import ImageAnnotations
from vlit.errors import InputError

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
