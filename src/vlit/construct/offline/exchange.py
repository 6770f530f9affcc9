"""One instruction and its response as the offline generator makes them, and a conversation of several."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from vlit.construct.offline.facts import ImageFacts
from vlit.world.wording import capitalised

# The nine abilities a benchmark in the format of SEED-Bench asks for, in the order of its question types.
ABILITIES: tuple[str, ...] = (
    "setting",
    "identity",
    "attribute",
    "location",
    "counting",
    "spatial relation",
    "interaction",
    "reasoning",
    "text",
)
DESCRIPTION = "description"  # a paragraph about the whole image


@dataclass(frozen=True)
class Exchange:
    """An instruction, its right response, and responses that are wrong in a plausible way.

    `alternatives` say the same as `response` with another value of the same type; `error` is the kind of error they
    make: object, count, attribute, text or location. They are empty where no such error is made. `put` is how it was
    put into words, where it came from a `Phrasing`.
    """

    ability: str
    instruction: str
    response: str
    error: str = ""
    alternatives: tuple[str, ...] = ()
    put: Put | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Conversation:
    """Exchanges about one image. `image` is the file shown: the image's own, or a region image."""

    image_id: int
    image: str
    task: str
    exchanges: tuple[Exchange, ...]


# Writes an exchange about an image, a short phrase or a sentence; None where the annotations don't carry it.
Writer = Callable[[ImageFacts, Random, bool], Exchange | None]


@dataclass(frozen=True)
class Phrasing:
    """How a question of one type is put and answered: format strings.

    {0}, {1} ... are what the question is about, as in `vlit.world.questions.WORDINGS`; named fields belong to the
    answer. Sentences end in a full stop; the short phrase has none.
    """

    instructions: tuple[str, ...]
    sentences: tuple[str, ...]
    short: str = "{value}"

    def exchange(
        self,
        ability: str,
        rng: Random,
        short: bool,
        slots: Sequence[str],
        right: Mapping[str, str],
        *,
        wrong: Sequence[Mapping[str, str]] = (),
        error: str = "",
    ) -> Exchange:
        """Fill an instruction with `slots`, and the response and the alternatives with `right` and each `wrong` too."""
        sentence = None if short else rng.randrange(len(self.sentences))
        instruction = rng.randrange(len(self.instructions))
        return Put(self, ability, tuple(slots), right, tuple(wrong), error, instruction, sentence).exchange()


@dataclass(frozen=True)
class Put:
    """A question of a phrasing with its slots and answers, in one of its wordings: it can be put in another.

    `instruction` and `sentence` are places in the phrasing; no sentence is the short phrase.
    """

    phrasing: Phrasing
    ability: str
    slots: tuple[str, ...]
    right: Mapping[str, str]
    wrong: tuple[Mapping[str, str], ...]
    error: str
    instruction: int
    sentence: int | None

    def exchange(self) -> Exchange:
        """Put it into words."""
        form = self.phrasing.short if self.sentence is None else self.phrasing.sentences[self.sentence]
        return Exchange(
            self.ability,
            capitalised(self.phrasing.instructions[self.instruction].format(*self.slots)),
            capitalised(form.format(*self.slots, **self.right)),
            self.error if self.wrong else "",
            tuple(capitalised(form.format(*self.slots, **fields)) for fields in self.wrong),
            self,
        )
