"""Writers of negative instructions: questions about what is absent, and claims that may be false (paper 4.2.2).

Half of the questions about presence and half of the claims have the answer yes: no text alone gives an answer away.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from random import Random

from vlit.mini.datasets.abilities import choose
from vlit.mini.datasets.conversations import ExchangeWriter
from vlit.mini.datasets.image_facts import ATTRIBUTE_VALUES, ImageFacts
from vlit.mini.datasets.phrases import Exchange, Phrasing, asked, counted
from vlit.mini.world.vocabulary import PLACES, SETTING_PHRASE, THING_KINDS, WORDS, with_article

_PRESENCE = Phrasing(
    (
        "Is there {0} in the image?",
        "Can you see {0} in this picture?",
        "Does the image show {0}?",
    ),
    ("{value}.", "{value} in the image.", "{value} in this picture."),
)
_ABOUT_ABSENT = tuple(
    asked(
        type,
        ("There is no {kind} in the image.", "I can't see any {kind} in this picture, so there is no answer to that."),
        "There is no {kind}",
    )
    for type in ("colour", "location")
)
_ANSWER = ("{value}.",)
_CLAIMED_ATTRIBUTE = Phrasing(
    ("Is {0} {1}?", "{0} is {1}, isn't it?", "I think {0} is {1}. Do you agree?"),
    _ANSWER,
)
_CLAIMED_LOCATION = Phrasing(
    (
        "Is {0} in the {1}?",
        "{0} is in the {1} of the image, right?",
        "I think {0} is in the {1}. Is that correct?",
    ),
    _ANSWER,
)
_CLAIMED_COUNT = Phrasing(
    ("Do you see exactly {0}?", "I count {0}, is that right?", "The image has {0}, right?"), _ANSWER
)
_CLAIMED_WORD = Phrasing(
    ('Does the sign say "{0}"?', "Is {0} written on the sign?", "The sign says {0}, doesn't it?"), _ANSWER
)
_CLAIMED_SETTING = Phrasing(
    ("Was this picture taken {0}?", "Is this a scene {0}?", "This was taken {0}, right?"), _ANSWER
)
_ERROR_ABILITY = {"count": "counting"}  # other kinds of error have the name of their ability


def _another(rng: Random, values: Collection[str], value: str) -> str:
    """Return a random value other than the right one."""
    return rng.choice([other for other in values if other != value])


def absent(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Write "Is there a boat in the image?" with the answer no."""
    kind = choose(rng, facts.absent(THING_KINDS))
    return (
        _presence(kind, rng, short, [f"No, there is no {kind}", f"Yes, there is {with_article(kind)}"])
        if kind
        else None
    )


def present(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Write "Is there a cup in the image?" with the answer yes."""
    kind = choose(rng, list(facts.counts))
    if kind is None:
        return None
    count = facts.counts[kind]
    yes = f"Yes, there {'is' if count == 1 else 'are'} {counted(kind, count)}"
    return _presence(kind, rng, short, [yes, f"No, there is no {kind}"])


def _presence(kind: str, rng: Random, short: bool, answers: list[str]) -> Exchange:
    right, *wrong = ({"value": answer} for answer in answers)
    return _PRESENCE.exchange("identity", rng, short, (with_article(kind),), right, wrong=wrong, error="object")


def about_absent(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Write "Can you tell me the color of the boat?" where there is none."""
    kind = choose(rng, facts.absent(THING_KINDS))
    if kind is None:
        return None
    return rng.choice(_ABOUT_ABSENT).exchange("identity", rng, short, (f"the {kind}",), {"kind": kind})


def claimed_attribute(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Write "The cup is blue, isn't it?" about a blue or a red cup."""
    known = [
        (called, name, value)
        for name in ATTRIBUTE_VALUES
        for thing, called in facts.named({name})
        if (value := facts.value(thing, name)) is not None
    ]
    if not known:
        return None
    called, name, value = rng.choice(known)
    other = _another(rng, ATTRIBUTE_VALUES[name], value)
    claim = Claim((called, value), (called, other), f"{called} is {value}", f"{called} is {other}")
    return claim.judged(_CLAIMED_ATTRIBUTE, "attribute", rng)


def claimed_location(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Write "The cat is in the upper left, right?" about a cat that is there or elsewhere."""
    placed = [(called, place) for thing, called in facts.named() if (place := facts.place(thing)) is not None]
    if not placed:
        return None
    called, place = rng.choice(placed)
    other = _another(rng, PLACES, place)
    claim = Claim((called, place), (called, other), f"{called} is in the {place}", f"{called} is in the {other}")
    return claim.judged(_CLAIMED_LOCATION, "location", rng)


def claimed_count(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Write "I count four apples, is that right?" where there are four, or two."""
    kind = choose(rng, list(facts.counts))
    if kind is None:
        return None
    count = facts.counts[kind]
    other = rng.choice([number for number in (count - 1, count + 1, count + 2) if number > 0])
    told = [f"there {'is' if number == 1 else 'are'} {counted(kind, number)}" for number in (count, other)]
    claim = Claim((counted(kind, count),), (counted(kind, other),), *told)
    return claim.judged(_CLAIMED_COUNT, "count", rng)


def claimed_word(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Write 'Does the sign say "STOP"?' about that word or another."""
    if facts.word is None:
        return None
    other = _another(rng, WORDS, facts.word)
    claim = Claim((facts.word,), (other,), f"the sign says {facts.word}", f"the sign says {other}")
    return claim.judged(_CLAIMED_WORD, "text", rng)


def claimed_setting(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Write "Was this picture taken in the snow?" about snow or a beach."""
    if facts.setting is None:
        return None
    phrase = SETTING_PHRASE[facts.setting]
    other = _another(rng, list(SETTING_PHRASE.values()), phrase)
    claim = Claim((phrase,), (other,), f"the picture was taken {phrase}", "")
    return claim.judged(_CLAIMED_SETTING, "setting", rng)


@dataclass(frozen=True)
class Claim:
    """What an instruction claims, rightly or wrongly.

    Attributes:
        right: slots of the instruction that claims what is true.
        wrong: slots of the one that claims something else.
        true: what is true, as a statement.
        false: the other statement, which wrong responses make; "" where there are to be none.
    """

    right: tuple[str, ...]
    wrong: tuple[str, ...]
    true: str
    false: str

    def judged(self, phrasing: Phrasing, error: str, rng: Random) -> Exchange:
        """Return an exchange that claims what is true as often as not; its response says yes or no, and what is true.

        So neither the instruction nor the first word tells a wrong response from a right one.
        """
        rightly = rng.random() < 0.5
        verdicts = ("Yes", "No") if rightly else ("No", "Yes")
        right, wrong = (
            {"value": f"{verdict}, {told}"} for verdict, told in zip(verdicts, (self.true, self.false), strict=True)
        )
        ability = _ERROR_ABILITY.get(error, error)
        slots = self.right if rightly else self.wrong
        return phrasing.exchange(ability, rng, False, slots, right, wrong=[wrong] if self.false else [], error=error)


NEGATIVE_WRITERS: dict[str, tuple[ExchangeWriter, ...]] = {
    "absent": (absent,),
    "present": (present,),
    "about absent": (about_absent,),
    "claimed attribute": (claimed_attribute,),
    "claimed location": (claimed_location,),
    "claimed count": (claimed_count,),
    "claimed word": (claimed_word,),
    "claimed setting": (claimed_setting,),
}
