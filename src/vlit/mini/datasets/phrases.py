"""How each type of question is asked and answered: templates, and an exchange made from one.

What the benchmark asks too is worded as in `TAUGHT`; what only datasets ask has its wordings here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from vlit.mini.world.vocabulary import NUMBERS, capitalised, listed, plural, with_article
from vlit.mini.world.wordings import TAUGHT

# The nine abilities a benchmark in the format of SEED-Bench tests, in the order of its question types.
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

    Attributes:
        ability: one of `ABILITIES`, or `DESCRIPTION`.
        instruction: the instruction.
        response: the right response.
        error: kind of the wrong responses (object, count, attribute, text or location); "" where there are none.
        alternatives: `response` with another value of the same type, which is wrong.
        phrased: the question with its templates, where it comes from a `Phrasing`.
    """

    ability: str
    instruction: str
    response: str
    error: str = ""
    alternatives: tuple[str, ...] = ()
    phrased: PhrasedQuestion | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Phrasing:
    """Format strings for a question of one type and its answers.

    {0}, {1} ... are what the question is about, as in `vlit.mini.world.wordings`; named fields belong to the
    answer. Sentences end in a full stop; the short phrase has none.
    """

    instructions: tuple[str, ...]
    sentences: tuple[str, ...]
    short: str = "{value}"
    type: str = ""  # where the benchmark asks it too: a question type of `wordings`

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
        """Return an exchange in a random wording.

        Args:
            ability: one of `ABILITIES`.
            rng: source of the wording.
            short: answer with a short phrase instead of a sentence.
            slots: what the question is about.
            right: fields of the right answer.
            wrong: fields of each wrong answer.
            error: kind of the wrong answers.
        """
        sentence = None if short else rng.randrange(len(self.sentences))
        instruction = rng.randrange(len(self.instructions))
        question = PhrasedQuestion(self, ability, tuple(slots), right, tuple(wrong), error, instruction, sentence)
        return question.exchange()


@dataclass(frozen=True)
class PhrasedQuestion:
    """A question with its slots and answers in one wording of its phrasing; `replace` gives it another wording.

    `instruction` and `sentence` are positions in the phrasing; None for `sentence` is the short phrase.
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
        """Return the question and its answers in words."""
        form = self.phrasing.short if self.sentence is None else self.phrasing.sentences[self.sentence]
        return Exchange(
            self.ability,
            capitalised(self.phrasing.instructions[self.instruction].format(*self.slots)),
            capitalised(form.format(*self.slots, **self.right)),
            self.error if self.wrong else "",
            tuple(capitalised(form.format(*self.slots, **fields)) for fields in self.wrong),
            self,
        )


def asked(type: str, sentences: tuple[str, ...], short: str = "{value}") -> Phrasing:
    """Return the phrasing of a type of question that the benchmark asks too."""
    return Phrasing(TAUGHT[type], sentences, short, type)


SETTING = asked(
    "setting",
    ("The setting is {value}.", "The background of the image is {value}.", "The image shows {value}."),
)
TAKEN = asked(
    "taken",
    ("This picture was taken {value}.", "The scene is {value}.", "Everything in the image is {value}."),
)
OBJECT_AT = asked(
    "at",
    (
        "The object in the {0} of the image is {value}.",
        "There is {value} in the {0}.",
        "In the {0} you can see {value}.",
    ),
)
OF_COLOUR = asked(
    "coloured",
    ("The {0} object is {value}.", "It is {value} that is {0}."),
)
LISTING = Phrasing(
    ("What objects are in the image?", "Which things can you see in this picture?", "List the objects in the image."),
    ("The image contains {value}.", "I can see {value}.", "The picture shows {value}."),
)
COLOUR = asked(
    "colour",
    ("{0} is {value}.", "{0} in the image is {value}.", "The color of {0} is {value}."),
)
TEXTURE = asked(
    "texture",
    ("{0} is {value}.", "The texture of {0} is {value}.", "The surface of {0} is {value}."),
)
SIZE = asked("size", ("{0} is {value}.", "{0} in the image is {value}."))
LOOK = asked("look", ("{0} is {value}.", "{0} looks {value}."))
LOCATION = asked(
    "location",
    ("{0} is in the {value} of the image.", "You can find {0} in the {value}.", "{0} is located in the {value}."),
    short="in the {value}",
)
COUNTING = asked(
    "count",
    ("There {be} {value} {noun} in the image.", "I can see {value} {noun}.", "The picture shows {value} {noun}."),
)
RELATION = asked(
    "relation",
    ("{0} is {value} {1}.", "You can see {0} {value} {1}."),
    short="{value} {1}",
)
INTERACTION = asked(
    "interaction",
    ("{value}.", "In this image, {value}.", "You can see that {value}."),
)
MOST_FREQUENT = asked(
    "most",
    ("{value} appear most often.", "There are more {value} than anything else in the image."),
)
USEFUL = asked(
    "useful",
    (
        "The picture was taken {phrase}, so {value} would be most useful.",
        "As the scene is {phrase}, it would be wise to bring {value}.",
    ),
)
LEFT = asked(
    "left",
    (
        "Without the {0} objects, {value} would be left.",
        "{taken} of the {total} objects {be} {0}, so {value} would be left.",
    ),
)
KNOWN_FOR = Phrasing(
    (
        "What are {0} known for?",
        "What do people associate with {0}?",
        "Can you tell me what {0} are commonly known for?",
    ),
    ("{0} are known for {value}.", "People associate {0} with {value}."),
)
TEXT = asked(
    "word",
    ("The sign says {value}.", "The word on the sign is {value}.", "You can read the word {value} on the sign."),
)

# Known to everybody and drawn nowhere: the "external knowledge" of paper section 4.2.2.
KNOWLEDGE: dict[str, str] = {
    "car": "carrying people along roads",
    "boat": "carrying people across water",
    "bird": "flying and singing",
    "cat": "hunting mice",
    "umbrella": "keeping the rain off",
    "kite": "flying in the wind",
    "bottle": "storing drinks",
    "cup": "drinking tea or coffee",
    "apple": "making juice and pies",
    "chair": "sitting down",
    "book": "reading",
    "clock": "telling the time",
    "box": "storing other things",
}


def number_word(count: int) -> str:
    """Return a count as a word where there is one, else in digits."""
    return NUMBERS[count] if count < len(NUMBERS) else str(count)


def counted(kind: str, count: int) -> str:
    """Return a count with its noun: "one car", "three boxes"."""
    return f"{number_word(count)} {kind if count == 1 else plural(kind)}"


def inventory(counts: dict[str, int]) -> str:
    """Return everything counted: "a cup, two cars and a box"."""
    return listed([with_article(kind) if count == 1 else counted(kind, count) for kind, count in counts.items()])
