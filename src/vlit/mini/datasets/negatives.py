"""Negative instructions: questions about what is not there, and misdescriptions to correct (paper section 4.2.2).

Half of the questions about presence are answered with yes, so that the question alone does not give the answer away.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from random import Random

from vlit.mini.datasets.abilities import choose
from vlit.mini.datasets.exchange import Exchange, Phrasing
from vlit.mini.datasets.facts import ATTRIBUTE_VALUES, ImageFacts
from vlit.mini.datasets.phrases import counted
from vlit.mini.world.vocabulary import KINDS, PLACES, SETTING_PHRASE, WORDS, with_article

PRESENCE = Phrasing(
    (
        "Is there {0} in the image?",
        "Can you see {0} in this picture?",
        "Does the image show {0}?",
    ),
    ("{value}.", "{value} in the image.", "{value} in this picture."),
)
ABOUT_ABSENT = Phrasing(
    ("What color is the {0}?", "Where is the {0} in the image?", "What is the {0} next to?"),
    ("There is no {0} in the image.", "I can't see any {0} in this picture, so there is no answer to that."),
    short="There is no {0}",
)
ANSWER = ("{value}.",)
WRONG_ATTRIBUTE = Phrasing(
    ("Is {0} {1}?", "{0} is {1}, isn't it?", "I think {0} is {1}. Do you agree?"),
    ANSWER,
)
WRONG_LOCATION = Phrasing(
    (
        "Is {0} in the {1}?",
        "{0} is in the {1} of the image, right?",
        "I think {0} is in the {1}. Is that correct?",
    ),
    ANSWER,
)
WRONG_COUNT = Phrasing(
    ("Are there {0} in the image?", "I count {0}, is that right?", "There are {0} here, right?"), ANSWER
)
WRONG_WORD = Phrasing(
    ('Does the sign say "{0}"?', "Is {0} written on the sign?", "The sign says {0}, doesn't it?"), ANSWER
)
WRONG_SETTING = Phrasing(("Was this picture taken {0}?", "Is this a scene {0}?", "This was taken {0}, right?"), ANSWER)
ERROR_ABILITY = {"count": "counting"}  # the other errors that a correction can make are called as their ability


def another(rng: Random, values: Collection[str], value: str) -> str:
    """Pick a value other than the right one."""
    return rng.choice([other for other in values if other != value])


def absent(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Is there a boat in the image? No."""
    kind = choose(rng, facts.absent(KINDS))
    return (
        _presence(kind, rng, short, [f"No, there is no {kind}", f"Yes, there is {with_article(kind)}"])
        if kind
        else None
    )


def present(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Is there a cup in the image? Yes."""
    kind = choose(rng, list(facts.counts))
    if kind is None:
        return None
    count = facts.counts[kind]
    yes = f"Yes, there {'is' if count == 1 else 'are'} {counted(kind, count)}"
    return _presence(kind, rng, short, [yes, f"No, there is no {kind}"])


def _presence(kind: str, rng: Random, short: bool, answers: list[str]) -> Exchange:
    right, *wrong = ({"value": answer} for answer in answers)
    return PRESENCE.exchange("identity", rng, short, (with_article(kind),), right, wrong=wrong, error="object")


def asked_of_absent(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """What color is the boat? There is none."""
    kind = choose(rng, facts.absent(KINDS))
    return ABOUT_ABSENT.exchange("identity", rng, short, (kind,), {}) if kind else None


def wrong_attribute(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """The cup is blue, isn't it? No, it is red."""
    known = [
        (called, name, value)
        for name in ATTRIBUTE_VALUES
        for thing, called in facts.named({name})
        if (value := facts.value(thing, name)) is not None
    ]
    if not known:
        return None
    called, name, value = rng.choice(known)
    claim = another(rng, ATTRIBUTE_VALUES[name], value)
    told = Claim(f"{called} is {value}", f"{called} is {claim}")
    return told.corrected(WRONG_ATTRIBUTE, "attribute", rng, (called, claim))


def wrong_location(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """The cat is in the upper left, right? No, it is in the lower right."""
    placed = [(called, place) for thing, called in facts.named() if (place := facts.place(thing)) is not None]
    if not placed:
        return None
    called, place = rng.choice(placed)
    claim = another(rng, PLACES, place)
    told = Claim(f"{called} is in the {place}", f"{called} is in the {claim}")
    return told.corrected(WRONG_LOCATION, "location", rng, (called, claim))


def wrong_count(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """I count four apples, is that right? No, there are two."""
    kind = choose(rng, list(facts.counts))
    if kind is None:
        return None
    count = facts.counts[kind]
    claim = counted(kind, rng.choice([other for other in (count - 1, count + 1, count + 2) if other > 1]))
    told = Claim(f"there {'is only' if count == 1 else 'are'} {counted(kind, count)}", f"there are {claim}")
    return told.corrected(WRONG_COUNT, "count", rng, (claim,))


def wrong_word(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Does the sign say "STOP"? No, it says "CAFE"."""
    if facts.word is None:
        return None
    claim = another(rng, WORDS, facts.word)
    told = Claim(f"the sign says {facts.word}", f"the sign says {claim}")
    return told.corrected(WRONG_WORD, "text", rng, (claim,))


def wrong_setting(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Was this picture taken in the snow? No, on a beach."""
    if facts.setting is None:
        return None
    phrase = SETTING_PHRASE[facts.setting]
    claim = another(rng, list(SETTING_PHRASE.values()), phrase)
    told = Claim(f"the picture was taken {phrase}", "")
    return told.corrected(WRONG_SETTING, "setting", rng, (claim,))


@dataclass(frozen=True)
class Claim:
    """What is true and what the instruction claims, as statements; an empty false one is never agreed with."""

    true: str
    false: str

    def corrected(self, phrasing: Phrasing, error: str, rng: Random, slots: tuple[str, ...]) -> Exchange:
        """Contradict the claim and say what is true; the wrong response agrees with the claim."""
        ability = ERROR_ABILITY.get(error, error)
        agreed = [{"value": f"Yes, {self.false}"}] if self.false else []
        right = {"value": f"No, {self.true}"}
        return phrasing.exchange(ability, rng, False, slots, right, wrong=agreed, error=error)


WRITERS = {
    "absent": (absent,),
    "present": (present,),
    "asked of absent": (asked_of_absent,),
    "wrong attribute": (wrong_attribute,),
    "wrong location": (wrong_location,),
    "wrong count": (wrong_count,),
    "wrong word": (wrong_word,),
    "wrong setting": (wrong_setting,),
}
