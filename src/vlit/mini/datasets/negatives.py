"""Writers of negative instructions: questions about what is absent, and false claims to correct (paper section 4.2.2).

Half of the questions about presence have the answer yes, so that the question alone does not give the answer away.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from random import Random

from vlit.mini.datasets.abilities import choose
from vlit.mini.datasets.conversations import ExchangeWriter
from vlit.mini.datasets.image_facts import ATTRIBUTE_VALUES, ImageFacts
from vlit.mini.datasets.phrases import Exchange, Phrasing, counted
from vlit.mini.world.vocabulary import PLACES, SETTING_PHRASE, THING_KINDS, WORDS, with_article

_PRESENCE = Phrasing(
    (
        "Is there {0} in the image?",
        "Can you see {0} in this picture?",
        "Does the image show {0}?",
    ),
    ("{value}.", "{value} in the image.", "{value} in this picture."),
)
_ABOUT_ABSENT = Phrasing(
    ("What color is the {0}?", "Where is the {0} in the image?", "What is the {0} next to?"),
    ("There is no {0} in the image.", "I can't see any {0} in this picture, so there is no answer to that."),
    short="There is no {0}",
)
_ANSWER = ("{value}.",)
_WRONG_ATTRIBUTE = Phrasing(
    ("Is {0} {1}?", "{0} is {1}, isn't it?", "I think {0} is {1}. Do you agree?"),
    _ANSWER,
)
_WRONG_LOCATION = Phrasing(
    (
        "Is {0} in the {1}?",
        "{0} is in the {1} of the image, right?",
        "I think {0} is in the {1}. Is that correct?",
    ),
    _ANSWER,
)
_WRONG_COUNT = Phrasing(
    ("Are there {0} in the image?", "I count {0}, is that right?", "There are {0} here, right?"), _ANSWER
)
_WRONG_WORD = Phrasing(
    ('Does the sign say "{0}"?', "Is {0} written on the sign?", "The sign says {0}, doesn't it?"), _ANSWER
)
_WRONG_SETTING = Phrasing(
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
    """Write "What color is the boat?" where there is none."""
    kind = choose(rng, facts.absent(THING_KINDS))
    return _ABOUT_ABSENT.exchange("identity", rng, short, (kind,), {}) if kind else None


def wrong_attribute(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Write "The cup is blue, isn't it?" about a red cup."""
    known = [
        (called, name, value)
        for name in ATTRIBUTE_VALUES
        for thing, called in facts.named({name})
        if (value := facts.value(thing, name)) is not None
    ]
    if not known:
        return None
    called, name, value = rng.choice(known)
    claim = _another(rng, ATTRIBUTE_VALUES[name], value)
    statement = FalseClaim(f"{called} is {value}", f"{called} is {claim}")
    return statement.corrected(_WRONG_ATTRIBUTE, "attribute", rng, (called, claim))


def wrong_location(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Write "The cat is in the upper left, right?" about a cat that is elsewhere."""
    placed = [(called, place) for thing, called in facts.named() if (place := facts.place(thing)) is not None]
    if not placed:
        return None
    called, place = rng.choice(placed)
    claim = _another(rng, PLACES, place)
    statement = FalseClaim(f"{called} is in the {place}", f"{called} is in the {claim}")
    return statement.corrected(_WRONG_LOCATION, "location", rng, (called, claim))


def wrong_count(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Write "I count four apples, is that right?" where there are two."""
    kind = choose(rng, list(facts.counts))
    if kind is None:
        return None
    count = facts.counts[kind]
    claim = counted(kind, rng.choice([other for other in (count - 1, count + 1, count + 2) if other > 1]))
    statement = FalseClaim(f"there {'is only' if count == 1 else 'are'} {counted(kind, count)}", f"there are {claim}")
    return statement.corrected(_WRONG_COUNT, "count", rng, (claim,))


def wrong_word(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Write 'Does the sign say "STOP"?' about another word."""
    if facts.word is None:
        return None
    claim = _another(rng, WORDS, facts.word)
    statement = FalseClaim(f"the sign says {facts.word}", f"the sign says {claim}")
    return statement.corrected(_WRONG_WORD, "text", rng, (claim,))


def wrong_setting(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Write "Was this picture taken in the snow?" about a beach."""
    if facts.setting is None:
        return None
    phrase = SETTING_PHRASE[facts.setting]
    claim = _another(rng, list(SETTING_PHRASE.values()), phrase)
    statement = FalseClaim(f"the picture was taken {phrase}", "")
    return statement.corrected(_WRONG_SETTING, "setting", rng, (claim,))


@dataclass(frozen=True)
class FalseClaim:
    """What is true and what the instruction claims, as statements; no wrong response agrees with an empty claim."""

    true: str
    false: str

    def corrected(self, phrasing: Phrasing, error: str, rng: Random, slots: tuple[str, ...]) -> Exchange:
        """Return an exchange that contradicts the claim and states what is true; its wrong response agrees."""
        ability = _ERROR_ABILITY.get(error, error)
        agreed = [{"value": f"Yes, {self.false}"}] if self.false else []
        right = {"value": f"No, {self.true}"}
        return phrasing.exchange(ability, rng, False, slots, right, wrong=agreed, error=error)


NEGATIVE_WRITERS: dict[str, tuple[ExchangeWriter, ...]] = {
    "absent": (absent,),
    "present": (present,),
    "about absent": (about_absent,),
    "wrong attribute": (wrong_attribute,),
    "wrong location": (wrong_location,),
    "wrong count": (wrong_count,),
    "wrong word": (wrong_word,),
    "wrong setting": (wrong_setting,),
}
