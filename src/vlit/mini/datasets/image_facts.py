"""What follows from an image's annotations: places and relations from boxes, values of attributes, the setting.

Nothing here reads the true scene: the world's rules (which place, which relation, when is a name unique) are applied to
the scene as annotated. What the annotations leave open is None.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property

from vlit.construct.sources.image import AnnotatedObject, Box, ImageAnnotations
from vlit.mini.world.scene import (
    CANVAS,
    CanvasBox,
    Scene,
    Sign,
    Thing,
    most_frequent_kind,
    only_of_colour,
    place_of,
    referring_expression,
    relation_between,
    thing_at,
)
from vlit.mini.world.vocabulary import COLOURS, INTERACTIONS, SETTING_PHRASE, SETTINGS, SIZES, TEXTURES
from vlit.mini.world.wordings import READ

ATTRIBUTE_VALUES: dict[str, tuple[str, ...]] = {  # type of an attribute -> its values, which exclude each other
    "colour": tuple(COLOURS),
    "texture": TEXTURES,
    "size": tuple(SIZES),
}

_SETTING_QUESTIONS = READ["setting"] + READ["taken"]
_SETTING_MENTIONS = {setting: (phrase, f"{setting} scene") for setting, phrase in SETTING_PHRASE.items()}
_INTERACTION_PATTERN = {
    name: re.compile(rf"(\w+) {phrase} (?:the|an?) ([\w ]+)") for name, phrase in INTERACTIONS.items()
}


@dataclass(frozen=True)
class AnnotatedInteraction:
    """An interaction that a text names: `subject` does `name` (of `INTERACTIONS`) to `object`; both are kinds."""

    subject: str
    name: str
    object: str


@dataclass(frozen=True)
class ImageFacts:
    """The facts of one image that follow from its annotations alone."""

    annotations: ImageAnnotations

    @cached_property
    def counts(self) -> dict[str, int]:
        """Number of boxes of each kind, in the order of first occurrence."""
        return dict(Counter(thing.kind for thing in self.annotations.objects))

    @cached_property
    def scene(self) -> Scene:
        """The scene as annotated: boxes on the world's canvas, "" for an attribute that is not annotated."""
        things = tuple(
            Thing(
                thing.kind,
                self.value(thing, "colour") or "",
                self.value(thing, "texture") or "",
                self.value(thing, "size") or "",
                self._on_canvas(thing.box),
            )
            for thing in self.annotations.objects
        )
        words = self.annotations.words
        sign = Sign(words[0].text, self._on_canvas(words[0].box)) if words else None
        return Scene(self.annotations.image_id, self.setting or "", things, sign=sign)

    @cached_property
    def most_frequent(self) -> str | None:
        """The kind that appears most often, if one does, at least twice."""
        return most_frequent_kind(self.scene)

    def named(self, without: Collection[str] = ()) -> list[tuple[AnnotatedObject, str]]:
        """Return the objects that a phrase names alone, each with the shortest: "the cup", or "the red cup" among cups.

        Args:
            without: attributes the phrase must not use, such as the one that a question is about.
        """
        key = frozenset(without)
        if key not in self._names:
            phrases = (referring_expression(self.scene, index, without) for index in range(len(self.scene.things)))
            self._names[key] = [
                (thing, "the " + phrase.removeprefix("the ").strip())
                for thing, phrase in zip(self.annotations.objects, phrases, strict=True)
                if phrase and "  " not in phrase  # a gap stands for an attribute that is not annotated
            ]
        return self._names[key]

    @cached_property
    def _names(self) -> dict[frozenset[str], list[tuple[AnnotatedObject, str]]]:
        return {}  # filled by `named`, which is called many times for an image

    @cached_property
    def setting(self) -> str | None:
        """The setting that captions and question-and-answer pairs name, if they name exactly one."""
        named = set()
        for question, answer in self.annotations.qa:
            if question in _SETTING_QUESTIONS:
                named |= {setting for setting in SETTINGS if setting in answer.lower().split()}
            elif answer.lower() == "yes":  # "Was this picture taken on a beach?"
                named |= {setting for setting, phrase in SETTING_PHRASE.items() if f"taken {phrase}?" in question}
        for caption in self.annotations.captions:
            named |= {
                setting for setting, phrases in _SETTING_MENTIONS.items() if any(map(caption.lower().count, phrases))
            }
        return named.pop() if len(named) == 1 else None

    @cached_property
    def interaction(self) -> AnnotatedInteraction | None:
        """The interaction between kinds that have boxes, where a caption or an answer names one."""
        for text in [*self.annotations.captions, *(answer for _, answer in self.annotations.qa)]:
            for name, pattern in _INTERACTION_PATTERN.items():
                found = pattern.search(text.lower())
                object_kind = found and next((word for word in found[2].split() if word in self.counts), None)
                if found and object_kind and found[1] in self.counts:
                    return AnnotatedInteraction(found[1], name, object_kind)
        return None

    @cached_property
    def word(self) -> str | None:
        """The word in the image, if there is exactly one."""
        words = self.annotations.words
        return words[0].text if len(words) == 1 else None

    def value(self, thing: AnnotatedObject, attribute: str) -> str | None:
        """Return an object's value of an attribute type (of `ATTRIBUTE_VALUES`), if annotated with exactly one."""
        values = [value for value in thing.attributes if value in ATTRIBUTE_VALUES[attribute]]
        return values[0] if len(values) == 1 else None

    def place(self, thing: AnnotatedObject) -> str | None:
        """Return the place (a key of `PLACES`) that an object is in, if it is near one."""
        return place_of(self._thing(thing))

    def object_at(self, place: str) -> AnnotatedObject | None:
        """Return the one object in a place, if nothing else is near."""
        index = thing_at(self.scene, place)
        return None if index is None else self.annotations.objects[index]

    def object_of(self, colour: str) -> AnnotatedObject | None:
        """Return the one object of a colour, if the colour of every object is annotated."""
        index = only_of_colour(self.scene, colour)
        return None if index is None or not self.all_coloured else self.annotations.objects[index]

    @cached_property
    def all_coloured(self) -> bool:
        """Whether the colour of every object is annotated."""
        return all(thing.colour for thing in self.scene.things)

    def relation(self, subject: AnnotatedObject, reference: AnnotatedObject) -> str | None:
        """Return where a subject is relative to a reference (a key of `RELATIONS`), if one direction is clear."""
        return relation_between(self._thing(subject), self._thing(reference))

    def absent(self, kinds: Iterable[str]) -> list[str]:
        """Return those of the kinds that have no box and that no caption names."""
        text = " ".join(self.annotations.captions).lower()
        return [kind for kind in kinds if kind not in self.counts and kind not in text]

    def _thing(self, thing: AnnotatedObject) -> Thing:
        return self.scene.things[self.annotations.objects.index(thing)]

    def _on_canvas(self, box: Box) -> CanvasBox:
        """Scale a box from the image's pixels to the world's canvas, whose pixels the rules count in."""
        across, down = CANVAS / self.annotations.width, CANVAS / self.annotations.height
        x, y, width, height = box
        return round(x * across), round(y * down), round(width * across), round(height * down)
