"""What follows from an image's annotations: places and relations from boxes, values of attributes, the setting.

Nothing here has seen the scene itself; what the annotations leave open is None.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from vlit.construct.annotations import AnnotatedObject, ImageAnnotations
from vlit.world.vocabulary import (
    COLOURS,
    INTERACTIONS,
    PLACES,
    SETTING_PHRASE,
    SETTINGS,
    SIZES,
    TEXTURES,
)

ATTRIBUTE_VALUES: dict[str, tuple[str, ...]] = {  # type of an attribute -> its values, which exclude each other
    "colour": tuple(COLOURS),
    "texture": TEXTURES,
    "size": tuple(SIZES),
}
DOMINANCE = 1.5  # a relation is clear where one axis' distance is this many times the other's
APART = 0.1  # ... and at least this fraction of the image


@dataclass(frozen=True)
class Interaction:
    """`subject` does `name` (a key of `vocabulary.INTERACTIONS`) to `object`; both are kinds."""

    subject: str
    name: str
    object: str


@dataclass(frozen=True)
class ImageFacts:
    """Facts of one image, worked out from its annotations alone."""

    annotations: ImageAnnotations

    @cached_property
    def counts(self) -> dict[str, int]:
        """Number of boxes of each kind, in the order of first occurrence."""
        return dict(Counter(thing.kind for thing in self.annotations.objects))

    @cached_property
    def singles(self) -> tuple[AnnotatedObject, ...]:
        """The objects that are the only one of their kind, so that "the cup" is unambiguous."""
        return tuple(thing for thing in self.annotations.objects if self.counts[thing.kind] == 1)

    @cached_property
    def most_frequent(self) -> str | None:
        """The kind that appears most often, if one does, at least twice."""
        ranked = Counter(self.counts).most_common(2)
        if not ranked or ranked[0][1] < 2 or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
            return None
        return ranked[0][0]

    @cached_property
    def setting(self) -> str | None:
        """The setting a caption or a question-and-answer pair names, if they name one."""
        answers = [answer.lower() for question, answer in self.annotations.qa if "setting" in question.lower()]
        named = {setting for setting in SETTINGS if any(re.search(rf"\b{setting}\b", answer) for answer in answers)}
        for caption in self.annotations.captions:
            named |= {setting for setting, phrase in SETTING_PHRASE.items() if phrase in caption.lower()}
        return named.pop() if len(named) == 1 else None

    @cached_property
    def interaction(self) -> Interaction | None:
        """The interaction a caption or an answer tells of, between kinds that have boxes."""
        kinds = "|".join(map(re.escape, self.counts))
        texts = [*self.annotations.captions, *(answer for _, answer in self.annotations.qa)]
        for name, phrase in INTERACTIONS.items():
            pattern = rf"\b({kinds}) {phrase} (?:the|an?) (?:\w+ )*?({kinds})\b"
            found = next((match for text in texts if kinds and (match := re.search(pattern, text.lower()))), None)
            if found:
                return Interaction(found[1], name, found[2])
        return None

    @cached_property
    def word(self) -> str | None:
        """The word in the image, if there is exactly one."""
        words = self.annotations.words
        return words[0].text if len(words) == 1 else None

    def value(self, thing: AnnotatedObject, attribute: str) -> str | None:
        """The object's value of an attribute type (a key of `ATTRIBUTE_VALUES`), if annotated with exactly one."""
        values = [value for value in thing.attributes if value in ATTRIBUTE_VALUES[attribute]]
        return values[0] if len(values) == 1 else None

    def place(self, thing: AnnotatedObject) -> str:
        """The place (a key of `PLACES`) nearest to the centre of the object's box."""
        x, y = self._centre(thing)
        return min(PLACES, key=lambda place: (PLACES[place][0] - x) ** 2 + (PLACES[place][1] - y) ** 2)

    def relation(self, subject: AnnotatedObject, reference: AnnotatedObject) -> str | None:
        """How the subject lies to the reference (a key of `RELATIONS`), if one direction clearly dominates."""
        (x, y), (to_x, to_y) = self._centre(subject), self._centre(reference)
        right, below = x - to_x, y - to_y
        if max(abs(right), abs(below)) < APART:
            return None
        if abs(right) >= DOMINANCE * abs(below):
            return "right" if right > 0 else "left"
        if abs(below) >= DOMINANCE * abs(right):
            return "below" if below > 0 else "above"
        return None

    def absent(self, kinds: Iterable[str]) -> list[str]:
        """Those of the kinds that have no box and that no caption names."""
        text = " ".join(self.annotations.captions).lower()
        return [kind for kind in kinds if kind not in self.counts and kind not in text]

    def _centre(self, thing: AnnotatedObject) -> tuple[float, float]:
        """Centre of a box as fractions of the image's width and height."""
        x, y, width, height = thing.box
        return (x + width / 2) / self.annotations.width, (y + height / 2) / self.annotations.height
