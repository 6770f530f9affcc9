"""One instruction and its response as the offline generator makes them, and a conversation of several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from tqdm import tqdm

from vlit.common.errors import InputError
from vlit.mini.datasets.facts import ImageFacts
from vlit.mini.world.wording import capitalised

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

    {0}, {1} ... are what the question is about, as in `vlit.mini.world.questions.WORDINGS`; named fields belong to the
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


Repertoire = Mapping[str, Sequence[Writer]]  # type of question -> its writers


class Balance:
    """Counts what was written so far and gives each image those types of question that are rarest."""

    def __init__(self) -> None:
        self.written: Counter[str] = Counter()

    def exchanges(
        self, repertoire: Repertoire, facts: ImageFacts, rng: Random, turns: int, short_share: float
    ) -> list[Exchange]:
        """Write up to `turns` exchanges of different types, in a random order.

        Args:
            repertoire: the types to choose among.
            facts: of the image; where its annotations carry fewer types, there are fewer exchanges.
            rng: draws what is asked and how it is put.
            turns: most exchanges wanted.
            short_share: share of the responses that are a short phrase.
        """
        chosen: list[Exchange] = []
        for name in sorted(repertoire, key=lambda name: (self.written[name], rng.random())):
            if len(chosen) == turns:
                break
            exchange = first_possible(repertoire[name], facts, rng, rng.random() < short_share)
            if exchange is not None:
                chosen.append(exchange)
                self.written[name] += 1
        rng.shuffle(chosen)
        return chosen


def first_possible(writers: Sequence[Writer], facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Write one exchange by a random one of the writers that can; None if none can."""
    shuffled = rng.sample(writers, len(writers))
    return next((exchange for writer in shuffled if (exchange := writer(facts, rng, short))), None)


Speaker = Callable[[ImageFacts, Random], Conversation | None]
PATIENCE = 10  # passes over the images without anything new after which there is nothing new


def generate(
    images: Sequence[ImageFacts], speaker: Speaker, samples: int, rng: Random, name: str
) -> list[Conversation]:
    """Have `speaker` hold `samples` different conversations, going through all images before any comes again.

    Raises:
        InputError: if the images do not carry so many different conversations.
    """
    found: dict[object, Conversation] = {}
    barren = 0
    with tqdm(total=samples, desc=f"writing {name}", leave=False, disable=None) as progress:
        while len(found) < samples:
            before = len(found)
            for facts in rng.sample(images, len(images)):
                conversation = speaker(facts, rng)
                if conversation is None or len(found) == samples:
                    continue
                found.setdefault(_said(conversation), conversation)
            progress.update(len(found) - before)
            barren = barren + 1 if len(found) == before else 0
            if barren == PATIENCE:
                raise InputError(
                    f"{name}: the annotations of {len(images)} images carry only {before} of {samples} conversations: "
                    "ask for fewer samples, or add images or sources"
                )
    return list(found.values())


def _said(conversation: Conversation) -> object:
    """What makes two conversations the same: the image and every word said."""
    turns = tuple((exchange.instruction, exchange.response) for exchange in conversation.exchanges)
    return conversation.image, turns
